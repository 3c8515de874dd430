package github

import (
	"context"
	"errors"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// unpublish deletes the repository as long as nobody but us has put anything into it. It does so with the integration's
// token: the step's own may be gone.
func (p *Publisher) unpublish(ctx context.Context, call *activities.Call, in PublishInput, out PublishOutput, why string) error {
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return err
	}
	ours := out.CommitHash
	if ours == "" { // the step never said how it ended
		if began, err := call.Recall(ctx, commitHash, &ours); err != nil || !began {
			return err
		}
	}
	s, repo, err := p.own(ctx, call, in.Token, t)
	if err != nil || repo == nil {
		return err
	}
	if !carries(repo, markOf(call)) {
		if out.CommitHash == "" {
			return nil // it was never ours
		}
		return fault.New(fault.Conflict, "the repository %s is not the one this step made, it stays", s)
	}
	session, refs, err := s.remote(ctx, repo.GetCloneURL())
	if err != nil {
		return err
	}
	defer session.Close()
	for name, tip := range refs.References {
		if tip.String() != ours && !call.Force {
			return fault.New(fault.Conflict, "the repository %s has new work in %s, it stays", s, name)
		}
	}
	if _, err := s.api.Repositories.Delete(ctx, s.owner, s.repo); err != nil && !errors.Is(err, fault.NotFound) {
		return typed(err)
	}
	if repo, err = s.get(ctx); err != nil {
		return err
	}
	if repo != nil {
		return fault.New(fault.Unavailable, "GitHub still shows the repository %s", s)
	}
	call.Log("Deleted the repository %s: %s", s, why)
	return nil
}
