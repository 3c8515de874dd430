// Package issuer makes and publishes user tokens as a Backstage auth backend does, so that a local
// stack checks tokens in exactly the way a production one does.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

const (
	userToken = "vnd.backstage.user"
	keyFile   = "keys.json"
	// keysKept is how many keys stay published, the signing one included.
	keysKept = 3
)

// Claims say whom a token is for.
type Claims struct {
	Sub      string        // user entity ref, e.g. user:default/rosa
	Groups   []string      // group entity refs; become ownership refs beside Sub
	Audience string        // empty is backstage
	TTL      time.Duration // 0 is one hour
}

// Issuer signs tokens with the newest key of its folder. The folder is read at each use, so that the
// CLI and the server agree on the keys without talking to each other.
type Issuer struct {
	dir string
	url string
	mu  sync.Mutex
}

// Open uses the keys in dir, making the first one if there is none. baseURL is the issuer's own URL,
// which is also its iss claim.
func Open(dir, baseURL string) (*Issuer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	i := &Issuer{dir: dir, url: baseURL}
	_, err := i.keys()
	if errors.Is(err, os.ErrNotExist) {
		err = i.addKey(false)
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

// URL is the iss claim of all tokens.
func (i *Issuer) URL() string { return i.url }

// Rotate signs from now on with a new key. Tokens of the last two keys before it stay valid.
func (i *Issuer) Rotate() error { return i.addKey(true) }

// addKey writes a new first key; without force only if another process has not been faster.
func (i *Issuer) addKey(force bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	lock, err := os.OpenFile(filepath.Join(i.dir, "keys.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	set, err := i.keys()
	if err == nil && !force {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	key := jose.JSONWebKey{Key: private, KeyID: base64.RawURLEncoding.EncodeToString(id), Algorithm: string(jose.ES256), Use: "sig"}
	set.Keys = append([]jose.JSONWebKey{key}, set.Keys...)
	set.Keys = set.Keys[:min(len(set.Keys), keysKept)]
	raw, err := json.Marshal(set)
	if err != nil {
		return err
	}
	next := filepath.Join(i.dir, keyFile+".next")
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(i.dir, keyFile))
}

func (i *Issuer) keys() (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	raw, err := os.ReadFile(filepath.Join(i.dir, keyFile))
	if err != nil {
		return set, err
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) == 0 {
		return set, fmt.Errorf("the issuer's key file %s can't be read", filepath.Join(i.dir, keyFile))
	}
	return set, nil
}

// SigningKey is the newest private key, for tokens that Token doesn't make.
func (i *Issuer) SigningKey() (jose.JSONWebKey, error) {
	set, err := i.keys()
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	return set.Keys[0], nil
}

// Token signs a user token.
func (i *Issuer) Token(c Claims) (string, error) {
	if c.Sub == "" {
		return "", errors.New("a token needs a subject")
	}
	set, err := i.keys()
	if err != nil {
		return "", err
	}
	if c.Audience == "" {
		c.Audience = "backstage"
	}
	if c.TTL == 0 {
		c.TTL = time.Hour
	}
	options := (&jose.SignerOptions{}).WithType(userToken)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: set.Keys[0]}, options)
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(claims{
		Issuer: i.url, Subject: c.Sub, Audience: c.Audience,
		IssuedAt: now.Unix(), Expires: now.Add(c.TTL).Unix(), Ownership: ownership(c),
	}).Serialize()
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Ownership []string `json:"ent"`
	Audience  string   `json:"aud"` // a plain string, as Backstage writes it
	IssuedAt  int64    `json:"iat"`
	Expires   int64    `json:"exp"`
}

func ownership(c Claims) []string {
	refs := []string{c.Sub}
	for _, g := range c.Groups {
		if !slices.Contains(refs, g) {
			refs = append(refs, g)
		}
	}
	return refs
}

// Check returns the subject and the ownership refs of a token that this issuer signed and that is still valid.
func (i *Issuer) Check(token string) (sub string, owns []string, err error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", nil, err
	}
	if typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string); typ != userToken {
		return "", nil, errors.New("not a user token")
	}
	set, err := i.keys()
	if err != nil {
		return "", nil, err
	}
	keys := set.Key(parsed.Headers[0].KeyID)
	if len(keys) == 0 {
		return "", nil, errors.New("signed with an unknown key")
	}
	var c claims
	if err := parsed.Claims(keys[0].Public(), &c); err != nil {
		return "", nil, err
	}
	now := time.Now().Unix()
	if c.Issuer != i.url || c.Subject == "" || now >= c.Expires || c.IssuedAt > now+60 {
		return "", nil, errors.New("expired or from another issuer")
	}
	return c.Subject, c.Ownership, nil
}

// ServeHTTP publishes the discovery document and the keys, and answers userinfo for a valid bearer.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		rest.JSON(w, 200, i.discovery())
	case "/.well-known/jwks.json":
		set, err := i.keys()
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		for n := range set.Keys {
			set.Keys[n] = set.Keys[n].Public()
		}
		rest.JSON(w, 200, set)
	case "/v1/userinfo":
		token, ok := rest.Token(r, "Bearer")
		if !ok {
			refuse(w, r, "Missing credentials")
			return
		}
		sub, owns, err := i.Check(token)
		if err != nil {
			refuse(w, r, "Illegal token")
			return
		}
		rest.JSON(w, 200, map[string]any{"claims": map[string]any{"sub": sub, "ent": owns}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func refuse(w http.ResponseWriter, r *http.Request, message string) {
	rest.JSON(w, http.StatusUnauthorized, map[string]any{
		"error":    map[string]string{"name": "AuthenticationError", "message": message},
		"request":  map[string]string{"method": r.Method, "url": r.URL.Path},
		"response": map[string]int{"statusCode": http.StatusUnauthorized},
	})
}

func (i *Issuer) discovery() map[string]any {
	return map[string]any{
		"issuer":                                i.url,
		"token_endpoint":                        i.url + "/v1/token",
		"userinfo_endpoint":                     i.url + "/v1/userinfo",
		"jwks_uri":                              i.url + "/.well-known/jwks.json",
		"authorization_endpoint":                i.url + "/v1/authorize",
		"response_types_supported":              []string{"code", "id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"scopes_supported":                      []string{"openid"},
		"token_endpoint_auth_methods_supported": []string{},
		"claims_supported":                      []string{"sub", "ent"},
		"grant_types_supported":                 []string{},
	}
}
