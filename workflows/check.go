package workflows

import (
	"fmt"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

const (
	checkLimit    = 5 * time.Minute  // of one attempt to look at a batch of grants
	checkPatience = 30 * time.Minute // with a provider that doesn't answer, or asks to come back later
	confirmAfter  = 5 * time.Second  // a grant that looks changed is looked at again: perhaps it is just being taken back
)

// CheckAccess looks at what was granted, page by page, the queues side by side. It changes nothing but the read model.
func CheckAccess(ctx workflow.Context, in activities.CheckInput) (activities.CheckedAccess, error) {
	for {
		var page activities.GrantPage
		list := bookkeepingActivity(ctx, "What there is to look at")
		err := workflow.ExecuteActivity(list, activities.GrantsActivity, activities.GrantsQuery{User: in.User, After: in.After}).Get(list, &page)
		if err != nil {
			return in.Checked, failed(fault.Unseal(err))
		}
		in.Checked = in.Checked.Plus(checkPage(ctx, page.Batches))
		if ctx.Err() != nil {
			return in.Checked, ctx.Err()
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d grants looked at, %d of them not as granted; %d could not be seen",
			in.Checked.Checked, in.Checked.Drifted, in.Checked.Unchecked))
		if in.After = page.Next; in.After == 0 {
			return in.Checked, nil
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return in.Checked, workflow.NewContinueAsNewError(ctx, activities.CheckWorkflow, in)
		}
	}
}

// checkPage looks at batches, those of one queue one after the other.
func checkPage(ctx workflow.Context, batches []activities.GrantBatch) (found activities.CheckedAccess) {
	var queues []string
	of := map[string][]activities.GrantBatch{}
	for _, b := range batches {
		if of[b.Queue] == nil {
			queues = append(queues, b.Queue)
		}
		of[b.Queue] = append(of[b.Queue], b)
	}
	all := workflow.NewWaitGroup(ctx)
	for _, queue := range queues {
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			for _, b := range of[queue] {
				seen := checkBatch(ctx, b) // others add to found meanwhile
				found = found.Plus(seen)
			}
		})
	}
	all.Wait(ctx)
	return found
}

func checkBatch(ctx workflow.Context, b activities.GrantBatch) (found activities.CheckedAccess) {
	found, err := look(ctx, b.Queue, activities.CheckGrants{Keys: b.Keys})
	suspects := activities.CheckGrants{Keys: found.Suspects, Confirm: true}
	if err == nil && len(suspects.Keys) > 0 {
		timer := workflow.NewTimerWithOptions(ctx, confirmAfter, workflow.TimerOptions{Summary: "Until what looks changed is looked at again"})
		if err := timer.Get(ctx, nil); err != nil {
			return found
		}
		b.Keys = suspects.Keys
		var again activities.CheckedAccess
		again, err = look(ctx, b.Queue, suspects)
		found = found.Plus(again)
	}
	if err == nil || ctx.Err() != nil {
		return found
	}
	found.Unchecked += len(b.Keys)
	local := bookkeeping(ctx, "Grants can't be looked at")
	err = workflow.ExecuteLocalActivity(local, activities.UncheckedActivity, activities.UncheckedGrants{Keys: b.Keys, Why: fault.Unseal(err).Public}).Get(local, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("a check was refused by the read model", "error", err)
	}
	return found
}

func look(ctx workflow.Context, queue string, in activities.CheckGrants) (found activities.CheckedAccess, err error) {
	summary := "Look at " + strconv.Itoa(len(in.Keys)) + " grants"
	if in.Confirm {
		summary += " again"
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		ScheduleToCloseTimeout: checkPatience,
		StartToCloseTimeout:    checkLimit,
		HeartbeatTimeout:       heartbeatLimit,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:                summary,
	})
	err = workflow.ExecuteActivity(ctx, activities.CheckGrantsActivity, in).Get(ctx, &found)
	return found, err
}
