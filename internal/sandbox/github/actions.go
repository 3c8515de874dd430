package github

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

type variable struct {
	Name      string    `json:"name"`
	Value     string    `json:"value"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type secret struct {
	Name      string    `json:"name"`
	Digest    string    `json:"digest"` // SHA-256 of what was in the sealed box, in hex: it tells two values apart and shows none
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// subject is how a repository's workflows name themselves in their OIDC tokens.
type subject struct {
	UseDefault       bool     `json:"use_default"`
	IncludeClaimKeys []string `json:"include_claim_keys,omitempty"`
}

// largestValue is GitHub's limit in bytes for a variable and for a secret.
const largestValue = 48 << 10

var (
	claimKey     = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// validVariable reports whether a variable or secret may have this name.
func validVariable(name string) bool {
	return variableName.MatchString(name) && !strings.HasPrefix(strings.ToUpper(name), "GITHUB_")
}

func (d *Double) postVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/actions/variables#create-a-repository-variable"
	var body struct {
		Name  string
		Value *string
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	if !validVariable(body.Name) {
		refuse(w, http.StatusUnprocessableEntity, "Variable name is invalid", anchor)
		return
	}
	if body.Value == nil || len(*body.Value) > largestValue {
		refuse(w, http.StatusUnprocessableEntity, "Variable value is missing or too large", anchor)
		return
	}
	name, taken := strings.ToUpper(body.Name), false
	_, err := d.change(repo, "github.variable.set", repo.fullName()+"/"+name, func(r *repository) {
		if _, taken = r.Variables[name]; !taken {
			now := time.Now().UTC()
			put(&r.Variables, name, variable{Name: name, Value: *body.Value, CreatedAt: now, UpdatedAt: now})
		}
	})
	done(w, err, func() {
		if taken {
			refuse(w, http.StatusConflict, "Already exists - Variable already exists", anchor)
			return
		}
		rest.JSON(w, http.StatusCreated, map[string]any{})
	})
}

func (d *Double) patchVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	name := strings.ToUpper(r.PathValue("name"))
	if _, ok := repo.Variables[name]; !ok {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	var body struct{ Value *string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	_, err := d.change(repo, "github.variable.set", repo.fullName()+"/"+name, func(r *repository) {
		if v, ok := r.Variables[name]; ok && body.Value != nil && v.Value != *body.Value {
			v.Value, v.UpdatedAt = *body.Value, time.Now().UTC()
			r.Variables[name] = v
		}
	})
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) getVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	v, ok := repo.Variables[strings.ToUpper(r.PathValue("name"))]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	rest.JSON(w, 200, v)
}

func (d *Double) listVariables(w http.ResponseWriter, r *http.Request, repo repository) {
	all := []variable{}
	for _, name := range sorted(repo.Variables) {
		all = append(all, repo.Variables[name])
	}
	rest.JSON(w, 200, map[string]any{"total_count": len(all), "variables": page(d, w, r, all)})
}

// keyPair gives the key that secrets are sealed with, always the same.
func keyPair(l *ledger.Ledger) (public, private [32]byte, err error) {
	err = l.Update(func(tx *ledger.Tx) error {
		seed, there := ledger.Get[[]byte](tx, keysBucket, "secrets")
		if !there {
			seed = make([]byte, 32)
			_, _ = rand.Read(seed) // never fails
			tx.Put(keysBucket, "secrets", seed)
		}
		key, err := ecdh.X25519().NewPrivateKey(seed)
		if err != nil {
			return err
		}
		copy(private[:], key.Bytes())
		copy(public[:], key.PublicKey().Bytes())
		return nil
	})
	return public, private, err
}

func (d *Double) keyID() string { return strconv.FormatInt(number("key", string(d.public[:])), 10) }

func (d *Double) getSecretKey(w http.ResponseWriter, r *http.Request, repo repository) {
	rest.JSON(w, 200, map[string]string{"key_id": d.keyID(), "key": base64.StdEncoding.EncodeToString(d.public[:])})
}

// opened gives what is in a sealed box, in base64.
func (d *Double) opened(sealed string) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, false
	}
	return box.OpenAnonymous(nil, raw, &d.public, &d.private)
}

func (d *Double) putSecret(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/actions/secrets#create-or-update-a-repository-secret"
	var body struct {
		Sealed string `json:"encrypted_value"`
		KeyID  string `json:"key_id"`
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	name := strings.ToUpper(r.PathValue("name"))
	value, ok := d.opened(body.Sealed)
	if !ok || len(value) > largestValue || body.KeyID != d.keyID() || !validVariable(name) {
		refuse(w, http.StatusUnprocessableEntity, "Bad request - the key_id, the name or the encrypted_value is not valid", anchor)
		return
	}
	sum := sha256.Sum256(value)
	digest := hex.EncodeToString(sum[:])
	existed := false
	_, err := d.change(repo, "github.secret.set", repo.fullName()+"/"+name, func(r *repository) {
		now := time.Now().UTC()
		s := secret{Name: name, Digest: digest, CreatedAt: now, UpdatedAt: now}
		var old secret
		if old, existed = r.Secrets[name]; existed {
			s.CreatedAt = old.CreatedAt
		}
		if old.Digest != digest {
			put(&r.Secrets, name, s)
		}
	})
	done(w, err, func() {
		if existed {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		rest.JSON(w, http.StatusCreated, map[string]any{})
	})
}

func (d *Double) getSecret(w http.ResponseWriter, r *http.Request, repo repository) {
	s, ok := repo.Secrets[strings.ToUpper(r.PathValue("name"))]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "/actions/secrets#get-a-repository-secret")
		return
	}
	rest.JSON(w, 200, s.shown())
}

func (s secret) shown() map[string]any {
	return map[string]any{"name": s.Name, "created_at": stamp(s.CreatedAt), "updated_at": stamp(s.UpdatedAt)}
}

func (d *Double) listSecrets(w http.ResponseWriter, r *http.Request, repo repository) {
	all := []any{}
	for _, name := range sorted(repo.Secrets) {
		all = append(all, repo.Secrets[name].shown())
	}
	rest.JSON(w, 200, map[string]any{"total_count": len(all), "secrets": page(d, w, r, all)})
}

func (d *Double) getSubject(w http.ResponseWriter, r *http.Request, repo repository) {
	if repo.Subject == nil {
		rest.JSON(w, 200, subject{UseDefault: true})
		return
	}
	rest.JSON(w, 200, repo.Subject)
}

func (d *Double) putSubject(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/actions/oidc#set-the-customization-template-for-an-oidc-subject-claim-for-a-repository"
	var body struct {
		UseDefault       *bool    `json:"use_default"`
		IncludeClaimKeys []string `json:"include_claim_keys"`
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	if body.UseDefault == nil {
		refuse(w, http.StatusUnprocessableEntity, "Invalid request.\n\n\"use_default\" wasn't supplied.", anchor)
		return
	}
	for _, key := range body.IncludeClaimKeys {
		if !claimKey.MatchString(key) {
			refuse(w, http.StatusUnprocessableEntity, "Invalid request.\n\nClaim keys can only contain alphanumeric characters and underscores.", anchor)
			return
		}
	}
	set := subject{UseDefault: *body.UseDefault}
	if !set.UseDefault { // otherwise GitHub ignores the keys
		set.IncludeClaimKeys = body.IncludeClaimKeys
	}
	_, err := d.change(repo, "github.oidc.set", repo.fullName(), func(r *repository) { r.Subject = &set })
	done(w, err, func() { rest.JSON(w, http.StatusCreated, map[string]any{}) })
}
