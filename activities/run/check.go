package run

import (
	"context"
	"errors"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Access is the record of what was granted and of how it stands. Everything in it is written once, however often a look
// finds the same.
type Access interface {
	// Grants lists what there is to look at.
	Grants(ctx context.Context, q activities.GrantsQuery, actions []string) (activities.GrantPage, error)
	// Granted gives those of the grants that are to be there.
	Granted(ctx context.Context, keys []string) ([]activities.Granted, error)
	// Stands notes how a grant was found.
	Stands(ctx context.Context, key string, drift activities.DriftKind, says string) error
	// Strangers notes who is in a circle that a grant leads to.
	Strangers(ctx context.Context, key string, c activities.Circle) error
	// Unchecked notes why grants could not be looked at.
	Unchecked(ctx context.Context, keys []string, why string) error
}

const (
	overdueAfter  = 15 * time.Minute // its lease has taken back by then what it can
	checkAttempts = 3                // after so many a provider's failure is that of one grant
)

// Grants lists what there is to look at. Its errors are sealed.
func (r *Runner) Grants(ctx context.Context, q activities.GrantsQuery) (activities.GrantPage, error) {
	var checking []string
	for _, info := range r.registry.Infos() {
		if info.Checks {
			checking = append(checking, info.ID)
		}
	}
	page, err := r.access.Grants(ctx, q, checking)
	return page, r.seal(ctx, answering(err), "what was granted can't be listed")
}

// Unchecked notes that nobody could look at grants. Its errors are sealed.
func (r *Runner) Unchecked(ctx context.Context, in activities.UncheckedGrants) error {
	return r.seal(ctx, answering(r.access.Unchecked(ctx, in.Keys, in.Why)), "a check can't be written down")
}

// CheckGrants looks how grants stand and writes it down. It changes nothing at a provider. Its errors are sealed.
func (r *Runner) CheckGrants(ctx context.Context, in activities.CheckGrants) (activities.CheckedAccess, error) {
	stop := beat(ctx)
	defer stop()
	found, err := r.checkGrants(ctx, in)
	return found, r.seal(ctx, err, "looking at what was granted failed", "attempt", attempt(ctx))
}

func (r *Runner) checkGrants(ctx context.Context, in activities.CheckGrants) (found activities.CheckedAccess, err error) {
	grants, err := r.access.Granted(ctx, in.Keys)
	if err != nil {
		return found, answering(err)
	}
	looks, circles := looks{}, map[string]bool{}
	for _, g := range grants {
		key := g.Call.Key()
		standing, err := r.standing(ctx, g, looks)
		if err != nil {
			f := asFault(ctx, err)
			again := !f.Kind.Final() && attempt(ctx) < checkAttempts
			if again || ctx.Err() != nil || errors.Is(f, fault.RateLimited) {
				return found, err
			}
			found.Unchecked++
			if err := answering(r.access.Unchecked(ctx, []string{key}, f.Public)); err != nil {
				return found, err
			}
			continue
		}
		if standing.Drift != "" && standing.Drift != g.Drift && !in.Confirm {
			found.Suspects = append(found.Suspects, key)
			continue
		}
		found.Checked++
		if standing.Drift != "" {
			found.Drifted++
		}
		if err := answering(r.access.Stands(ctx, key, standing.Drift, standing.Says)); err != nil {
			return found, err
		}
		for _, c := range standing.Circles {
			if circles[c.ID] {
				continue
			}
			circles[c.ID] = true
			if err := answering(r.access.Strangers(ctx, key, c)); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// standing looks at one grant.
func (r *Runner) standing(ctx context.Context, g activities.Granted, looks looks) (s activities.Standing, err error) {
	action, err := r.action(g.Action)
	if err != nil {
		return s, err
	}
	if !action.Info().Checks {
		return s, fault.New(fault.Unsupported, "%s can't see what it has granted", g.Action)
	}
	c, err := r.prepare(ctx, action, g.Call, "check/")
	if err != nil {
		return s, err
	}
	output, err := r.whole(ctx, g.Output)
	if err != nil {
		return s, err
	}
	c.call.Look = looks.first
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		s, err = action.Check(ctx, c.call, c.input, output)
		return err
	})
	if err != nil {
		return s, err
	}
	s.Says = c.hide.text(s.Says)
	now := time.Now()
	over := g.Ends != nil && !now.Before(*g.Ends)
	switch {
	case s.Drift != "" && (over || g.Ending): // as it should be, or about to be
		s.Drift, s.Says = "", ""
	case s.Drift == "" && over && now.After(g.Ends.Add(overdueAfter)):
		s.Drift, s.Says = activities.Overdue, "it should have ended at "+g.Ends.UTC().Format(time.RFC3339)+" and is still there"
	}
	return s, nil
}

// looks are what was seen in one look at several grants.
type looks map[string]look

type look struct {
	seen any
	err  error
}

func (l looks) first(ctx context.Context, name string, fn func(context.Context) (any, error)) (any, error) {
	if _, before := l[name]; !before {
		var now look
		now.seen, now.err = fn(ctx)
		l[name] = now
	}
	return l[name].seen, l[name].err
}
