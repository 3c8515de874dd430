package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Scheduled is one firing of a schedule: it has the task accepted and lasts as long as that, so that Temporal knows when two of them
// would overlap.
func Scheduled(ctx workflow.Context, in activities.ScheduledInput) error {
	info := workflow.GetInfo(ctx)
	task := activities.ScheduledTask(info.WorkflowExecution.ID, info.OriginalRunID) // as it was before a reset: that is no other firing
	var run plan.Run
	err := workflow.ExecuteActivity(acceptOptions(ctx, "Accept task "+task), activities.FireActivity,
		activities.Firing{Schedule: in.Schedule, Task: task}).Get(ctx, &run)
	if err != nil {
		return err
	}
	_, err = carryOut(ctx, run, "schedule "+in.Schedule)
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	f := fault.Unseal(err)
	return fault.Seal(fault.New(f.Kind, "task %s failed: %s", task, f.Public))
}
