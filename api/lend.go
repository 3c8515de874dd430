package api

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

// backstageToken is the secret under which the steps of a template see the token of whoever runs it.
const backstageToken = "backstageToken"

// secretsFor gives the secrets of a run: those that came with the request and, if a step reads it, the caller's token, which is
// lent for as long as the run lasts. As in Backstage nobody can give another one in its place.
func (s *Server) secretsFor(ctx context.Context, p *plan.Plan, given map[string]string) map[string]string {
	token := askedIn(ctx).token
	_, claimed := given[backstageToken]
	reads := s.Secrets != nil && !token.Empty() && templates.ReadsSecret(p, backstageToken)
	if !claimed && !reads {
		return given
	}
	secrets := maps.Clone(given)
	delete(secrets, backstageToken)
	if reads {
		if secrets == nil {
			secrets = map[string]string{}
		}
		secrets[backstageToken] = token.Reveal()
	}
	return secrets
}

type lentStore interface {
	// LendSecrets notes that secrets are about to be kept for an attempt at a task that doesn't exist yet.
	LendSecrets(ctx context.Context, task string, attempt int) error
	// TakeBackSecrets calls forget for one that they were lent for so long ago and that has never come to be, if there is one.
	TakeBackSecrets(ctx context.Context, lent time.Duration, forget func(ctx context.Context, task string, attempt int) error) (bool, error)
}

// acceptanceLimit is how long it takes to accept a task at most; one that doesn't exist by then never will.
const acceptanceLimit = 10 * time.Minute

// reclaimer takes back the secrets of requests that a crash has cut off, so long after they were lent.
type reclaimer struct {
	*loop.Loop
	store lentStore
	vault SecretVault
	after time.Duration
}

func newReclaimer(s lentStore, v SecretVault, after time.Duration, log *slog.Logger) *reclaimer {
	r := &reclaimer{store: s, vault: v, after: after}
	r.Loop = loop.New(reconcileEvery, r.pass, func(err error, again any) {
		log.Warn("secrets of requests that came to nothing can't be taken back yet", "error", err, "again", again)
	})
	return r
}

func (r *reclaimer) pass(ctx context.Context) (more bool, err error) {
	return r.store.TakeBackSecrets(ctx, r.after, func(ctx context.Context, task string, attempt int) error {
		return r.vault.Forget(ctx, activities.InAttempt(task, attempt))
	})
}
