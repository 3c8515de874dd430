package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

const (
	attemptLimit      = 10 * time.Minute // of one attempt of a step that sets no timeout
	localAttemptLimit = 2 * time.Minute  // likewise, of a step without outside effect
	bookkeepingLimit  = 30 * time.Second // of one attempt to write or evaluate something
	heartbeatLimit    = 20 * time.Second // a worker that is silent for so long is dead
	outageLimit       = 24 * time.Hour   // how long a step without a retry policy waits for a provider to come back
	decisionLimit     = 2 * time.Minute  // how long an approver waits for the verdict on their decision
	decisionPause     = time.Minute      // before a decision that nobody waits for is checked again
	leftoverLimit     = time.Hour        // for a ticket about what is left behind
	forever           = 10 * 365 * 24 * time.Hour

	summaryLimit = 400 // bytes; Temporal's limit.userMetadataSummarySize
)

// stepOptions are the options of a step's activity. Final faults are not retried whatever they say,
// because they arrive as non-retryable errors.
func stepOptions(ctx workflow.Context, s plan.Step, summary string) workflow.Context {
	retry := &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}
	attempt := orDefault(s.Timeout.Std(), attemptLimit)
	total := max(outageLimit, attempt)
	if s.Retry != nil {
		retry.InitialInterval = orDefault(s.Retry.Interval.Std(), time.Second)
		retry.MaximumInterval = max(time.Minute, retry.InitialInterval)
		if s.Retry.Attempts > 0 {
			retry.MaximumAttempts = int32(s.Retry.Attempts)
			total = 0 // the attempts bound it
		}
	}
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queueOf(s),
		ScheduleToCloseTimeout: total,
		StartToCloseTimeout:    attempt,
		HeartbeatTimeout:       heartbeatLimit,
		WaitForCancellation:    true,
		RetryPolicy:            retry,
		Summary:                truncated(summary, summaryLimit),
	})
}

// localOptions are the options of a step that runs as a local activity.
func localOptions(ctx workflow.Context, s plan.Step, summary string) workflow.Context {
	retry := &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}
	attempt := orDefault(s.Timeout.Std(), localAttemptLimit)
	if s.Retry != nil {
		retry.InitialInterval = orDefault(s.Retry.Interval.Std(), time.Second)
		retry.MaximumInterval = max(time.Minute, retry.InitialInterval)
		retry.MaximumAttempts = int32(s.Retry.Attempts)
	}
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: max(outageLimit, attempt),
		StartToCloseTimeout:    attempt,
		RetryPolicy:            retry,
		Summary:                truncated(summary, summaryLimit),
	})
}

// bookkeeping are the options of the run's own local activities: they are tried until the database
// is back.
func bookkeeping(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: forever,
		StartToCloseTimeout:    bookkeepingLimit,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:                truncated(summary, summaryLimit),
	})
}

// bookkeepingActivity is bookkeeping for what gives more than a marker should hold.
func bookkeepingActivity(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.MainQueue,
		StartToCloseTimeout: bookkeepingLimit,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:             truncated(summary, summaryLimit),
	})
}

// undoOptions are the options of an undo: it is tried until it is done or can't be done.
func undoOptions(ctx workflow.Context, queue string, attempt time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: orDefault(attempt, attemptLimit),
		HeartbeatTimeout:    heartbeatLimit,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 15 * time.Minute},
		Summary:             truncated(summary, summaryLimit),
	})
}

// decisionOptions are the options of the check of a decision. Somebody is waiting for the answer,
// and can try again.
func decisionOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              activities.MainQueue,
		ScheduleToCloseTimeout: decisionLimit,
		StartToCloseTimeout:    bookkeepingLimit,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 15 * time.Second},
		Summary:                "Check a decision",
	})
}

// acceptOptions are the options of asking the API to accept a task: it may be away, or a quota used up.
func acceptOptions(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.AcceptQueue,
		StartToCloseTimeout: bookkeepingLimit,
		WaitForCancellation: true, // what was accepted is to be known
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:             truncated(summary, summaryLimit),
	})
}

func queueOf(s plan.Step) string {
	if s.Queue == "" {
		return activities.MainQueue
	}
	return s.Queue
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// detached gives a context that a cancelled run still works on: for what must be written down or
// put back whatever happens.
func detached(ctx workflow.Context) workflow.Context {
	d, _ := workflow.NewDisconnectedContext(ctx)
	return d
}
