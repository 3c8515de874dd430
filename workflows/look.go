package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
)

// lookLimit is how long a dry run waits for what a provider says.
const lookLimit = 10 * time.Second

// Look has an action foresee on its own task queue, within the limits of its provider.
func Look(ctx workflow.Context, in activities.Look) (seen activities.Foreseen, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              in.Queue,
		ScheduleToCloseTimeout: lookLimit,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2},
		Summary:                truncated("Look ahead: "+in.Call.StepName, summaryLimit),
	})
	err = workflow.ExecuteActivity(ctx, activities.ForeseeActivity(in.Action), in.Call).Get(ctx, &seen)
	return seen, err
}
