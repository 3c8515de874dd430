package workflows

import (
	"encoding/json"
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// How a lease ended, as the read model is told.
const (
	leaseExpired = "expired"
	leaseRevoked = "revoked"
)

const (
	revokeLimit    = 5 * time.Minute // how long a failing run waits for its leases to end
	firstUndoPause = time.Hour       // between an undo that was refused for good and the next one; doubles
	lastUndoPause  = 24 * time.Hour
)

// leaseID is the workflow id of a lease: one for every effect.
func leaseID(call activities.Invocation) string { return "lease/" + call.Key() }

// lease is a lease that a run, or a part of one, has opened.
type lease struct{ workflow.ChildWorkflowFuture }

// startLease hands an effect over to a workflow of its own, which outlives the run.
func (c *caller) startLease(ctx workflow.Context, s *plan.Step, call activities.Invocation, output json.RawMessage) (lease, error) {
	ctx = detached(ctx) // the effect is there: it must have an end even if the run is being cancelled
	expires := *call.LeaseEnds
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            leaseID(call),
		TaskQueue:             activities.MainQueue,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: inherited(ctx),
		StaticSummary: truncated(summary(s, call.Iteration)+" for "+c.info.Requester.Ref+
			" until "+expires.Format("2006-01-02 15:04 UTC"), summaryLimit),
	})
	l := workflow.ExecuteChildWorkflow(ctx, activities.LeaseWorkflow, activities.LeaseInput{
		ID: leaseID(call), Lease: *s.Lease, Expires: expires, Queue: queueOf(*s), Action: s.Action,
		Undo: activities.UndoInvocation{Invocation: call, Output: output},
	})
	if err := l.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return lease{}, fault.Wrap(fault.Internal, err, "the lease of step %s could not be started", s.Name)
	}
	return lease{l}, nil
}

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

// Lease waits for the end of a grant and then undoes it. The signal `revoke`, or cancelling the
// workflow, ends it early. It returns an error only if the grant is no longer ours to take back; it
// then stays open in the read model.
func Lease(ctx workflow.Context, in activities.LeaseInput) error {
	call := in.Undo.Invocation
	open := bookkeeping(detached(ctx), "Write the lease down")
	err := workflow.ExecuteLocalActivity(open, activities.OpenLeaseActivity, activities.LeaseRecord{
		ID: in.ID, Task: call.Run.Task, Step: call.Step, Action: in.Action, Requester: call.Run.Requester.Ref,
		Template: call.Run.Template.Ref, Expires: in.Expires, Output: in.Undo.Output,
	}).Get(open, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("a lease was refused by the read model", "lease", in.ID, "error", err)
	}

	end := listenForEnd(ctx)
	state, why := end.await(ctx, in)
	ctx = detached(ctx)
	workflow.SetCurrentDetails(ctx, "Being undone because "+why+".")
	in.Undo.Why = why
	if err := undoGrant(ctx, in); err != nil {
		f := fault.Unseal(err)
		end.report(ctx, activities.LeaseReport{ID: in.ID, Problem: f.Public})
		return failed(f)
	}
	workflow.SetCurrentDetails(ctx, "Undone because "+why+".")
	ctx = bookkeeping(ctx, "Write the end of the lease down")
	err = workflow.ExecuteLocalActivity(ctx, activities.CloseLeaseActivity, activities.LeaseEnded{
		ID: in.ID, State: state, At: workflow.Now(ctx),
	}).Get(ctx, nil)
	end.report(ctx, activities.LeaseReport{ID: in.ID})
	return sealed(err)
}

// leaseEnd is how a lease is asked to end before its time.
type leaseEnd struct {
	revoked bool
	reason  string
	tell    []string // ids of the workflows that wait for the grant to be gone
}

func listenForEnd(ctx workflow.Context) *leaseEnd {
	end := &leaseEnd{}
	revokes := workflow.GetSignalChannelWithOptions(ctx, activities.RevokeMessage,
		workflow.SignalChannelOptions{Description: "Ends the grant now; the argument is the reason"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		var reason string
		revokes.Receive(ctx, &reason)
		end.revoke(reason)
	})
	askers := workflow.GetSignalChannelWithOptions(ctx, activities.RevokeAndTellMessage,
		workflow.SignalChannelOptions{Description: "Ends the grant now and tells a workflow when it is gone"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var asked activities.RevokeAndTell
			askers.Receive(ctx, &asked)
			end.tell = append(end.tell, asked.Tell)
			end.revoke(asked.Why)
		}
	})
	return end
}

func (e *leaseEnd) revoke(reason string) {
	if !e.revoked {
		e.revoked, e.reason = true, reason
	}
}

// report tells those who asked how the lease ended. One that waits no more is not told.
func (e *leaseEnd) report(ctx workflow.Context, what activities.LeaseReport) {
	for _, id := range e.tell {
		_ = workflow.SignalExternalWorkflow(ctx, id, "", activities.LeaseEndedMessage, what).Get(ctx, nil)
	}
}

// await waits until the grant is to end.
func (e *leaseEnd) await(ctx workflow.Context, in activities.LeaseInput) (state, why string) {
	workflow.SetCurrentDetails(ctx, "Granted until "+in.Expires.Format(time.RFC3339)+".")
	left := in.Expires.Sub(workflow.Now(ctx))
	if left <= 0 {
		return leaseExpired, "the lease ended"
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "Until the grant ends"},
	}, func() bool { return e.revoked })
	switch {
	case err != nil:
		return leaseRevoked, "the lease was cancelled"
	case e.revoked && e.reason != "":
		return leaseRevoked, e.reason
	case e.revoked:
		return leaseRevoked, "the lease was revoked"
	default:
		return leaseExpired, "the lease ended"
	}
}

// undoGrant takes a grant back, for as long as it takes: a credential that lacks a right today may
// have it tomorrow. Only what is no longer ours is left alone, with a Conflict.
func undoGrant(ctx workflow.Context, in activities.LeaseInput) error {
	for pause := firstUndoPause; ; pause = min(2*pause, lastUndoPause) {
		call := undoOptions(ctx, in.Queue, 0, "Undo: "+in.Undo.StepName)
		err := workflow.ExecuteActivity(call, activities.UndoActivity(in.Action), in.Undo).Get(call, nil)
		if err == nil {
			return nil
		}
		f := fault.Unseal(err)
		if errors.Is(f, fault.Conflict) {
			return f
		}
		workflow.SetCurrentDetails(ctx, "Not undone yet: "+f.Public)
		timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "Until the next attempt to undo"})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
	}
}
