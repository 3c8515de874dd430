package workflows

import (
	"strconv"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Rollback undoes what all attempts at a task have done, the last first, as a failing run does: what can't be undone is
// told and doesn't stop the rest. What has a lease ends with it.
func Rollback(ctx workflow.Context, in activities.RollbackInput) (result activities.RolledBack, err error) {
	leases := listenForLeases(ctx)
	ctx = detached(ctx)
	why := "rolled back by " + in.By
	if in.Why != "" {
		why += ": " + in.Why
	}
	effects, err := effectsOf(ctx, in.Task)
	if err != nil {
		return result, failed(fault.Unseal(err))
	}
	for i, e := range effects {
		workflow.SetCurrentDetails(ctx, strconv.Itoa(i)+" of "+strconv.Itoa(len(effects))+" effects are undone")
		what := activities.Record{Task: in.Task, Attempt: e.Call.Run.Attempt, Kind: activities.StepUndone, Step: e.Call.Step, Name: e.Call.StepName}
		err := leases.undo(ctx, e, why, in.Force)
		if err == nil {
			result.Undone++
			what.Message = "Undid step " + e.Call.StepName + ": " + why
		} else {
			problem := "Step " + e.Call.StepName + " could not be undone: " + fault.Unseal(err).Public
			result.Left = append(result.Left, problem)
			what.Kind, what.Message = activities.UndoFailed, problem
			tellLeftover(ctx, e.Call, fault.Unseal(err).Public)
		}
		local := bookkeeping(ctx, string(what.Kind)+" "+what.Step)
		if err := workflow.ExecuteLocalActivity(local, activities.RecordActivity, what).Get(local, nil); err != nil {
			workflow.GetLogger(ctx).Error("a record was refused", "kind", what.Kind, "step", what.Step, "error", err)
		}
	}
	return result, nil
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

func effectsOf(ctx workflow.Context, task string) (list []activities.Effect, err error) {
	ctx = bookkeepingActivity(ctx, "What the task has done")
	err = workflow.ExecuteActivity(ctx, activities.EffectsActivity, task).Get(ctx, &list)
	return list, err
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
