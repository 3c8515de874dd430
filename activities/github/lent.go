package github

import (
	"context"
	"fmt"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// A step's own token is gone when its run ends, and undoing it then is up to the integration's, which may not see the
// same repositories. So Once remembers:
const (
	lentToken  = "lentToken"  // that the step had a token of its own
	seenByOurs = "seenByOurs" // whether the integration's saw the repository
)

func lend(ctx context.Context, call *activities.Call, token string) error {
	if token == "" {
		return nil
	}
	var lent bool
	return call.Once(ctx, lentToken, &lent, func(context.Context) (any, error) { return true, nil })
}

// attest finds out whether the integration's token can undo what the step's own does, and warns if not.
func (p *Publisher) attest(ctx context.Context, call *activities.Call, token string, t target) error {
	if token == "" {
		return nil
	}
	var seen bool
	err := call.Once(ctx, seenByOurs, &seen, func(ctx context.Context) (any, error) {
		ours, err := p.session(t, "")
		if err != nil {
			return false, nil
		}
		repo, err := ours.get(ctx)
		if err != nil && !fault.KindOf(err).Final() {
			return false, err
		}
		return repo != nil, nil
	})
	if err == nil && !seen {
		call.LogAt(activities.LogWarn, fmt.Sprintf("The GitHub integration of %s can't see %s: this step can be undone only while its own token is there", t.host, t), nil)
	}
	return err
}

// own finds the repository that a step has worked on: with the integration's token, and if that has never seen it, with the
// step's.
func (p *Publisher) own(ctx context.Context, call *activities.Call, token string, t target) (*session, *github.Repository, error) {
	var lent, seen bool
	if _, err := call.Recall(ctx, lentToken, &lent); err != nil {
		return nil, nil, err
	}
	if _, err := call.Recall(ctx, seenByOurs, &seen); err != nil {
		return nil, nil, err
	}
	s, err := p.session(t, "")
	if err == nil {
		repo, err := s.get(ctx)
		if repo != nil || seen || !lent || err != nil && fault.KindOf(err) != fault.Denied {
			return s, repo, err
		}
	}
	switch {
	case !lent:
		return nil, nil, err
	case token == "":
		return nil, nil, fault.New(fault.Denied, "the step worked on %s with its own token, which is gone, and the GitHub integration of %s can't see the repository; look what is there, and undo it by hand", t, t.host)
	}
	if s, err = p.session(t, token); err != nil {
		return nil, nil, err
	}
	repo, err := s.get(ctx)
	return s, repo, err
}
