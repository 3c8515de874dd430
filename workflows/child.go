package workflows

import (
	"bytes"
	"encoding/json"
	"errors"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// runChild runs the template that a step has asked for, as a task of its own, and gives the step's output when that has
// ended. Until then it waits, at no cost, for as long as people take.
func (c *caller) runChild(ctx workflow.Context, s *plan.Step, in activities.Invocation, asked json.RawMessage) (activities.Outcome, error) {
	var out activities.ChildOutput
	err := json.Unmarshal(asked, &out) //workflowcheck:ignore // the same text gives the same value
	if err != nil {
		return activities.Outcome{}, fault.Wrap(fault.Internal, err, "what step %s asks for can't be read", s.ID)
	}
	var run plan.Run
	err = workflow.ExecuteActivity(acceptOptions(ctx, "Accept task "+out.Task), activities.AcceptActivity, activities.AskedRun{
		Parent: plan.Parent{Task: in.Run.Task, Attempt: in.Run.Attempt, Step: in.Step, Iteration: in.Iteration},
		Task:   out.Task, Template: out.Template, Values: out.Values,
	}).Get(ctx, &run)
	if err != nil {
		return activities.Outcome{}, err
	}
	outputs, err := carryOut(ctx, run, summary(s, in.Iteration))
	switch {
	case temporal.IsCanceledError(err):
		return activities.Outcome{}, err
	case err != nil: // in words of its own: the cause would be read in its place
		f := fault.Unseal(err)
		return activities.Outcome{}, fault.New(f.Kind, "task %s (%s) failed: %s", out.Task, out.Template, f.Public)
	}
	if bytes.Contains(outputs.Output, []byte(`"`+activities.BlobRef+`"`)) {
		return activities.Outcome{}, fault.New(fault.Invalid, "task %s (%s) gives more than a step can take over", out.Task, out.Template)
	}
	out.Values, out.Output = nil, outputs.Output
	return activities.Outcome{Output: encoded(out)}, nil
}

// carryOut runs an accepted task as a child and waits for its end. It is started even if the one who waits was cancelled
// meanwhile, and then told to stop: what was accepted has an end.
func carryOut(ctx workflow.Context, run plan.Run, summary string) (out activities.Outputs, err error) {
	own := detached(ctx)
	t := run.Plan.Template
	attributes := []temporal.SearchAttributeUpdate{templateKey.ValueSet(t.Name), requesterKey.ValueSet(run.Requester.Ref)}
	if t.Owner != "" {
		attributes = append(attributes, ownerKey.ValueSet(t.Owner))
	}
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            run.Task,
		TaskQueue:             activities.MainQueue,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL, // it only closes first if somebody terminates it
		TypedSearchAttributes: temporal.NewSearchAttributes(attributes...),
		StaticSummary:         truncated(run.Requester.Ref+" asked for "+t.Name+": "+summary, summaryLimit),
	}
	if run.Attempt > 0 {
		options.Memo = map[string]any{activities.AttemptMemo: run.Attempt}
	}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(own, options), t.Name, run)
	if err := child.GetChildWorkflowExecution().Get(own, nil); err != nil {
		return out, fault.Wrap(fault.Internal, err, "the task could not be started")
	}
	if err := workflow.Await(ctx, child.IsReady); err != nil {
		// One that has ended meanwhile needs no telling.
		_ = child.SignalChildWorkflow(own, activities.CancelMessage, "the run that it belongs to was cancelled").Get(own, nil)
		_ = child.Get(own, nil)
		return out, err
	}
	err = child.Get(own, &out)
	var app *temporal.ApplicationError
	if err != nil && !errors.As(err, &app) {
		return out, fault.Wrap(fault.Conflict, err, "its workflow was ended from outside")
	}
	return out, err
}
