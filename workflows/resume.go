package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// results are what another attempt could take over: the steps that completed and were not undone, and those that another
// attempt would skip, too.
func (r *run) results() []plan.Kept {
	results := []plan.Kept{}
	for _, s := range r.steps {
		kept := plan.Kept{Step: s.ID}
		switch {
		case s.state == Completed && !s.leaving:
			kept.Output, kept.Layers, kept.Branch = s.output, s.layers, s.branch
			if s.gate != nil {
				kept.Said = s.gate.said
			}
		case s.state == Skipped && (s.note == ifWasFalse || s.note == branchNotChosen):
			kept.Skipped = true
		default:
			continue
		}
		results = append(results, kept)
	}
	return results
}

// kept is what this attempt takes over of a step; nil if it runs.
func (r *run) kept(s *step) *plan.Kept {
	i := slices.IndexFunc(r.in.Kept, func(k plan.Kept) bool { return k.Step == s.ID })
	if i < 0 {
		return nil
	}
	return &r.in.Kept[i]
}

// takeOver ends a step with what it gave in an earlier attempt.
func (r *run) takeOver(ctx workflow.Context, s *step, kept *plan.Kept) {
	s.output, s.layers, s.branch = kept.Output, kept.Layers, kept.Branch
	if len(s.output) == 0 {
		s.output = emptyObject
	}
	r.record(ctx, activities.Record{
		Kind: activities.StepCompleted, Step: s.ID, Name: s.Name, Output: s.output,
		Message: "Skipping step " + s.ID + " because it was already completed in a previous run", // as Backstage says it
	})
	r.end(ctx, s, Completed, "completed in an earlier attempt")
}

// approvedAgain makes what was said in an earlier attempt the decisions of this one.
func (g *gate) approvedAgain(said []plan.Said) {
	g.again, g.said, g.outcome, g.closed = true, said, plan.Approved, true
	for _, s := range said {
		g.decisions = append(g.decisions, s.Decision)
	}
}

// keptEffects are what the steps that were taken over have done, in order of completion. Postgres remembers it, and what of
// it was undone since. Their leases have gone on.
func (r *run) keptEffects(ctx workflow.Context) (effects []*effect) {
	if len(r.in.Kept) == 0 {
		return nil
	}
	list, err := effectsOf(ctx, r.in.Task)
	if err != nil {
		workflow.GetLogger(ctx).Error("what the kept steps have done is not known", "error", err)
		return nil
	}
	for _, e := range slices.Backward(list) {
		at := slices.IndexFunc(r.steps, func(s *step) bool { return s.ID == e.Call.Step })
		if at < 0 || r.kept(r.steps[at]) == nil {
			continue
		}
		effects = append(effects, &effect{step: &r.steps[at].Step, call: e.Call, undo: func(ctx workflow.Context, why string) error {
			return r.leases.undo(ctx, e, why, false)
		}})
	}
	return effects
}
