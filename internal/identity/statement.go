package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/fault"
)

const (
	statementType   = "gildway-decision+jwt"
	statementIssuer = "gildway"
	// statementLife is how long a statement can be handed in. A decision may have to wait as a signal until
	// a worker is back, and the approver was told that it is taken. A long life is safe: a statement is about
	// one gate of one run, counts once, and its approver's groups are looked up when it is counted.
	statementLife = 24 * time.Hour
)

// Statement is what one approver said about one gate of one run. It counts for nothing else.
type Statement struct {
	Approver string // canonical user ref
	Task     string
	Gate     string
	Digest   string // of the plan and values that were approved: plan.Run.Digest
	Shown    string // digest of what the approver saw; "" where gates of older releases show nothing
	Verdict  string // approve, reject or delegate; renew of a lease
	To       string // of delegate: canonical ref of the user who decides instead
	Comment  string
	Via      string // how the approver proved who they are, if not by signing in: "link"

	Nonce    string    // unique; Sign draws it if empty
	IssuedAt time.Time // Sign sets it if zero
	Expires  time.Time // Sign sets it to a day after IssuedAt if zero
}

type statementClaims struct {
	jwt.Claims
	Task    string `json:"task"`
	Gate    string `json:"gate"`
	Digest  string `json:"digest"`
	Shown   string `json:"shown,omitempty"`
	Verdict string `json:"verdict"`
	To      string `json:"to,omitempty"`
	Comment string `json:"comment,omitempty"`
	Via     string `json:"via,omitempty"`
}

// Signer proves that the API checked who decides. Only the API holds one.
type Signer struct {
	signer jose.Signer // of statements
	links  jose.Signer
	public jose.JSONWebKey
}

// NewSigner makes a signer of an Ed25519 key.
func NewSigner(key ed25519.PrivateKey) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("the statement key is not an Ed25519 private key")
	}
	public, err := keyID(key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	signing := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: public}}
	signer, err := jose.NewSigner(signing, (&jose.SignerOptions{}).WithType(statementType))
	if err != nil {
		return nil, err
	}
	links, err := jose.NewSigner(signing, (&jose.SignerOptions{}).WithType(linkType))
	if err != nil {
		return nil, err
	}
	return &Signer{signer, links, jose.JSONWebKey{Key: key.Public(), KeyID: public, Algorithm: string(jose.EdDSA), Use: "sig"}}, nil
}

// JWKS is the public half of the key, with which anybody can check statements, as a JSON Web Key Set.
func (s *Signer) JWKS() (json.RawMessage, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.public}})
}

// Sign gives the statement as a compact JWS.
func (s *Signer) Sign(st Statement) (string, error) {
	if st.Nonce == "" {
		nonce, err := uuid.NewRandomFromReader(rand.Reader)
		if err != nil {
			return "", err
		}
		st.Nonce = nonce.String()
	}
	if st.IssuedAt.IsZero() {
		st.IssuedAt = time.Now()
	}
	if st.Expires.IsZero() {
		st.Expires = st.IssuedAt.Add(statementLife)
	}
	return jwt.Signed(s.signer).Claims(statementClaims{
		Claims: jwt.Claims{
			Issuer: statementIssuer, Subject: st.Approver, ID: st.Nonce,
			IssuedAt: jwt.NewNumericDate(st.IssuedAt), Expiry: jwt.NewNumericDate(st.Expires),
		},
		Task: st.Task, Gate: st.Gate, Digest: st.Digest, Shown: st.Shown, Verdict: st.Verdict, To: st.To, Comment: st.Comment, Via: st.Via,
	}).Serialize()
}

// StatementVerifier checks statements with public keys alone.
type StatementVerifier struct{ keys map[string]ed25519.PublicKey }

// NewStatementVerifier accepts statements of any of the keys.
func NewStatementVerifier(keys ...ed25519.PublicKey) (*StatementVerifier, error) {
	v := &StatementVerifier{keys: map[string]ed25519.PublicKey{}}
	for _, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("a statement key is not an Ed25519 public key")
		}
		id, err := keyID(key)
		if err != nil {
			return nil, err
		}
		v.keys[id] = key
	}
	if len(v.keys) == 0 {
		return nil, errors.New("verifying approvals needs at least one public key")
	}
	return v, nil
}

// Verify reads a statement that one of the keys signed and that is valid at now. Any other is a
// Denied fault. Whether its nonce is fresh and its approver may decide is the caller's to check.
func (v *StatementVerifier) Verify(token string, now time.Time) (Statement, error) {
	refuse := func(cause error) (Statement, error) {
		return Statement{}, fault.Wrap(fault.Denied, cause, "the decision carries no valid proof of who made it")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return refuse(err)
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != statementType {
		return refuse(errors.New("wrong token type"))
	}
	key, known := v.keys[header.KeyID]
	if !known {
		return refuse(errors.New("unknown key"))
	}
	var c statementClaims
	if err := parsed.Claims(key, &c); err != nil {
		return refuse(err)
	}
	if c.Expiry == nil || c.IssuedAt == nil || c.ID == "" || c.Subject == "" {
		return refuse(errors.New("incomplete claims"))
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Issuer: statementIssuer, Time: now}, clockSkew); err != nil {
		return refuse(err)
	}
	return Statement{
		Approver: c.Subject, Task: c.Task, Gate: c.Gate, Digest: c.Digest, Shown: c.Shown, Verdict: c.Verdict, To: c.To, Comment: c.Comment, Via: c.Via,
		Nonce: c.ID, IssuedAt: c.IssuedAt.Time(), Expires: c.Expiry.Time(),
	}, nil
}

// keyID is the key's RFC 7638 thumbprint.
func keyID(key ed25519.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
