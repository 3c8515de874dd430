package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"github.com/gildway/gildway/internal/secrets"
)

// ServiceToken is a program's fixed token. Only its hash is held: whoever reads the configuration can't use it.
type ServiceToken struct {
	Subject string // canonical ref, e.g. service:default/ci
	Only    []Action
	hash    [sha256.Size]byte
}

// NewServiceToken takes the SHA-256 of the token, in hex: printf %s "$TOKEN" | sha256sum.
func NewServiceToken(subject, sum string, only []Action) (ServiceToken, error) {
	t := ServiceToken{Subject: subject, Only: withSight(only)}
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != sha256.Size {
		return t, fmt.Errorf("the token of %s must be given as a SHA-256 sum: 64 hex digits", subject)
	}
	copy(t.hash[:], raw)
	return t, nil
}

// service finds the program whose token this is. It takes the same time for all.
func (v *Verifier) service(token string) (p Principal, found bool) {
	sum := sha256.Sum256([]byte(token))
	for _, s := range v.services {
		if subtle.ConstantTimeCompare(sum[:], s.hash[:]) == 1 {
			p, found = Principal{Ref: s.Subject, Kind: Service, Only: s.Only}, true
		}
	}
	return p, found
}

// minToken is the fewest characters of a token that nobody guesses, if they are drawn at random.
const minToken = 20

// HashToken is what NewServiceToken takes for a token that is at hand.
func HashToken(token secrets.Secret) (string, error) {
	text := token.Reveal()
	if len(text) < minToken || strings.ContainsFunc(text, unicode.IsSpace) {
		return "", fmt.Errorf("it must have at least %d characters and no space", minToken)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), nil
}
