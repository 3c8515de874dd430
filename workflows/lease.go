package workflows

import (
	"encoding/json"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const revokeLimit = 5 * time.Minute // how long a failing run waits for its leases to end

// lease is a lease that a run, or a part of one, has opened.
type lease struct{ workflow.ChildWorkflowFuture }

// startLease hands an effect over to a workflow of its own, which outlives the run.
func (c *caller) startLease(ctx workflow.Context, s *plan.Step, call activities.Invocation, output json.RawMessage) (lease, error) {
	ctx = detached(ctx) // the effect is there: it must have an end even if the run is being cancelled
	expires := *call.LeaseEnds
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            activities.LeaseID(call),
		TaskQueue:             activities.MainQueue,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: inherited(ctx),
		StaticSummary: truncated(summary(s, call.Iteration)+" for "+c.info.Requester.Ref+
			" until "+expires.Format("2006-01-02 15:04 UTC"), summaryLimit),
	})
	in := activities.LeaseInput{
		ID: activities.LeaseID(call), Lease: *s.Lease, Expires: expires, Queue: queueOf(*s), Action: s.Action,
		Undo: activities.UndoInvocation{Invocation: call, Output: output}, Granted: c.granted(ctx), Renews: s.Renews,
	}
	for try := 1; ; try++ {
		l := workflow.ExecuteChildWorkflow(ctx, activities.LeaseWorkflow, in)
		err := l.GetChildWorkflowExecution().Get(ctx, nil)
		if err == nil {
			return lease{l}, nil
		}
		if try == startTries || !stillEnding(ctx, err) {
			return lease{}, fault.Wrap(fault.Internal, err, "the lease of step %s could not be started", s.Name)
		}
	}
}

// startTries bounds how often, a second apart.
const startTries = 60

// stillEnding waits a moment if the lease of an earlier attempt is in the way: it tells that it has ended just before it does.
func stillEnding(ctx workflow.Context, err error) bool {
	if !temporal.IsWorkflowExecutionAlreadyStartedError(err) || workflow.GetVersion(ctx, "lease-waits-for-the-one-before", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return false
	}
	timer := workflow.NewTimerWithOptions(ctx, time.Second, workflow.TimerOptions{Summary: "Until the lease of an earlier attempt has ended"})
	return timer.Get(ctx, nil) == nil
}

// granted is when something is granted first; nil in runs of older releases.
func (c *caller) granted(ctx workflow.Context) *time.Time {
	if c.version < leasesRemind {
		return nil
	}
	now := workflow.Now(ctx).UTC()
	return &now
}

// leasesRemind is the first version of plans whose leases remind people and can be renewed.
const leasesRemind = 2

// revoke ends a lease and waits a while for the effect to be gone. The lease goes on trying when
// nobody waits any more.
func (l lease) revoke(ctx workflow.Context, why string) error {
	// A signal that doesn't arrive means that the lease has ended already; its result says how.
	_ = l.SignalChildWorkflow(ctx, activities.RevokeMessage, why).Get(ctx, nil)
	if err := awaitLease(ctx, l.IsReady); err != nil {
		return err
	}
	return l.Get(ctx, nil)
}

func awaitLease(ctx workflow.Context, ended func() bool) error {
	inTime, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      revokeLimit,
		TimerOptions: workflow.TimerOptions{Summary: "Waits for the lease to end"},
	}, ended)
	if err == nil && !inTime {
		return fault.New(fault.Unavailable, "its lease has not ended yet and goes on trying")
	}
	return err
}

// endedLeases are the leases that have told a part of a loop of their end. A workflow other than the one that
// opened them takes it back, so that it has no future to wait for.
type endedLeases map[string]activities.LeaseReport

func listenForLeases(ctx workflow.Context) endedLeases {
	ended := endedLeases{}
	reports := workflow.GetSignalChannelWithOptions(ctx, activities.LeaseEndedMessage,
		workflow.SignalChannelOptions{Description: "A lease that was revoked from here has ended"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var report activities.LeaseReport
			reports.Receive(ctx, &report)
			ended[report.ID] = report
		}
	})
	return ended
}

// revoke is lease.revoke for a lease that another workflow has opened. Of one that had ended before it says nothing.
func (e endedLeases) revoke(ctx workflow.Context, id, why string) error {
	err := workflow.SignalExternalWorkflow(ctx, id, "", activities.RevokeAndTellMessage, activities.RevokeAndTell{
		Why: why, Tell: workflow.GetInfo(ctx).WorkflowExecution.ID,
	}).Get(ctx, nil)
	if err != nil {
		return nil // it has ended
	}
	if err := awaitLease(ctx, func() bool { _, ended := e[id]; return ended }); err != nil {
		return err
	}
	if problem := e[id].Problem; problem != "" {
		return fault.New(fault.Conflict, "%s", problem)
	}
	return nil
}
