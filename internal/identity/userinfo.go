package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	userinfoTime = 3 * time.Second
	// askAgain is how long a failed question is not asked again for the same token.
	askAgain = 30 * time.Second
	// maxAnswers bounds the answers that are remembered.
	maxAnswers = 10_000
)

// userinfo asks a Backstage auth backend which refs a user owns, once for each token.
type userinfo struct {
	client *http.Client
	url    string

	mu      sync.Mutex
	answers map[[sha256.Size]byte]*ownershipAnswer
}

type ownershipAnswer struct {
	ready chan struct{} // closed when refs and until are there
	refs  []string
	until time.Time
}

func newUserinfo(client *http.Client, authBase string) *userinfo {
	return &userinfo{client: client, url: authBase + "/v1/userinfo", answers: map[[sha256.Size]byte]*ownershipAnswer{}}
}

// ownership gives the refs, or nil if they can't be had: then the directory has to be asked. An answer counts
// until the token expires.
func (u *userinfo) ownership(ctx context.Context, token, subject string, now, expires time.Time) []string {
	key := sha256.Sum256([]byte(token))
	u.mu.Lock()
	a := u.answers[key]
	if a == nil || a.over(now) {
		u.makeRoom(now)
		a = &ownershipAnswer{ready: make(chan struct{})}
		u.answers[key] = a
		go func() { // whoever asked first may go away; others wait for the same answer
			defer close(a.ready)
			refs, err := u.ask(context.WithoutCancel(ctx), token, subject)
			a.refs, a.until = refs, expires
			if err != nil {
				a.until = now.Add(askAgain)
			}
		}()
	}
	u.mu.Unlock()
	select {
	case <-a.ready:
		return a.refs
	case <-ctx.Done():
		return nil
	}
}

// over reports whether an answer is there and counts no more.
func (a *ownershipAnswer) over(now time.Time) bool {
	select {
	case <-a.ready:
		return !now.Before(a.until)
	default:
		return false
	}
}

func (u *userinfo) makeRoom(now time.Time) {
	if len(u.answers) < maxAnswers {
		return
	}
	for key, a := range u.answers {
		if a.over(now) {
			delete(u.answers, key)
		}
	}
	for key := range u.answers {
		if len(u.answers) < maxAnswers {
			return
		}
		delete(u.answers, key)
	}
}

func (u *userinfo) ask(ctx context.Context, token, subject string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, userinfoTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("userinfo answers %s", resp.Status)
	}
	var body struct {
		Claims struct {
			Subject   string   `json:"sub"`
			Ownership []string `json:"ent"`
		} `json:"claims"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, err
	}
	if body.Claims.Subject != subject {
		return nil, errors.New("userinfo answers about somebody else")
	}
	return body.Claims.Ownership, nil
}
