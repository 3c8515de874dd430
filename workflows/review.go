package workflows

import (
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// ReviewRound begins a review for every owner of templates that have granted something which has not ended.
func ReviewRound(ctx workflow.Context, in activities.ReviewRound) error {
	var owners []string
	list := bookkeepingActivity(ctx, "Whose templates have granted access")
	if err := workflow.ExecuteActivity(list, activities.ReviewedOwnersActivity).Get(list, &owners); err != nil {
		return failed(fault.Unseal(err))
	}
	for _, owner := range owners {
		id := activities.ReviewID(owner, in.At)
		child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID:            id,
			TaskQueue:             activities.MainQueue,
			ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			StaticSummary:         truncated("What templates of "+owner+" have granted", summaryLimit),
		})
		review := workflow.ExecuteChildWorkflow(child, activities.ReviewWorkflow, activities.ReviewInput{ID: id, Owner: owner, Within: in.Within})
		if err := unlessBegun(review.GetChildWorkflowExecution().Get(child, nil)); err != nil {
			return err
		}
	}
	return nil
}

// review is an access review from inside.
type review struct {
	in        activities.ReviewInput
	deciding  bool
	decisions int // in this execution
	left      int // grants without an answer, as far as this execution knows; -1: it doesn't
	over      bool
}

// Review asks an owner to confirm or revoke what their templates have granted, reminds them halfway, and closes when everything
// is answered or the time is over. What has no answer by then stays until it ends by itself, and is told.
func Review(ctx workflow.Context, in activities.ReviewInput) error {
	r := &review{in: in, left: -1}
	err := workflow.SetUpdateHandlerWithOptions(ctx, activities.ReviewMessage,
		func(ctx workflow.Context, in activities.DecideReview) (activities.ReviewDecided, error) {
			decided, err := r.decide(ctx, in)
			return decided, sealed(err)
		},
		workflow.UpdateHandlerOptions{
			Description: "An owner's signed decisions about grants; answers how many are left",
			Validator:   func(activities.DecideReview) error { return sealed(r.takes()) },
		})
	if err != nil {
		return err
	}
	if r.in.Opened == nil {
		if err := r.open(ctx); err != nil {
			return failed(fault.Unseal(err))
		}
	}
	again, err := r.await(ctx)
	if err != nil {
		return err
	}
	if again {
		return workflow.NewContinueAsNewError(ctx, activities.ReviewWorkflow, r.in)
	}
	if r.left == 0 && r.in.Turn == 0 {
		workflow.SetCurrentDetails(ctx, "There was nothing to review.")
		return nil
	}
	workflow.SetCurrentDetails(ctx, "Closed.")
	local := bookkeeping(detached(ctx), "Close the review")
	return sealed(workflow.ExecuteLocalActivity(local, activities.CloseReviewActivity, *r.in.Opened).Get(local, nil))
}

func (r *review) open(ctx workflow.Context) error {
	opened := activities.OpenReview{ID: r.in.ID, Owner: r.in.Owner, Due: workflow.Now(ctx).Add(r.in.Within).UTC()}
	open := bookkeepingActivity(ctx, "Write down what is to be reviewed")
	if err := workflow.ExecuteActivity(open, activities.OpenReviewActivity, opened).Get(open, &r.left); err != nil {
		return err
	}
	r.in.Opened = &opened
	return nil
}

// await waits until everything is answered or the time is over. It reports whether the review goes on in a fresh execution
// instead, because many decisions have made its history long.
func (r *review) await(ctx workflow.Context) (again bool, err error) {
	due := r.in.Opened.Due
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Waits for %s until %s.", r.in.Owner, due.Format(time.RFC3339)))
	for {
		until, summary := due, "Until the review is over"
		if !r.in.Reminded {
			until, summary = due.Add(-r.in.Within/2), "Until the owner is reminded"
		}
		if left := until.Sub(workflow.Now(ctx)); left > 0 {
			_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout: left, TimerOptions: workflow.TimerOptions{Summary: summary},
			}, func() bool { return !r.deciding && (r.left == 0 || r.long(ctx)) })
			if err != nil {
				return false, err
			}
		}
		_ = workflow.Await(detached(ctx), func() bool { return !r.deciding }) // whoever came in time is heard
		switch {
		case r.left != 0 && workflow.Now(ctx).Before(until):
			err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
			return r.left != 0, err
		case r.left != 0 && !r.in.Reminded:
			r.in.Reminded = true
			local := bookkeeping(ctx, "Remind the owner")
			if err := workflow.ExecuteLocalActivity(local, activities.RemindReviewActivity, *r.in.Opened).Get(local, nil); err != nil {
				workflow.GetLogger(ctx).Error("a reminder was refused", "review", r.in.ID, "error", err)
			}
		default:
			r.over = true
			return false, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		}
	}
}

func (r *review) long(ctx workflow.Context) bool {
	return r.decisions > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// takes says why the review takes no decision now.
func (r *review) takes() error {
	switch {
	case r.over || r.left == 0:
		return fault.New(fault.Conflict, "this review is closed")
	case r.in.Opened == nil:
		return fault.New(fault.Unavailable, "this review is not open yet; try again")
	default:
		return nil
	}
}

// decide checks decisions and carries them out, those of one caller after the other's.
func (r *review) decide(ctx workflow.Context, said activities.DecideReview) (decided activities.ReviewDecided, err error) {
	if err := workflow.Await(ctx, func() bool { return !r.deciding }); err != nil {
		return decided, err
	}
	if err := r.takes(); err != nil { // the one before has answered the rest
		return decided, err
	}
	r.deciding = true
	defer func() { r.deciding = false }()
	r.in.Turn++
	r.decisions++
	check := decisionOptions(ctx)
	err = workflow.ExecuteActivity(check, activities.DecideReviewActivity, activities.ReviewClaim{OpenReview: *r.in.Opened, Turn: r.in.Turn, Said: said}).Get(check, &decided)
	if err == nil {
		r.left = decided.Left
	}
	return decided, err
}
