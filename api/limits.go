package api

import (
	"context"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// Limits bound what is asked for. The zero value bounds nothing.
type Limits struct {
	Quotas           func(requester string, teams []string, template string) []store.Quota // that a task must fit into
	DryRuns          int                                                                   // at once, on this replica
	DryRunsPerCaller int                                                                   // at once, of one caller
	Schedules        int                                                                   // of one owner
}

func (l Limits) quotas(requester string, teams []string, template string) []store.Quota {
	if l.Quotas == nil {
		return nil
	}
	return l.Quotas(requester, teams, template)
}

// tryouts counts the dry runs under way.
type tryouts struct {
	mu  sync.Mutex
	all int
	by  map[string]int
}

// dryRunWait is when to ask again: most dry runs have ended by then.
const dryRunWait = 5 * time.Second

// begin takes a place for a dry run, or gives a RateLimited fault. The place must be given back.
func (t *tryouts) begin(caller string, l Limits) (end func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused *fault.Error
	switch {
	case l.DryRunsPerCaller > 0 && t.by[caller] >= l.DryRunsPerCaller:
		refused = fault.New(fault.RateLimited, "too many dry runs at once: %s has %d, and may have no more", caller, t.by[caller])
	case l.DryRuns > 0 && t.all >= l.DryRuns:
		refused = fault.New(fault.RateLimited, "too many dry runs at once; try again in a moment")
	}
	if refused != nil {
		refused.RetryAfter = dryRunWait
		return nil, refused
	}
	t.all++
	t.by[caller]++
	return func() { t.end(caller) }, nil
}

func (t *tryouts) end(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.by[caller]--; t.by[caller] == 0 {
		delete(t.by, caller)
	}
}

// try carries a dry run out, if there is a place for it. What made the run fail is the error.
func (s *Server) try(ctx context.Context, in trial) (dryrun.Result, error) {
	end, err := s.tryouts.begin(callerOf(ctx).Ref, s.Limits)
	if err != nil {
		return dryrun.Result{}, err
	}
	defer end()
	tries := s.DryRuns
	if in.foreign {
		tries = s.Uploads
	}
	result, err := tries.Run(ctx, in.Request)
	switch {
	case err != nil:
		return result, err
	case result.Failure != nil:
		return result, result.Failure
	}
	return result, nil
}
