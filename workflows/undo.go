package workflows

import (
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// effect is something that a run has done and that can be undone.
type effect struct {
	step *plan.Step
	call activities.Invocation // unless it is a whole part of a loop
	undo func(ctx workflow.Context, why string) error

	failed bool // nobody knows what it did
	leased bool // its lease takes it back
}

// undo takes back what the run did, the last first. What can't be undone is told and doesn't stop
// the rest. It works on although the run was cancelled.
func (r *run) undo(ctx workflow.Context) {
	ctx = detached(ctx)
	r.effects = slices.Concat(r.keptEffects(ctx), r.effects)
	if len(r.effects) == 0 {
		return
	}
	r.publish(ctx, phaseUndoing, nil)
	why := "the run failed: " + r.failure.Public
	if r.cancelled {
		why = r.failure.Public
	}
	left := map[string]int{} // effects by step
	for _, e := range r.effects {
		left[e.step.ID]++
	}
	problems := map[string][]string{}
	for _, e := range slices.Backward(r.effects) {
		id := e.step.ID
		at := slices.IndexFunc(r.steps, func(s *step) bool { return s.ID == id })
		if err := e.undo(ctx, why); err != nil {
			problem := fault.Unseal(err).Public
			r.steps[at].leaving = r.steps[at].leaving || e.leased && !fault.Unseal(err).Kind.Final()
			problems[id] = append(problems[id], problem)
			if r.version >= failuresAreUndone && !(e.leased && leasesTell(ctx)) {
				call := e.call
				call.Run, call.Step, call.StepName = r.info, e.step.ID, e.step.Name // of a part of a loop it has none
				tellLeftover(ctx, call, problem)
			}
		}
		if left[id]--; left[id] == 0 {
			r.undone(ctx, r.steps[at], problems[id])
		}
	}
}

// leasesTell reports whether what a lease could not take back is told by the lease alone, which may still be trying.
func leasesTell(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "leases-tell-what-is-left", workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// callUndo takes back one call of an action.
func callUndo(ctx workflow.Context, s *plan.Step, in activities.UndoInvocation) error {
	ctx = undoOptions(ctx, queueOf(*s), s.Timeout.Std(), "Undo: "+summary(s, in.Iteration))
	return workflow.ExecuteActivity(ctx, activities.UndoActivity(s.Action), in).Get(ctx, nil)
}

// undone tells how the undo of a step ended. A step that had failed halfway stays failed.
func (r *run) undone(ctx workflow.Context, s *step, problems []string) {
	what := activities.Record{Kind: activities.StepUndone, Step: s.ID, Name: s.Name, Message: "Undid step " + s.Name}
	if s.state != Completed {
		what.Message = "Nothing is left of the failed step " + s.Name
	}
	if len(problems) > 0 {
		what.Kind = activities.UndoFailed
		what.Message = "Step " + s.Name + " could not be undone: " + strings.Join(problems, "; ")
	}
	r.record(ctx, what)
	switch {
	case len(problems) > 0:
		s.note = joined(s.note, "could not be undone: "+strings.Join(problems, "; "))
	case s.state == Completed:
		s.state = Undone
	default:
		s.note = joined(s.note, "what it had done is undone")
	}
	r.show(ctx)
}

func joined(note, more string) string {
	if note == "" {
		return more
	}
	return note + "; " + more
}
