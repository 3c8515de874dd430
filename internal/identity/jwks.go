package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/gildway/gildway/internal/fault"
)

const (
	// refreshEvery bounds how often a token with an unknown key makes us ask the issuer.
	refreshEvery = 10 * time.Second
	// keysLive is how long keys are used before they are asked for again, so that a withdrawn key ends.
	keysLive = time.Hour
	// maxAnswer bounds what an issuer can make us read.
	maxAnswer = 1 << 20
)

// errNoKey means that an issuer was asked and has no such key, or was asked a moment ago.
var errNoKey = errors.New("no such key")

// keySet is an issuer's public keys, fetched when a token needs one that isn't there.
type keySet struct {
	client *http.Client
	locate func(context.Context) (url string, err error)

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	fetched  time.Time
	asked    time.Time
	failed   error
	fetching chan struct{} // closed when the fetch that is under way has ended; nil if there is none
}

func newKeySet(client *http.Client, url string) *keySet {
	return &keySet{client: client, locate: func(context.Context) (string, error) { return url, nil }}
}

// discoveredKeySet finds the keys by the issuer's discovery document, each time anew.
func discoveredKeySet(client *http.Client, issuer string) *keySet {
	return &keySet{client: client, locate: func(ctx context.Context) (string, error) {
		provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer)
		if err != nil {
			return "", err
		}
		var document struct {
			JWKS string `json:"jwks_uri"`
		}
		if err := provider.Claims(&document); err != nil {
			return "", err
		}
		if document.JWKS == "" {
			return "", fmt.Errorf("the discovery document of %s names no jwks_uri", issuer)
		}
		return document.JWKS, nil
	}}
}

// bounded makes a client that reads no more than maxAnswer of any answer, and follows no redirect: a bearer token
// goes where it was meant to go.
func bounded(client *http.Client) *http.Client {
	limited := *client
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	limited.Transport = limitedTransport{base}
	limited.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &limited
}

type limitedTransport struct{ base http.RoundTripper }

func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// find gives the public key of that id, or errNoKey; an issuer that can't be asked is an Unavailable fault. A known key is given at once, even if the keys are due to be asked for
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
		return nil, fmt.Errorf("%w: %q", errNoKey, id)
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
	url, err := s.locate(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return nil, fmt.Errorf("reading %s: %w", url, err)
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
