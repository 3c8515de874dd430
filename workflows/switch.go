package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// branchChosen is the output of a switch.
type branchChosen struct {
	Branch *string `json:"branch"` // null if none is
}

// choose ends a switch with the branch that its conditions came to.
func (r *run) choose(ctx workflow.Context, s *step, branch string) {
	r.begin(ctx, s)
	s.branch, s.note = branch, "no branch"
	chosen := branchChosen{}
	if branch != "" {
		chosen.Branch, s.note = &branch, "branch "+branch
	}
	s.output = encoded(chosen)
	r.complete(ctx, s)
}

// chosen tells whether the branch of a step is the one that its switch came to.
func (s *step) chosen() bool {
	return s.within.state == Completed && s.within.branch == s.Branch.Name
}

func (r *run) skipUnchosen(ctx workflow.Context, s *step) {
	if r.failure != nil && s.within.state != Completed {
		r.skipAfterFailure(ctx, s) // the switch did not come to choosing
		return
	}
	r.skip(ctx, s, branchNotChosen)
}

// enter finds the switch of a step in a branch.
func (s *step) enter(byID map[string]*step) error {
	if s.Branch == nil {
		return nil
	}
	within, ok := byID[s.Branch.Switch]
	if !ok || within.Kind != plan.SwitchStep || !s.before[within.index] {
		return fault.New(fault.Invalid, "step %s is in a branch of %q, which is no switch that it needs", s.ID, s.Branch.Switch)
	}
	for _, b := range within.Branches {
		if b.Name == s.Branch.Name {
			s.within = within
			return nil
		}
	}
	return fault.New(fault.Invalid, "step %s is in the branch %q, which the switch %s doesn't have", s.ID, s.Branch.Name, within.ID)
}
