package workflows

import (
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
)

const roundsAtOnce = 200 // in one execution

// Rounds begins something again and again: the round that is due now, unless it has begun before, and then each at its time. What
// was due while everything was down is due once when it is back.
func Rounds(ctx workflow.Context, in activities.RoundsInput) error {
	for range roundsAtOnce {
		now := workflow.Now(ctx).UTC()
		due := now.Truncate(in.Every)
		if in.Last == nil || due.After(*in.Last) {
			if err := beginRound(ctx, in, due); err != nil {
				return err
			}
			in.Last = &due
		}
		next := due.Add(in.Every)
		workflow.SetCurrentDetails(ctx, "The next round begins at "+next.Format(time.RFC3339)+".")
		timer := workflow.NewTimerWithOptions(ctx, next.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "Until the next round"})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
	}
	return workflow.NewContinueAsNewError(ctx, activities.RoundsWorkflow, in)
}

// beginRound starts a round. One that another execution has begun is left alone.
func beginRound(ctx workflow.Context, in activities.RoundsInput, at time.Time) error {
	kind, what := activities.CheckWorkflow, any(in.Check)
	if in.Review != nil {
		kind, what = activities.ReviewRoundWorkflow, activities.ReviewRound{At: at, Within: in.Review.Within}
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            in.ID + "/" + at.Format(time.RFC3339),
		TaskQueue:             activities.MainQueue,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         "The round of " + at.Format("2006-01-02 15:04 UTC"),
	})
	return unlessBegun(workflow.ExecuteChildWorkflow(ctx, kind, what).GetChildWorkflowExecution().Get(ctx, nil))
}

// unlessBegun forgives that a child has begun before.
func unlessBegun(err error) error {
	var begun *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &begun) {
		return nil
	}
	return err
}
