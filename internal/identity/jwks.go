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

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	fetched  time.Time
	asked    time.Time
	failed   error
	fetching chan struct{} // closed when the fetch that is under way has ended; nil if there is none
}

func newKeySet(client *http.Client, url string) *keySet { return &keySet{client: client, url: url} }

// find gives the public key of that id. A known key is given at once, even if the keys are due to be asked for
// again: that happens behind it, and keys that were fetched before stay in use while the issuer doesn't answer.
func (s *keySet) find(ctx context.Context, id, algorithm string, now time.Time) (any, error) {
	s.mu.Lock()
	key := s.lookup(id, algorithm)
	stale := key == nil || now.Sub(s.fetched) > keysLive
	if stale && s.fetching == nil && now.Sub(s.asked) >= refreshEvery {
		s.asked, s.fetching = now, make(chan struct{})
		go s.refresh(context.WithoutCancel(ctx), now) // one impatient caller must not fail the others
	}
	fetching := s.fetching
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	if fetching != nil {
		select {
		case <-fetching:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "the token issuer's keys can't be fetched")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key = s.lookup(id, algorithm)
	switch {
	case key != nil:
		return key, nil
	case s.failed != nil:
		return nil, fault.Wrap(fault.Unavailable, s.failed, "the token issuer's keys can't be fetched")
	default:
		return nil, fault.Wrap(fault.Unauthenticated, fmt.Errorf("no key %q", id), "Failed user token verification")
	}
}

// fetchLimit bounds one fetch.
const fetchLimit = 10 * time.Second

func (s *keySet) refresh(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed = err; err == nil {
		s.keys, s.fetched = keys, now
	}
	close(s.fetching)
	s.fetching = nil
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
