package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// authority is an issuer under the test's control.
type authority struct {
	*httptest.Server
	keys  atomic.Pointer[jose.JSONWebKeySet]
	asked atomic.Int64
	down  atomic.Bool
}

func newAuthority(t *testing.T, keys ...jose.JSONWebKey) *authority {
	t.Helper()
	a := &authority{}
	a.publish(keys...)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.asked.Add(1)
		if a.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(a.keys.Load())
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *authority) publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	a.keys.Store(set)
}

func newKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

func sign(t *testing.T, key jose.JSONWebKey, alg jose.SignatureAlgorithm, typ string, claims any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	require.NoError(t, err)
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func claimsOf(issuer string, change ...func(map[string]any)) map[string]any {
	now := time.Now()
	c := map[string]any{"iss": issuer, "aud": "backstage", "sub": "user:default/Rosa", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"ent": []string{"user:default/rosa", "group:default/ml", "Group:Leads"}}
	for _, f := range change {
		f(c)
	}
	return c
}

func set(key string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if value == nil {
			delete(c, key)
			return
		}
		c[key] = value
	}
}

func TestVerifier_BackstageToken_NamesThePrincipal(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	a := newAuthority(t, key)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), sign(t, key, jose.ES256, "vnd.backstage.user", claimsOf(a.URL)))
	require.NoError(t, err)
	require.Equal(t, Principal{Ref: "user:default/rosa", Groups: []string{"group:default/ml", "group:default/leads"}, Kind: User}, p)
	for range 5 {
		_, err = v.Verify(t.Context(), sign(t, key, jose.ES256, "vnd.backstage.user", claimsOf(a.URL)))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, a.asked.Load())
}

func TestVerifier_BadTokens_Unauthenticated(t *testing.T) {
	t.Parallel()
	key, foreign := newKey(t, "k1"), newKey(t, "k1")
	a := newAuthority(t, key)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	user := func(change ...func(map[string]any)) string {
		return sign(t, key, jose.ES256, "vnd.backstage.user", claimsOf(a.URL, change...))
	}
	public, err := key.Public().MarshalJSON()
	require.NoError(t, err)
	part := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	for name, token := range map[string]string{
		"Empty":            "",
		"Garbage":          "nonsense",
		"AlgNone":          part(map[string]string{"alg": "none", "kid": "k1"}) + "." + part(claimsOf(a.URL)) + ".",
		"PublicKeyAsHMAC":  sign(t, jose.JSONWebKey{Key: public, KeyID: "k1"}, jose.HS256, "vnd.backstage.user", claimsOf(a.URL)),
		"ForeignKeyOurID":  sign(t, foreign, jose.ES256, "vnd.backstage.user", claimsOf(a.URL)),
		"UnknownKey":       sign(t, newKey(t, "k2"), jose.ES256, "vnd.backstage.user", claimsOf(a.URL)),
		"Expired":          user(set("exp", time.Now().Add(-time.Hour).Unix())),
		"NotYet":           user(set("nbf", time.Now().Add(time.Hour).Unix())),
		"FromTheFuture":    user(set("iat", time.Now().Add(time.Hour).Unix())),
		"NoExpiry":         user(set("exp", nil)),
		"NoIssueTime":      user(set("iat", nil)),
		"NoSubject":        user(set("sub", nil)),
		"WrongAudience":    user(set("aud", "catalog")),
		"NoAudience":       user(set("aud", nil)),
		"UnknownIssuer":    user(set("iss", "https://evil.example")),
		"NoIssuer":         user(set("iss", nil)),
		"SubjectOfAGroup":  user(set("sub", "group:default/admins")),
		"SubjectIsNoRef":   user(set("sub", "a b/c")),
		"LimitedUserToken": sign(t, key, jose.ES256, "vnd.backstage.limited-user", claimsOf(a.URL)),
		"PluginToken":      sign(t, key, jose.ES256, "vnd.backstage.plugin", claimsOf(a.URL)),
		"DecisionProof":    sign(t, key, jose.ES256, statementType, claimsOf(a.URL)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
		})
	}
}

func TestVerifier_RotatedKey_FetchedOncePerWhile(t *testing.T) {
	t.Parallel()
	old, fresh := newKey(t, "old"), newKey(t, "fresh")
	a := newAuthority(t, old)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	now := time.Now()
	v.now = func() time.Time { return now }
	check := func(key jose.JSONWebKey) error {
		_, err := v.Verify(t.Context(), sign(t, key, jose.ES256, "vnd.backstage.user", claimsOf(a.URL)))
		return err
	}
	require.NoError(t, check(old))
	a.publish(fresh, old)
	for range 3 {
		require.ErrorIs(t, check(fresh), fault.Unauthenticated) // asked a moment ago
	}
	require.EqualValues(t, 1, a.asked.Load())
	now = now.Add(refreshEvery)
	require.NoError(t, check(fresh))
	require.EqualValues(t, 2, a.asked.Load())

	a.down.Store(true)
	now = now.Add(keysLive + time.Second)
	v.now = func() time.Time { return now.Add(-keysLive) } // the tokens' own life is not what is tested
	require.NoError(t, check(old))
}

func TestVerifier_IssuerAway_KnownKeysStayInUse(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	a := newAuthority(t, key)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	check := func(key jose.JSONWebKey) error {
		_, err := v.Verify(t.Context(), sign(t, key, jose.ES256, userTokenType, claimsOf(a.URL)))
		return err
	}
	require.NoError(t, check(key))
	a.Close()
	v.now = func() time.Time { return time.Now().Add(refreshEvery) }
	require.NoError(t, check(key))
	require.ErrorIs(t, check(newKey(t, "k2")), fault.Unavailable, "it may be a new one")
	require.NoError(t, check(key))
}

func TestVerifier_WithdrawnKey_EndsAfterAnHour(t *testing.T) {
	t.Parallel()
	withdrawn, fresh := newKey(t, "old"), newKey(t, "fresh")
	a := newAuthority(t, withdrawn)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	var later time.Duration
	v.now = func() time.Time { return time.Now().Add(later) }
	check := func() error {
		_, err := v.Verify(t.Context(), sign(t, withdrawn, jose.ES256, userTokenType, claimsOf(a.URL, set("exp", time.Now().Add(9*time.Hour).Unix()))))
		return err
	}
	require.NoError(t, check())
	a.publish(fresh)
	require.NoError(t, check(), "nobody is asked at each request")
	later = keysLive + time.Second
	require.Eventually(t, func() bool { return errors.Is(check(), fault.Unauthenticated) }, 10*time.Second, time.Millisecond, "it is asked behind the first")
}

func TestVerifier_IssuerDown_Unavailable(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	a := newAuthority(t, key)
	a.down.Store(true)
	v, err := NewVerifier(a.Client(), trusting(a.URL))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(t, key, jose.ES256, "vnd.backstage.user", claimsOf(a.URL)))
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestVerifier_SeveralIssuers_EachWithItsOwnKeys(t *testing.T) {
	t.Parallel()
	people, programs := newKey(t, "k"), newKey(t, "k")
	a, b := newAuthority(t, people), newAuthority(t, programs)
	v, err := NewVerifier(http.DefaultClient, Trust{Issuers: []Issuer{
		{URL: a.URL, Audience: "backstage"},
		{Type: OIDC, URL: b.URL, JWKS: b.URL, Audience: "gildway", UserRef: "service:default/{value}"},
	}})
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), sign(t, programs, jose.ES256, "at+jwt", claimsOf(b.URL, set("aud", []string{"x", "gildway"}), set("sub", "portal"))))
	require.NoError(t, err)
	require.Equal(t, "service:default/portal", p.Ref)
	require.Equal(t, Service, p.Kind)
	_, err = v.Verify(t.Context(), sign(t, programs, jose.ES256, userTokenType, claimsOf(a.URL)))
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, err = v.Verify(t.Context(), sign(t, programs, jose.ES256, "", claimsOf(b.URL, set("aud", "gildway"))))
	require.ErrorIs(t, err, fault.Unauthenticated) // a program can't name a user
}

func TestNewVerifier_Incomplete_Refused(t *testing.T) {
	t.Parallel()
	whole := Issuer{URL: "u", JWKS: "j", Audience: "a"}
	for name, trust := range map[string]Trust{
		"Nobody":             {},
		"NoAudience":         {Issuers: []Issuer{{URL: "u", JWKS: "j"}}},
		"NoURL":              {Issuers: []Issuer{{JWKS: "u", Audience: "a"}}},
		"Twice":              {Issuers: []Issuer{whole, whole}},
		"UnknownType":        {Issuers: []Issuer{{Type: "saml", URL: "u", Audience: "a"}}},
		"SameUserForAll":     {Issuers: []Issuer{{Type: OIDC, URL: "u", Audience: "a", UserRef: "user:default/admin"}}},
		"UserIsAGroup":       {Issuers: []Issuer{{Type: OIDC, URL: "u", Audience: "a", UserRef: "group:default/{value}"}}},
		"UnknownPlaceholder": {Issuers: []Issuer{{Type: OIDC, URL: "u", Audience: "a", UserRef: "user:default/{value}{mail}"}}},
		"ClaimGivesTheKind":  {Issuers: []Issuer{{Type: OIDC, URL: "u", Audience: "a", UserRef: "{value}"}}},
		"PluginPath":         {Issuers: []Issuer{whole}, Plugins: Plugins{URL: "http://x", Accept: []string{"../auth"}}},
		"PluginsNowhere":     {Issuers: []Issuer{whole}, Plugins: Plugins{Accept: []string{"permission"}}},
	} {
		_, err := NewVerifier(http.DefaultClient, trust)
		require.Error(t, err, name)
	}
}

func trusting(url string) Trust {
	return Trust{Issuers: []Issuer{{URL: url, Audience: "backstage"}}}
}
