package identity

import (
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gildway/gildway/internal/fault"
)

const linkType = "gildway-link+jwt"

// Link lets whoever holds it look at one approval and decide it, as one person: what is sent to that person alone. That
// the person may decide is checked when they do.
type Link struct {
	Person  string // canonical user ref
	Gate    string
	Expires time.Time
}

type linkClaims struct {
	jwt.Claims
	Gate string `json:"gate"`
}

// SignLink gives the link's token as a compact JWS.
func (s *Signer) SignLink(l Link) (string, error) {
	return jwt.Signed(s.links).Claims(linkClaims{
		Claims: jwt.Claims{
			Issuer: statementIssuer, Subject: l.Person,
			IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(l.Expires),
		},
		Gate: l.Gate,
	}).Serialize()
}

// Link reads a token of SignLink's. Any that is not one is none of its business: is is false. One that this Signer has not
// signed, or that is too old, is an Unauthenticated fault.
func (s *Signer) Link(token string, now time.Time) (l Link, is bool, err error) {
	o, ok := outlineOf(token)
	if len(token) > maxToken || !ok || o.typ != linkType {
		return Link{}, false, nil
	}
	refuse := func(cause error) (Link, bool, error) {
		return Link{}, true, fault.Wrap(fault.Unauthenticated, cause, "this link is no longer valid; use the one in a newer message, or sign in")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return refuse(err)
	}
	var c linkClaims
	if err := parsed.Claims(s.public.Key, &c); err != nil {
		return refuse(err)
	}
	if c.Expiry == nil || c.Subject == "" || c.Gate == "" {
		return refuse(errors.New("incomplete claims"))
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Issuer: statementIssuer, Time: now}, clockSkew); err != nil {
		return refuse(err)
	}
	return Link{Person: c.Subject, Gate: c.Gate, Expires: c.Expiry.Time()}, true, nil
}
