package identity

import (
	"context"
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

// clockSkew is how far the clocks of an issuer and ours may differ.
const clockSkew = 30 * time.Second

// The token types that name a user. A Backstage plugin's or limited user token is neither, nor is a
// decision statement of ours.
var bearerTypes = map[string]bool{"vnd.backstage.user": true, "jwt": true, "at+jwt": true, "": true}

// Issuer is one authority whose tokens are accepted.
type Issuer struct {
	URL      string // the iss claim, exactly
	JWKS     string // where its public keys are
	Audience string // the aud claim must hold it
	Kind     Kind   // whom its tokens name; default User
}

// algorithms are the signatures accepted: asymmetric ones only, so that no public key can be turned
// into a shared secret.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA}

// Verifier checks bearer tokens of its issuers. It may be used concurrently.
type Verifier struct {
	issuers map[string]*trusted
	now     func() time.Time
}

type trusted struct {
	Issuer
	keys *keySet
}

// NewVerifier accepts tokens of the issuers and fetches their keys when first needed.
func NewVerifier(client *http.Client, issuers ...Issuer) (*Verifier, error) {
	v := &Verifier{issuers: map[string]*trusted{}, now: time.Now}
	for _, i := range issuers {
		if i.URL == "" || i.JWKS == "" || i.Audience == "" {
			return nil, fmt.Errorf("issuer %q needs a URL, a JWKS URL and an audience", i.URL)
		}
		if i.Kind == "" {
			i.Kind = User
		}
		if _, twice := v.issuers[i.URL]; twice {
			return nil, fmt.Errorf("issuer %q is named twice", i.URL)
		}
		v.issuers[i.URL] = &trusted{Issuer: i, keys: newKeySet(client, i.JWKS)}
	}
	if len(v.issuers) == 0 {
		return nil, errors.New("no token issuer is configured, so nobody could sign in")
	}
	return v, nil
}

type bearerClaims struct {
	jwt.Claims
	Ownership []string `json:"ent"`    // Backstage: the refs that the user is or belongs to
	Groups    []string `json:"groups"` // others
}

// Verify says who a bearer token names. A token that doesn't prove it is an Unauthenticated fault; an
// issuer whose keys can't be had is an Unavailable one.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Principal{}, fault.Wrap(fault.Unauthenticated, err, "Illegal token")
	}
	refuse := func(why string) (Principal, error) {
		return Principal{}, fault.Wrap(fault.Unauthenticated, errors.New(why), "Failed user token verification")
	}
	var unsafe jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&unsafe); err != nil {
		return refuse("the claims can't be read")
	}
	issuer, known := v.issuers[unsafe.Issuer] // only picks the keys that then have to prove it
	if !known {
		return refuse("unknown issuer")
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !bearerTypes[strings.ToLower(typ)] {
		return refuse("a token of this type doesn't sign in")
	}
	key, err := issuer.keys.find(ctx, header.KeyID, header.Algorithm, v.now())
	if err != nil {
		return Principal{}, err
	}
	var c bearerClaims
	if err := parsed.Claims(key, &c); err != nil {
		return refuse("bad signature")
	}
	if c.Expiry == nil || c.IssuedAt == nil || c.Subject == "" {
		return refuse("exp, iat or sub is missing")
	}
	expected := jwt.Expected{Issuer: issuer.URL, AnyAudience: jwt.Audience{issuer.Audience}, Time: v.now()}
	if err := c.ValidateWithLeeway(expected, clockSkew); err != nil {
		return refuse(err.Error())
	}
	ref, err := plan.ParseEntityRef(c.Subject, string(issuer.Kind))
	if err != nil {
		return refuse(err.Error())
	}
	if ref.Kind != string(issuer.Kind) {
		return refuse("the subject is not of the issuer's kind")
	}
	return Principal{Ref: ref.String(), Groups: groupRefs(c), Kind: issuer.Kind}, nil
}

// groupRefs collects the groups that a token names. Nil means that it names none, not that there are none.
func groupRefs(c bearerClaims) []string {
	var refs []string
	for _, g := range append(c.Ownership, c.Groups...) {
		if ref, err := plan.ParseEntityRef(g, "group"); err == nil && ref.Kind == "group" {
			refs = append(refs, ref.String())
		}
	}
	return refs
}
