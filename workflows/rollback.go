package workflows

import (
	"strconv"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// rollbackAtOnce is how many effects one execution of a rollback takes on, in whole pages.
const rollbackAtOnce = 300

// mostLeft is how much of what stays a rollback names. The rest is counted; each of it is told by itself.
const mostLeft = 200

// Rollback undoes what all attempts at a task have done, the last first, as a failing run does: what can't be undone is
// told and doesn't stop the rest. What has a lease ends with it. A long one goes on in a fresh execution.
func Rollback(ctx workflow.Context, in activities.RollbackInput) (activities.RolledBack, error) {
	leases := listenForLeases(ctx)
	ctx = detached(ctx)
	for taken := 0; ; {
		page, err := effectsPage(ctx, in.Task, in.After)
		if err != nil {
			return in.SoFar, failed(fault.Unseal(err))
		}
		for _, e := range page.Effects {
			workflow.SetCurrentDetails(ctx, strconv.Itoa(in.SoFar.Undone)+" effects are undone")
			rollBack(ctx, leases, &in, e)
		}
		if page.Next == nil {
			return in.SoFar, nil
		}
		in.After = page.Next
		if taken += len(page.Effects); taken >= rollbackAtOnce || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return in.SoFar, workflow.NewContinueAsNewError(ctx, activities.RollbackWorkflow, in)
		}
	}
}

// rollBack undoes one effect, tells what became of it and counts it.
func rollBack(ctx workflow.Context, leases endedLeases, in *activities.RollbackInput, e activities.Effect) {
	why := "rolled back by " + in.By
	if in.Why != "" {
		why += ": " + in.Why
	}
	what := activities.Record{Task: in.Task, Attempt: e.Call.Run.Attempt, Kind: activities.StepUndone, Step: e.Call.Step, Name: e.Call.StepName}
	if err := leases.undo(ctx, e, why, in.Force); err == nil {
		in.SoFar.Undone++
		what.Message = "Undid step " + e.Call.StepName + ": " + why
	} else {
		problem := "Step " + e.Call.StepName + " could not be undone: " + fault.Unseal(err).Public
		if len(in.SoFar.Left) < mostLeft {
			in.SoFar.Left = append(in.SoFar.Left, problem)
		} else {
			in.SoFar.More++
		}
		what.Kind, what.Message = activities.UndoFailed, problem
		tellLeftover(ctx, e.Call, fault.Unseal(err).Public)
	}
	local := bookkeeping(ctx, string(what.Kind)+" "+what.Step)
	if err := workflow.ExecuteLocalActivity(local, activities.RecordActivity, what).Get(local, nil); err != nil {
		workflow.GetLogger(ctx).Error("a record was refused", "kind", what.Kind, "step", what.Step, "error", err)
	}
}

// undo takes back an effect that Postgres remembers. What has a lease ends with it.
func (ended endedLeases) undo(ctx workflow.Context, e activities.Effect, why string, force bool) error {
	if e.Call.LeaseEnds != nil {
		_ = ended.revoke(ctx, activities.LeaseID(e.Call), why) // the undo below tells what is still there
	}
	ctx = undoOptions(ctx, e.Queue, 0, "Undo: "+e.Call.StepName)
	return workflow.ExecuteActivity(ctx, activities.UndoActivity(e.Action), activities.UndoInvocation{
		Invocation: e.Call, Output: e.Output, Why: why, Force: force,
	}).Get(ctx, nil)
}

// effectsOf lists all that a task has done, in the order to undo it.
func effectsOf(ctx workflow.Context, task string) (list []activities.Effect, err error) {
	for after := (*activities.EffectCursor)(nil); ; {
		page, err := effectsPage(ctx, task, after)
		if err != nil {
			return nil, err
		}
		if list = append(list, page.Effects...); page.Next == nil {
			return list, nil
		}
		after = page.Next
	}
}

// effectsPage gives a part of that. A workflow that began before there were pages gets all of it.
func effectsPage(ctx workflow.Context, task string, after *activities.EffectCursor) (page activities.EffectsPage, err error) {
	old := workflow.GetVersion(ctx, "effects-by-page", workflow.DefaultVersion, 1) == workflow.DefaultVersion
	ctx = bookkeepingActivity(ctx, "What the task has done")
	if old {
		err = workflow.ExecuteActivity(ctx, activities.EffectsActivity, task).Get(ctx, &page.Effects)
		return page, err
	}
	err = workflow.ExecuteActivity(ctx, activities.EffectsPageActivity, activities.EffectsQuery{Task: task, After: after}).Get(ctx, &page)
	return page, err
}

// tellLeftover has somebody look at an effect that could not be undone.
func tellLeftover(ctx workflow.Context, call activities.Invocation, problem string) {
	ctx = workflow.WithScheduleToCloseTimeout(bookkeepingActivity(ctx, "Tell what is left of "+call.StepName), leftoverLimit)
	err := workflow.ExecuteActivity(ctx, activities.LeftoverActivity, activities.Leftover{
		Call: call, Problem: problem, Of: workflow.GetInfo(ctx).FirstRunID,
	}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("what is left behind was told nobody", "step", call.Step, "error", err)
	}
}
