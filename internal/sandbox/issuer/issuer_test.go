package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
)

// serve puts an issuer on the net, as the sandbox does.
func serve(t *testing.T) (*Issuer, string) {
	t.Helper()
	dir := t.TempDir()
	var i *Issuer
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	var err error
	i, err = Open(dir, srv.URL)
	require.NoError(t, err)
	return i, dir
}

func TestIssuer_TokenMadeOffline_PassesAStandardVerifier(t *testing.T) {
	t.Parallel()
	i, dir := serve(t)
	cli, err := Open(dir, i.URL())
	require.NoError(t, err)
	provider, err := oidc.NewProvider(t.Context(), i.URL())
	require.NoError(t, err)
	verifier := provider.Verifier(&oidc.Config{ClientID: "backstage", SupportedSigningAlgs: []string{"ES256"}})

	first, err := cli.Token(Claims{Sub: "user:default/rosa", Groups: []string{"group:default/payments-team"}})
	require.NoError(t, err)
	require.NoError(t, cli.Rotate())
	second, err := cli.Token(Claims{Sub: "user:default/rosa"})
	require.NoError(t, err)
	for _, token := range []string{first, second} {
		verified, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, "user:default/rosa", verified.Subject)
	}
	for range 2 {
		require.NoError(t, cli.Rotate())
	}
	_, _, err = i.Check(first)
	require.ErrorContains(t, err, "unknown key")
	_, _, err = i.Check(second)
	require.NoError(t, err)

	info, err := os.Stat(filepath.Join(dir, keyFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestIssuer_Userinfo_AnswersOwnershipOfValidTokensOnly(t *testing.T) {
	t.Parallel()
	i, _ := serve(t)
	ask := func(token string) (int, map[string]any) {
		req := httptest.NewRequest("GET", "/v1/userinfo", nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		i.ServeHTTP(rec, req)
		var body map[string]any
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &body))
		return rec.Code, body
	}
	good, err := i.Token(Claims{Sub: "user:default/amir", Groups: []string{"group:default/ml-platform-team"}})
	require.NoError(t, err)
	status, body := ask(good)
	require.Equal(t, 200, status)
	require.Equal(t, map[string]any{"claims": map[string]any{
		"sub": "user:default/amir", "ent": []any{"user:default/amir", "group:default/ml-platform-team"},
	}}, body)

	expired, err := i.Token(Claims{Sub: "user:default/amir", TTL: -time.Minute})
	require.NoError(t, err)
	for _, token := range []string{"", "nonsense", expired, good[:len(good)-4] + "AAAA"} {
		status, body := ask(token)
		require.Equal(t, 401, status)
		require.Contains(t, body, "error")
	}
}

func TestIssuer_JWKS_HoldsNoPrivatePart(t *testing.T) {
	t.Parallel()
	i, _ := serve(t)
	rec := httptest.NewRecorder()
	i.ServeHTTP(rec, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), `"crv":"P-256"`)
	require.NotContains(t, rec.Body.String(), `"d":`)
}
