package workflows

import (
	"encoding/json"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// effect is something that a run has done and that can be undone.
type effect struct {
	step   *step
	call   activities.Invocation
	output json.RawMessage
	lease  workflow.ChildWorkflowFuture // the lease that will undo it; nil = the run itself
}

// undo takes back what the run did, the last first. What can't be undone is told and doesn't stop
// the rest. It works on although the run was cancelled.
func (r *run) undo(ctx workflow.Context) {
	if len(r.effects) == 0 {
		return
	}
	ctx = detached(ctx)
	r.publish(ctx, phaseUndoing, nil)
	left := make([]int, len(r.steps)) // effects by step
	for _, e := range r.effects {
		left[e.step.index]++
	}
	problems := make([][]string, len(r.steps))
	for _, e := range slices.Backward(r.effects) {
		s := e.step
		if err := r.undoEffect(ctx, e); err != nil {
			problems[s.index] = append(problems[s.index], fault.Unseal(err).Public)
		}
		if left[s.index]--; left[s.index] == 0 {
			r.undone(ctx, s, problems[s.index])
		}
	}
}

func (r *run) undoEffect(ctx workflow.Context, e *effect) error {
	why := "the run failed: " + r.failure.Public
	if r.cancelled {
		why = r.failure.Public
	}
	if e.lease != nil {
		return r.revokeLease(ctx, e, why)
	}
	ctx = undoOptions(ctx, queueOf(e.step.Step), e.step.Timeout.Std(), "Undo: "+summary(e.step, e.call.Iteration))
	return workflow.ExecuteActivity(ctx, activities.UndoActivity(e.step.Action), activities.UndoInvocation{
		Invocation: e.call, Output: e.output, Why: why,
	}).Get(ctx, nil)
}

// undone tells how the undo of a step ended. A step that had failed halfway stays failed.
func (r *run) undone(ctx workflow.Context, s *step, problems []string) {
	what := activities.Record{Kind: activities.StepUndone, Step: s.ID, Name: s.Name, Message: "Undid step " + s.Name}
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
