package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/sandbox/issuer"
	"github.com/gildway/gildway/internal/secrets"
)

func secret(text string) secrets.Secret { return secrets.New(text) }

// signerOf signs with an issuer's newest key what the issuer itself would not.
func signerOf(t *testing.T, i *issuer.Issuer, typ string) jose.Signer {
	t.Helper()
	key, err := i.SigningKey()
	require.NoError(t, err)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	require.NoError(t, err)
	return s
}

func TestSignIn_SeveralIssuersAtOnce(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key := jose.JSONWebKey{Key: private, KeyID: "o", Algorithm: "ES256", Use: "sig"}
	var okta *httptest.Server
	okta = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": okta.URL, "jwks_uri": okta.URL + "/keys"})
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}))
	t.Cleanup(okta.Close)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt"))
	require.NoError(t, err)

	portal, trusted := newBackstage(t)
	_ = trusted
	tokens, err := identity.NewVerifier(http.DefaultClient, identity.Trust{Issuers: []identity.Issuer{
		{URL: portal.url + "/auth", Audience: "backstage"},
		{Type: identity.OIDC, URL: okta.URL, Audience: "gildway", UserClaim: "email", UserRef: "user:default/{localpart}", GroupsClaim: "groups"},
	}})
	require.NoError(t, err)
	w := newWorld(t, func(s *Server) { s.Tokens = tokens })
	mine := func(token string) answer {
		return w.call(http.MethodGet, "/api/scaffolder/v2/tasks", nil, "Authorization", "Bearer "+token)
	}
	for _, token := range []string{
		portal.user(rosa), signed(t, signer, map[string]any{"iss": okta.URL, "aud": "gildway", "sub": "00u1", "email": "Rosa@acme.com"}),
	} {
		made := w.call(http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "x"}}, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusCreated, made.status, made.text)
	}
	require.EqualValues(t, 2, mine(portal.user(rosa)).json(t)["totalTasks"])
	admin := signed(t, signer, map[string]any{"iss": okta.URL, "aud": "gildway", "sub": "00u2", "email": "zoe@acme.com", "groups": []string{"admins"}})
	require.EqualValues(t, 2, mine(admin).json(t)["totalTasks"], "the groups of the token count")
	crossed := signed(t, signer, map[string]any{"iss": portal.url + "/auth", "aud": "gildway", "sub": rosa, "email": "rosa@acme.com"})
	require.Equal(t, http.StatusUnauthorized, mine(crossed).status, "no issuer speaks for another")
}

func TestSignIn_KeysRotate_TokensOfBothCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.token(rosa)
	read := func(token string) int {
		return w.call(http.MethodGet, "/api/scaffolder/v2/tasks", nil, "Authorization", "Bearer "+token).status
	}
	require.NoError(t, w.issuer.Rotate())
	after := w.token(rosa)
	require.Equal(t, 200, read(after), "the first request fetches the keys")
	require.Equal(t, 200, read(before))
}

func TestPlugin_OnBehalfOfAUser_IsThatUser_ButForKeysAndDecisions(t *testing.T) {
	t.Parallel()
	b, trusted := newBackstage(t)
	w := newWorld(t, trusted)
	made := w.call(http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "x"}},
		"Authorization", "Bearer "+b.call("scaffolder", rosa))
	require.Equal(t, http.StatusCreated, made.status, made.text)
	task := made.json(t)["id"].(string)
	gate := w.gate(task)
	do := func(token, method, path string, body any) int {
		return w.call(method, path, body, "Authorization", "Bearer "+token).status
	}
	approve, decide := map[string]any{"decision": "approve"}, "/api/gildway/v1/approvals/"+gate+"/decision"
	require.Equal(t, 200, do(b.call("scaffolder", rosa), http.MethodGet, "/api/scaffolder/v2/tasks/"+task, nil))
	require.Equal(t, 403, do(b.call("scaffolder", rosa), http.MethodPost, "/api/gildway/v1/tasks/"+task+"/collect", nil))
	require.Equal(t, 403, do(b.call("scaffolder", ben), http.MethodPost, decide, approve))
	require.Equal(t, 403, do(b.call("scaffolder", ""), http.MethodPost, decide, approve))
	require.Equal(t, 403, do(b.call("scaffolder", ""), http.MethodGet, "/api/scaffolder/v2/tasks/"+task, nil), "by itself it reads nothing")
	require.Equal(t, 401, do(b.limited(rosa), http.MethodGet, "/api/scaffolder/v2/tasks/"+task, nil), "what a plugin passes on signs nobody in")
	require.Equal(t, 401, do(b.call("catalog", rosa), http.MethodGet, "/api/scaffolder/v2/tasks/"+task, nil), "nor does what was meant for another plugin")
	require.NotEqual(t, 403, do(b.user(ben), http.MethodPost, decide, approve))
}

func TestService_RunsWhatThePolicyGivesIt_AndNoMoreThanItsToken(t *testing.T) {
	t.Parallel()
	token := func(text string, only ...identity.Action) identity.ServiceToken {
		sum, err := identity.HashToken(secret(text))
		require.NoError(t, err)
		s, err := identity.NewServiceToken("service:default/ci", sum, only)
		require.NoError(t, err)
		return s
	}
	const full, reading, other = "the-whole-of-what-ci-may", "reading-of-what-ci-may-do", "a-token-that-is-not-known"
	const running = "running-of-what-ci-may-do"
	_, trusted := newBackstage(t, token(full), token(reading, identity.Read), token(running, identity.Run))
	w := newWorld(t, trusted, func(s *Server) {
		s.Policy = policy(identity.Rule{Who: []string{"service:default/ci"}, May: []identity.Action{identity.Run}, Parts: []string{"*"}})
	})
	run := func(token string) answer {
		return w.call(http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "x"}}, "Authorization", "Bearer "+token)
	}
	made := run(full)
	require.Equal(t, http.StatusCreated, made.status, made.text)
	id := made.json(t)["id"].(string)
	require.Equal(t, http.StatusForbidden, run(reading).status)
	require.Equal(t, http.StatusCreated, run(running).status)
	require.Equal(t, http.StatusForbidden, w.call(http.MethodGet, "/api/scaffolder/v2/tasks/"+id, nil, "Authorization", "Bearer "+running).status)
	require.Equal(t, http.StatusUnauthorized, run(other).status)
	for _, token := range []string{full, reading} {
		got := w.call(http.MethodGet, "/api/scaffolder/v2/tasks/"+id, nil, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, "service:default/ci", got.json(t)["createdBy"])
		require.Equal(t, map[string]any{}, got.json(t)["spec"].(map[string]any)["user"], "a program is no user")
	}
	require.Equal(t, http.StatusForbidden, w.call(http.MethodPost, "/api/scaffolder/v2/tasks/"+id+"/cancel", nil, "Authorization", "Bearer "+reading).status)
	require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/api/scaffolder/v2/tasks/"+id+"/cancel", nil, "Authorization", "Bearer "+full).status)
}

func TestSignIn_SwitchedOff_EverybodyIsTheGuest_AndReadySaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.OpenDoors, s.Tokens = true, nil })
	ready := w.as("", http.MethodGet, "/readyz", nil)
	require.Equal(t, http.StatusOK, ready.status)
	require.Contains(t, ready.text, "dangerouslyDisableSignIn")
	for _, header := range []string{"", "Bearer nonsense", "Bearer " + w.token(adam)} {
		made := w.call(http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "x"}}, "Authorization", header)
		require.Equal(t, http.StatusCreated, made.status, made.text)
		task := w.call(http.MethodGet, "/api/scaffolder/v2/tasks/"+made.json(t)["id"].(string), nil, "Authorization", header)
		require.Equal(t, "user:default/guest", task.json(t)["createdBy"])
	}
	require.NotContains(t, newWorld(t).as("", http.MethodGet, "/readyz", nil).text, "warnings")
	_, err := New(Config{})
	require.Error(t, err, "it is not switched off by leaving something out")
}
