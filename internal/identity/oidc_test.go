package identity

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// okta is an OIDC issuer under the test's control.
func okta(t *testing.T, key jose.JSONWebKey, says func(url string) string) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	var server *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("GET /oauth2/default/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": says(server.URL + "/oauth2/default"), "jwks_uri": server.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/oauth2/default", asked
}

func honest(url string) string { return url }

func TestVerifier_OIDCIssuer_DiscoveredAndMapped(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	url, asked := okta(t, key, honest)
	v, err := NewVerifier(http.DefaultClient, Trust{Issuers: []Issuer{{
		Type: OIDC, URL: url, Audience: "api://gildway", UserClaim: "email", UserRef: "user:default/{localpart}", GroupsClaim: "groups",
		EmailDomains: []string{"Acme.com"},
	}}})
	require.NoError(t, err)
	claims := func(change ...func(map[string]any)) map[string]any {
		return claimsOf(url, append([]func(map[string]any){
			set("aud", "api://gildway"), set("ent", []string{"group:default/admins"}), set("sub", "00u1"), set("email", "Rosa.Parks@acme.com"),
			set("groups", []any{"Payments", "Platform Team", "user:default/x", "a/b", 7, "ml"}),
		}, change...)...)
	}
	for _, typ := range []string{"", "JWT", "at+jwt"} {
		p, err := v.Verify(t.Context(), sign(t, key, jose.ES256, typ, claims()))
		require.NoError(t, err, typ)
		require.Equal(t, Principal{Ref: "user:default/rosa.parks", Groups: []string{"group:default/payments", "group:default/ml"}, Kind: User}, p, "names that are no entity's are left out, and ent is none of its business")
	}
	require.EqualValues(t, 1, asked.Load())
	p, err := v.Verify(t.Context(), sign(t, key, jose.ES256, "", claims(set("groups", nil))))
	require.NoError(t, err)
	require.Nil(t, p.Groups)
	p, err = v.Verify(t.Context(), sign(t, key, jose.ES256, "", claims(set("groups", "one"))))
	require.NoError(t, err)
	require.Equal(t, []string{"group:default/one"}, p.Groups)

	for name, token := range map[string]string{
		"WrongAudience":   sign(t, key, jose.ES256, "", claims(set("aud", "backstage"))),
		"NoEmail":         sign(t, key, jose.ES256, "", claims(set("email", nil))),
		"EmailIsAList":    sign(t, key, jose.ES256, "", claims(set("email", []string{"rosa@acme.com"}))),
		"ForeignDomain":   sign(t, key, jose.ES256, "", claims(set("email", "rosa@evil.example"))),
		"TwoAts":          sign(t, key, jose.ES256, "", claims(set("email", "rosa@evil.example@acme.com/x"))),
		"NotVerified":     sign(t, key, jose.ES256, "", claims(set("email_verified", false))),
		"NoAddress":       sign(t, key, jose.ES256, "", claims(set("email", "acme.com"))),
		"AnotherKind":     sign(t, key, jose.ES256, "", claims(set("email", "x:y@acme.com"))),
		"Namespace":       sign(t, key, jose.ES256, "", claims(set("email", "other/rosa@acme.com"))),
		"PlusAddress":     sign(t, key, jose.ES256, "", claims(set("email", "rosa+admin@acme.com"))),
		"LogoutToken":     sign(t, key, jose.ES256, "logout+jwt", claims()),
		"BackstagesType":  sign(t, key, jose.ES256, userTokenType, claims()),
		"PluginTokenType": sign(t, key, jose.ES256, pluginTokenType, claims(set("sub", "permission"), set("aud", "scaffolder"))),
	} {
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
}

func TestVerifier_DiscoveryOfAnotherIssuer_Unavailable(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	url, _ := okta(t, key, func(string) string { return "https://evil.example" })
	v, err := NewVerifier(http.DefaultClient, Trust{Issuers: []Issuer{{Type: OIDC, URL: url, Audience: "backstage"}}})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(t, key, jose.ES256, "", claimsOf(url)))
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestBounded_AnswerWithoutEnd_NoMoreIsRead(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		for {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)
	v, err := NewVerifier(endless.Client(), trusting(endless.URL))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(t, key, jose.ES256, userTokenType, claimsOf(endless.URL)))
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestBounded_Redirect_NotFollowed(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	elsewhere := newAuthority(t, key)
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(redirecting.Close)
	v, err := NewVerifier(http.DefaultClient, trusting(redirecting.URL))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(t, key, jose.ES256, userTokenType, claimsOf(redirecting.URL)))
	require.ErrorIs(t, err, fault.Unavailable)
	require.Zero(t, elsewhere.asked.Load())
}

func TestVerifier_ServiceToken_ByItsHashAlone(t *testing.T) {
	t.Parallel()
	const token = "a token of twenty characters at least"
	_, err := HashToken(secrets.New(token))
	require.Error(t, err, "no spaces")
	_, err = HashToken(secrets.New("short"))
	require.Error(t, err)
	text := strings.ReplaceAll(token, " ", "-")
	sum, err := HashToken(secrets.New(text))
	require.NoError(t, err)
	_, err = NewServiceToken("service:default/ci", text, nil)
	require.Error(t, err, "the token itself is no hash")
	ci, err := NewServiceToken("service:default/ci", strings.ToUpper(sum), []Action{Run})
	require.NoError(t, err)
	v, err := NewVerifier(http.DefaultClient, Trust{Services: []ServiceToken{ci}})
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, Principal{Ref: "service:default/ci", Kind: Service, Only: []Action{Run, See}}, p)
	for _, wrong := range []string{sum, text + "x", text[1:], strings.ToUpper(text), ""} {
		_, err := v.Verify(t.Context(), wrong)
		require.ErrorIs(t, err, fault.Unauthenticated)
		require.Equal(t, illegalToken, fault.From(err).Public)
	}
}
