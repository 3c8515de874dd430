package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gildway/gildway/internal/fault"
)

const (
	// refreshEvery bounds how often a token with an unknown key makes us ask the issuer.
	refreshEvery = 10 * time.Second
	// keysLive is how long keys are used before they are asked for again, so that a withdrawn key ends.
	keysLive = time.Hour
	maxJWKS  = 1 << 20
)

// keySet is an issuer's public keys, fetched when a token needs one that isn't there.
type keySet struct {
	client *http.Client
	url    string

	mu      sync.Mutex // held while fetching: those who wait need the same answer
	keys    []jose.JSONWebKey
	fetched time.Time
	asked   time.Time
	failed  error
}

func newKeySet(client *http.Client, url string) *keySet { return &keySet{client: client, url: url} }

// find gives the public key of that id. Keys that were fetched before stay in use while the issuer
// doesn't answer.
func (s *keySet) find(ctx context.Context, id, algorithm string, now time.Time) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.lookup(id, algorithm)
	stale := key == nil || now.Sub(s.fetched) > keysLive
	if stale && now.Sub(s.asked) >= refreshEvery {
		s.asked = now
		if keys, err := s.fetch(ctx); err != nil {
			s.failed = err
		} else {
			s.keys, s.fetched, s.failed = keys, now, nil
		}
		key = s.lookup(id, algorithm)
	}
	switch {
	case key != nil:
		return key, nil
	case s.failed != nil:
		return nil, fault.Wrap(fault.Unavailable, s.failed, "the token issuer's keys can't be fetched")
	default:
		return nil, fault.Wrap(fault.Unauthenticated, fmt.Errorf("no key %q", id), "Failed user token verification")
	}
}

func (s *keySet) lookup(id, algorithm string) any {
	for _, k := range s.keys {
		usable := k.IsPublic() && k.Valid() && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm)
		if k.KeyID == id && usable {
			return k.Key
		}
	}
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // one impatient caller must not fail the others
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", s.url, resp.Status)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxJWKS)).Decode(&set); err != nil {
		return nil, fmt.Errorf("reading %s: %w", s.url, err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil { // a key of a type that we don't know is none of ours
			keys = append(keys, k)
		}
	}
	return keys, nil
}
