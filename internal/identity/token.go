package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const (
	// clockSkew is how far the clocks of an issuer and ours may differ.
	clockSkew = 30 * time.Second
	// maxToken bounds a token before anything of it is read; Backstage's own are about 1 KiB, those of users in
	// hundreds of groups 20.
	maxToken = 32 << 10
)

// The types of tokens that Backstage signs.
const (
	userTokenType    = "vnd.backstage.user"
	limitedTokenType = "vnd.backstage.limited-user"
	pluginTokenType  = "vnd.backstage.plugin"
)

// oidcTypes are the token types that other issuers sign people in with. No Backstage token and no decision
// statement of ours is among them.
var oidcTypes = map[string]bool{"jwt": true, "at+jwt": true, "application/at+jwt": true, "": true}

// The words in which Backstage refuses a token.
const (
	illegalToken = "Illegal token"
	failedUser   = "Failed user token verification"
	failedPlugin = "Failed plugin token verification"
)

// algorithms are the signatures accepted: asymmetric ones only, so that no public key can be turned
// into a shared secret.
var algorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// Trust is whose tokens are accepted.
type Trust struct {
	Issuers  []Issuer
	Plugins  Plugins
	Services []ServiceToken
}

// Verifier checks bearer tokens. It may be used concurrently.
type Verifier struct {
	issuers  map[string]*trusted
	plugins  map[string]*keySet
	services []ServiceToken
	now      func() time.Time
}

type trusted struct {
	Issuer
	keys     *keySet
	userinfo *userinfo // of Backstage issuers
}

// NewVerifier accepts the tokens of whom is trusted and fetches public keys when first needed.
func NewVerifier(client *http.Client, trust Trust) (*Verifier, error) {
	client = bounded(client)
	v := &Verifier{issuers: map[string]*trusted{}, services: trust.Services, now: time.Now}
	for _, i := range trust.Issuers {
		if err := i.complete(); err != nil {
			return nil, err
		}
		if _, twice := v.issuers[i.URL]; twice {
			return nil, fmt.Errorf("issuer %q is named twice", i.URL)
		}
		t := &trusted{Issuer: i, keys: newKeySet(client, i.JWKS)}
		if i.JWKS == "" {
			t.keys = discoveredKeySet(client, i.URL)
		}
		if i.Type == Backstage {
			t.userinfo = newUserinfo(client, i.authBase())
		}
		v.issuers[i.URL] = t
	}
	if len(v.issuers) == 0 && len(v.services) == 0 {
		return nil, errors.New("no token issuer is configured, so nobody could sign in")
	}
	var err error
	v.plugins, err = trust.Plugins.keySets(client)
	return v, err
}

// outline is what a token says of itself. Nothing of it is proven: it only picks the check that has to prove it,
// and the words of a refusal.
type outline struct {
	typ, issuer, subject string
	forBackstage         bool // its audience is backstage
}

// words are those in which Backstage refuses it: what looks like one of its own user tokens has failed, anything
// else is none of its business.
func (o outline) words() string {
	if o.typ == userTokenType || o.forBackstage {
		return failedUser
	}
	return illegalToken
}

func outlineOf(token string) (o outline, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return o, false
	}
	var header struct {
		Typ string `json:"typ"`
	}
	var claims struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Audience json.RawMessage `json:"aud"`
	}
	for i, into := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return o, false
		}
	}
	return outline{header.Typ, claims.Issuer, claims.Subject, string(claims.Audience) == `"backstage"`}, true
}

// Verify says who a bearer token names. A token that doesn't prove it is an Unauthenticated fault in Backstage's
// words; an issuer whose keys can't be had is an Unavailable one.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > maxToken {
		return Principal{}, fault.New(fault.Unauthenticated, illegalToken)
	}
	if p, known := v.service(token); known {
		return p, nil
	}
	o, ok := outlineOf(token)
	if !ok {
		return Principal{}, fault.New(fault.Unauthenticated, illegalToken)
	}
	switch o.typ {
	case pluginTokenType:
		return v.plugin(ctx, token, o)
	case limitedTokenType: // it names a user, and is made for cookies and for plugins to pass on
		if _, err := v.limited(ctx, token); err != nil {
			return Principal{}, err
		}
		return Principal{}, fault.New(fault.Unauthenticated, "Illegal limited user token")
	}
	issuer, known := v.issuers[o.issuer]
	if !known {
		return Principal{}, refused(o.words(), "unknown issuer")
	}
	if issuer.Type == Backstage {
		return v.backstage(ctx, issuer, token, o)
	}
	return v.oidc(ctx, issuer, token, o)
}

// IsBackstageUser reports whether a token that was verified is one that a Backstage has signed for a user.
func IsBackstageUser(token string) bool {
	o, ok := outlineOf(token)
	return ok && o.typ == userTokenType
}

func refused(words, why string) error {
	return fault.Wrap(fault.Unauthenticated, errors.New(why), "%s", words)
}

func (v *Verifier) backstage(ctx context.Context, issuer *trusted, token string, o outline) (Principal, error) {
	if o.typ != userTokenType {
		return Principal{}, refused(o.words(), "a token of this type doesn't sign in")
	}
	var c struct {
		jwt.Claims
		Ownership *[]string `json:"ent"`
	}
	if err := v.check(ctx, issuer.keys, token, failedUser, jwt.Expected{Issuer: issuer.URL, AnyAudience: jwt.Audience{issuer.Audience}}, &c, &c.Claims); err != nil {
		return Principal{}, err
	}
	user, err := userRef(c.Subject)
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Ref: user, Kind: User}
	if c.Ownership != nil {
		p.Groups = ownedGroups(*c.Ownership)
	} else {
		p.Groups = ownedGroups(issuer.userinfo.ownership(ctx, token, c.Subject, v.now(), c.Expiry.Time()))
	}
	return p, nil
}

func userRef(subject string) (string, error) {
	ref, err := plan.ParseEntityRef(subject, string(User))
	if err != nil {
		return "", refused(failedUser, err.Error())
	}
	if ref.Kind != string(User) {
		return "", refused(failedUser, "the subject is no user")
	}
	return ref.String(), nil
}

func (v *Verifier) oidc(ctx context.Context, issuer *trusted, token string, o outline) (Principal, error) {
	if !oidcTypes[strings.ToLower(o.typ)] {
		return Principal{}, refused(failedUser, "a token of this type doesn't sign in")
	}
	var standard jwt.Claims
	var all map[string]any
	expected := jwt.Expected{Issuer: issuer.URL, AnyAudience: jwt.Audience{issuer.Audience}}
	if err := v.check(ctx, issuer.keys, token, failedUser, expected, &all, &standard); err != nil {
		return Principal{}, err
	}
	ref, err := issuer.subject(all)
	if err != nil {
		return Principal{}, refused(failedUser, err.Error())
	}
	if ref.Kind == string(Service) {
		return Principal{Ref: ref.String(), Kind: Service}, nil
	}
	return Principal{Ref: ref.String(), Groups: issuer.groups(all), Kind: User}, nil
}

// check proves a token: signature, times, issuer, audience. It fills in both forms of the claims, which may be one.
func (v *Verifier) check(ctx context.Context, keys *keySet, token, words string, expected jwt.Expected, into any, standard *jwt.Claims) error {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return refused(words, err.Error())
	}
	header := parsed.Headers[0]
	key, err := keys.find(ctx, header.KeyID, header.Algorithm, v.now())
	if errors.Is(err, errNoKey) {
		return refused(words, err.Error())
	}
	if err != nil {
		return err
	}
	if err := parsed.Claims(key, into, standard); err != nil {
		return refused(words, "bad signature or claims")
	}
	if standard.Expiry == nil || standard.IssuedAt == nil || standard.Subject == "" {
		return refused(words, "exp, iat or sub is missing")
	}
	expected.Time = v.now()
	if err := standard.ValidateWithLeeway(expected, clockSkew); err != nil {
		return refused(words, err.Error())
	}
	return nil
}
