package identity

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// The tokens were signed by Backstage's own auth backend (0.30.1) and backend defaults (0.18.0).
func TestVerifier_TokensThatBackstageSigned_Read(t *testing.T) {
	t.Parallel()
	var recorded struct {
		Issuer               string
		SignedAt             int64
		AuthKeys, PluginKeys json.RawMessage
		Tokens               struct{ Whole, Lean, Limited, ForUser, Own, Catalog string }
	}
	raw, err := os.ReadFile("testdata/backstage-signed.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &recorded))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/auth/.well-known/jwks.json":
			_, _ = w.Write(recorded.AuthKeys)
		case "/api/permission/.backstage/auth/v1/jwks.json":
			_, _ = w.Write(recorded.PluginKeys)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(backend.Close)
	v, err := NewVerifier(backend.Client(), Trust{
		Issuers: []Issuer{{URL: recorded.Issuer, JWKS: backend.URL + "/api/auth/.well-known/jwks.json", Audience: "backstage"}},
		Plugins: Plugins{URL: backend.URL + "/api", Accept: []string{"permission"}},
	})
	require.NoError(t, err)
	v.now = func() time.Time { return time.Unix(recorded.SignedAt, 0).Add(time.Minute) }
	rosa := Principal{Ref: "user:default/rosa", Kind: User}
	whole := rosa
	whole.Groups = []string{"group:default/payments"}
	for token, want := range map[string]Principal{
		recorded.Tokens.Whole:   whole,
		recorded.Tokens.Lean:    rosa,
		recorded.Tokens.ForUser: {Ref: "user:default/rosa", Kind: User, Plugin: "permission", Only: passedOn},
		recorded.Tokens.Own:     {Ref: "plugin:default/permission", Kind: Service, Plugin: "permission"},
	} {
		p, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, want, p)
	}
	for _, token := range []string{recorded.Tokens.Limited, recorded.Tokens.Catalog} {
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
	}
	v.now = func() time.Time { return time.Unix(recorded.SignedAt, 0).Add(2 * time.Hour) }
	_, err = v.Verify(t.Context(), recorded.Tokens.Whole)
	require.ErrorIs(t, err, fault.Unauthenticated)
}
