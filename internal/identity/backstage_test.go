package identity

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// backend is a Backstage backend under the test's control: its auth plugin's and its permission plugin's keys.
type backend struct {
	*httptest.Server
	user, plugin jose.JSONWebKey
	userinfo     atomic.Int64 // questions
	silent       atomic.Bool
	owns         any // what userinfo says; nil = that there is no such thing
	subject      string
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{user: newKey(t, "u"), plugin: newKey(t, "p"), subject: "user:default/rosa"}
	keys := func(k jose.JSONWebKey) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.Public()}})
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /api/auth/.well-known/jwks.json", keys(b.user))
	mux.Handle("GET /api/permission/.backstage/auth/v1/jwks.json", keys(b.plugin))
	mux.HandleFunc("GET /api/auth/v1/userinfo", func(w http.ResponseWriter, r *http.Request) {
		b.userinfo.Add(1)
		if b.silent.Load() || b.owns == nil || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"claims": map[string]any{"sub": b.subject, "ent": b.owns}})
	})
	b.Server = httptest.NewServer(mux)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) issuer() string { return b.URL + "/api/auth" }

func (b *backend) verifier(t *testing.T) *Verifier {
	t.Helper()
	v, err := NewVerifier(b.Client(), Trust{
		Issuers: []Issuer{{URL: b.issuer(), Audience: "backstage"}},
		Plugins: Plugins{URL: b.URL + "/api", Accept: []string{"permission"}},
	})
	require.NoError(t, err)
	return v
}

// claims begin with those of a user, without ent.
func (b *backend) claims(change ...func(map[string]any)) map[string]any {
	return claimsOf(b.issuer(), append([]func(map[string]any){set("ent", nil), set("sub", "user:default/rosa")}, change...)...)
}

func (b *backend) userToken(t *testing.T, change ...func(map[string]any)) string {
	return sign(t, b.user, jose.ES256, userTokenType, b.claims(change...))
}

func (b *backend) limitedToken(t *testing.T, key jose.JSONWebKey, change ...func(map[string]any)) string {
	return sign(t, key, jose.ES256, limitedTokenType, b.claims(append(change, set("iss", nil), set("aud", nil))...))
}

func (b *backend) pluginToken(t *testing.T, change ...func(map[string]any)) string {
	return sign(t, b.plugin, jose.ES256, pluginTokenType, b.claims(append([]func(map[string]any){set("iss", nil), set("sub", "permission"), set("aud", "scaffolder")}, change...)...))
}

func TestVerifier_TokensOfEveryKind_AnsweredInBackstagesWords(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	v := b.verifier(t)
	foreign, secret := newKey(t, "u"), jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: "u"}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	past := time.Now().Add(-time.Hour).Unix()
	other := b.plugin
	other.Key = foreign.Key
	tokens := map[string]string{
		"Garbage": "nonsense", "User": b.userToken(t), "Expired": b.userToken(t, set("exp", past)), "NoExpiry": b.userToken(t, set("exp", nil)),
		"NoIssueTime": b.userToken(t, set("iat", nil)), "NoSubject": b.userToken(t, set("sub", nil)), "NotYet": b.userToken(t, set("nbf", time.Now().Add(time.Hour).Unix())),
		"ForeignKeyOurID":                 sign(t, foreign, jose.ES256, userTokenType, b.claims()),
		"AlgNone":                         part(map[string]string{"alg": "none", "typ": userTokenType}) + "." + part(b.claims()) + ".",
		"AlgNoneNoType":                   part(map[string]string{"alg": "none"}) + "." + part(b.claims()) + ".",
		"HS256":                           sign(t, secret, jose.HS256, userTokenType, b.claims()),
		"HS256NoType":                     sign(t, secret, jose.HS256, "", b.claims(set("aud", nil))),
		"OtherTypeOtherAudience":          sign(t, b.user, jose.ES256, "JWT", b.claims(set("aud", "catalog"))),
		"NoTypeNoAudience":                sign(t, b.user, jose.ES256, "", b.claims(set("aud", nil))),
		"OtherTypeOurAudience_ForeignKey": sign(t, foreign, jose.ES256, "JWT", b.claims()),
		"Limited":                         b.limitedToken(t, b.user),
		"LimitedExpired":                  b.limitedToken(t, b.user, set("exp", past)),
		"LimitedForeignKey":               b.limitedToken(t, foreign),
		"Plugin":                          b.pluginToken(t),
		"PluginOfAnotherAudience":         b.pluginToken(t, set("aud", "catalog")),
		"PluginExpired":                   b.pluginToken(t, set("exp", past)),
		"PluginForeignKey":                sign(t, other, jose.ES256, pluginTokenType, b.claims(set("iss", nil), set("sub", "permission"), set("aud", "scaffolder"))),
		"PluginNoExpiry":                  b.pluginToken(t, set("exp", nil)),
		"PluginBadSubject":                b.pluginToken(t, set("sub", "../auth")),
		"PluginForUser":                   b.pluginToken(t, set("obo", b.limitedToken(t, b.user))),
		"PluginForUserExpired":            b.pluginToken(t, set("obo", b.limitedToken(t, b.user, set("exp", past)))),
		"PluginForNobody":                 b.pluginToken(t, set("obo", "nonsense")),
		"PluginForPlugin":                 b.pluginToken(t, set("obo", b.pluginToken(t))),
		"UserTokenAsPlugin":               sign(t, b.user, jose.ES256, pluginTokenType, b.claims(set("aud", "scaffolder"), set("sub", "permission"))),
		"DecisionStatement":               sign(t, b.user, jose.ES256, statementType, b.claims(set("aud", nil))),
	}
	var recorded []struct {
		Name      string
		Principal *struct{ Type, Subject, Actor string }
		Error     *struct{ Name, Message string }
	}
	raw, err := os.ReadFile("testdata/backstage-tokens.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &recorded))
	require.Len(t, tokens, len(recorded))
	for _, c := range recorded {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, tokens, c.Name)
			p, err := v.Verify(t.Context(), tokens[c.Name])
			if c.Error != nil {
				require.ErrorIs(t, err, fault.Unauthenticated)
				require.Equal(t, *c.Error, struct{ Name, Message string }{fault.From(err).BackstageName(), fault.From(err).Public})
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, c.Principal.Type, p.Kind)
			subject := strings.Replace(p.Ref, "plugin:default/", "plugin:", 1)
			require.Equal(t, c.Principal.Subject, subject)
			require.Equal(t, strings.TrimPrefix(c.Principal.Actor, "plugin:") == "permission", p.Plugin == "permission" && p.Kind == User)
		})
	}
}

func TestVerifier_PluginForAUser_NeitherDecidesNorCollects(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	p, err := b.verifier(t).Verify(t.Context(), b.pluginToken(t, set("obo", b.limitedToken(t, b.user))))
	require.NoError(t, err)
	policy := NewPolicy(nil, nil, OpenToEveryone())
	task := Resource{Template: "template:default/x", Requester: "user:default/rosa", Approvers: []string{"user:default/ben"}}
	require.True(t, policy.Allows(p, Read, task))
	require.True(t, policy.Allows(p, Cancel, task))
	require.False(t, policy.Allows(p, Collect, task))
	task.Approvers, task.Requester = []string{p.Ref}, "user:default/ben"
	require.False(t, policy.Allows(p, Approve, task))
}

func TestVerifier_PluginNotAccepted_NobodyIsAsked(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	nowhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	t.Cleanup(nowhere.Close)
	b := newBackend(t)
	v, err := NewVerifier(b.Client(), Trust{Issuers: []Issuer{{URL: b.issuer(), Audience: "backstage"}}, Plugins: Plugins{URL: nowhere.URL, Accept: []string{"catalog"}}})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), b.pluginToken(t))
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Empty(t, asked)
}

// A bearer token is good for all requests until it expires; what must not be is its use in another place or role.
func TestVerifier_TokenUsedElsewhere_Refused(t *testing.T) {
	t.Parallel()
	b, staging := newBackend(t), newBackend(t)
	v := b.verifier(t)
	good := b.userToken(t, set("jti", "one"))
	for range 2 {
		_, err := v.Verify(t.Context(), good)
		require.NoError(t, err, "a bearer token is not used up")
	}
	limited := b.limitedToken(t, b.user)
	for name, token := range map[string]string{
		"TheCookieAsBearer":                limited,
		"FromAnotherBackstage":             staging.userToken(t),
		"FromAnotherBackstage_OurName":     sign(t, staging.user, jose.ES256, userTokenType, b.claims()),
		"ForAnotherPlugin":                 b.pluginToken(t, set("aud", "catalog")),
		"ForAnotherPlugin_ForAUser":        b.pluginToken(t, set("aud", "catalog"), set("obo", limited)),
		"PassedOnByAnUnknownPlugin":        sign(t, b.user, jose.ES256, pluginTokenType, b.claims(set("iss", nil), set("sub", "evil"), set("aud", "scaffolder"), set("obo", limited))),
		"UserTokenPassedOn":                b.pluginToken(t, set("obo", good)),
		"UserTokenForAnotherAudience":      b.userToken(t, set("aud", []string{"catalog"})),
		"LimitedOfAnotherBackstage":        b.pluginToken(t, set("obo", staging.limitedToken(t, staging.user))),
		"SignatureOfTheLimitedOnTheWhole":  strings.Join(append(strings.Split(good, ".")[:2], strings.Split(limited, ".")[2]), "."),
		"WithAByteMoreInTheSignature":      good + "A",
		"WithSpaces":                       strings.Replace(good, ".", ". ", 1),
		"AsJSONSerialization":              `{"payload":"` + strings.Split(good, ".")[1] + `"}`,
		"WithAKeyOfItsOwn":                 withOwnKey(t, b.claims()),
		"WithAnUnknownCriticalHeaderField": withCritical(t, b.user, b.claims()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
		})
	}
}

func withOwnKey(t *testing.T, claims any) string {
	t.Helper()
	key := newKey(t, "u")
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType(userTokenType))
	require.NoError(t, err)
	raw, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := s.Sign(raw)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

func withCritical(t *testing.T, key jose.JSONWebKey, claims any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType(userTokenType).WithHeader("crit", []string{"once"}).WithHeader("once", true)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	require.NoError(t, err)
	raw, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := s.Sign(raw)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

func TestVerifier_Oversized_NotRead(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	v := b.verifier(t)
	groups := slices.Repeat([]string{"group:default/" + strings.Repeat("g", 60)}, 300)
	_, err := v.Verify(t.Context(), b.userToken(t, set("ent", groups)))
	require.NoError(t, err, "hundreds of groups fit")
	_, err = v.Verify(t.Context(), b.userToken(t, set("ent", slices.Repeat(groups, 2))))
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Equal(t, illegalToken, fault.From(err).Public)
}

func TestVerifier_ClockSkew_HalfAMinute(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	v := b.verifier(t)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct {
		change func(map[string]any)
		good   bool
	}{
		"JustExpired":     {set("exp", at(-20*time.Second)), true},
		"Expired":         {set("exp", at(-40*time.Second)), false},
		"AlmostValid":     {set("nbf", at(20*time.Second)), true},
		"NotYetValid":     {set("nbf", at(40*time.Second)), false},
		"IssuedJustAhead": {set("iat", at(20*time.Second)), true},
		"IssuedAhead":     {set("iat", at(40*time.Second)), false},
	} {
		_, err := v.Verify(t.Context(), b.userToken(t, c.change))
		if c.good {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, fault.Unauthenticated, name)
		}
	}
}

func TestVerifier_NoOwnershipInTheToken_UserinfoAskedOnce(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.owns = []string{"user:default/rosa", "group:default/Payments", "group:other/ml"}
	v := b.verifier(t)
	token := b.userToken(t)
	for range 3 {
		p, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, []string{"group:default/payments", "group:other/ml"}, p.Groups)
	}
	require.EqualValues(t, 1, b.userinfo.Load())
	_, err := v.Verify(t.Context(), b.userToken(t, set("ent", []string{"user:default/rosa", "group:default/x"})))
	require.NoError(t, err)
	require.EqualValues(t, 1, b.userinfo.Load(), "the token says it")
}

func TestVerifier_BackstageBehindAnotherAddress_UserinfoAskedWhereTheKeysAre(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.owns = []string{"group:default/payments"}
	v, err := NewVerifier(b.Client(), Trust{Issuers: []Issuer{{URL: "https://portal.example/api/auth", JWKS: b.issuer() + "/.well-known/jwks.json", Audience: "backstage"}}})
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), b.userToken(t, set("iss", "https://portal.example/api/auth")))
	require.NoError(t, err)
	require.Equal(t, b.owns, p.Groups)
}

func TestVerifier_UserinfoCantBeHad_GroupsAreNotKnown(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.owns = []string{"group:default/payments"}
	b.silent.Store(true)
	v := b.verifier(t)
	now := time.Now()
	v.now = func() time.Time { return now }
	token := b.userToken(t)
	for range 3 {
		p, err := v.Verify(t.Context(), token)
		require.NoError(t, err, "the directory is asked then")
		require.Nil(t, p.Groups)
	}
	require.EqualValues(t, 1, b.userinfo.Load(), "a failed question is not repeated at once")
	b.silent.Store(false)
	now = now.Add(askAgain)
	p, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, []string{"group:default/payments"}, p.Groups)

	b.subject = "user:default/ben"
	p, err = v.Verify(t.Context(), b.userToken(t, set("jti", "another")))
	require.NoError(t, err)
	require.Nil(t, p.Groups, "an answer about somebody else is none")
}

func TestUserinfo_ManyTokens_KeepsABoundedNumber(t *testing.T) {
	t.Parallel()
	u := newUserinfo(http.DefaultClient, "http://nobody")
	done := make(chan struct{})
	close(done)
	now := time.Now()
	for i := range maxAnswers {
		until := now.Add(time.Hour)
		if i%2 == 0 {
			until = now.Add(-time.Hour)
		}
		u.answers[[32]byte{byte(i), byte(i >> 8), byte(i >> 16)}] = &ownershipAnswer{ready: done, until: until}
	}
	u.makeRoom(now)
	require.Len(t, u.answers, maxAnswers/2)
}
