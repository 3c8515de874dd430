package workflows

import (
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
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

// startLease hands an effect over to a workflow of its own, which outlives the run.
func (r *run) startLease(ctx workflow.Context, e *effect) error {
	ctx = detached(ctx) // the effect is there: it must have an end even if the run is being cancelled
	s, expires := e.step, *e.call.LeaseEnds
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            leaseID(e.call),
		TaskQueue:             activities.MainQueue,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: leaseAttributes(ctx),
		StaticSummary: truncated(summary(s, e.call.Iteration)+" for "+r.in.Requester.Ref+
			" until "+expires.Format("2006-01-02 15:04 UTC"), summaryLimit),
	})
	lease := workflow.ExecuteChildWorkflow(ctx, activities.LeaseWorkflow, activities.LeaseInput{
		ID: leaseID(e.call), Lease: *s.Lease, Expires: expires, Queue: queueOf(s.Step), Action: s.Action,
		Undo: activities.UndoInvocation{Invocation: e.call, Output: e.output},
	})
	if err := lease.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return fault.Wrap(fault.Internal, err, "the lease of step %s could not be started", s.Name)
	}
	e.lease = lease
	return nil
}

// revokeLease ends a lease that the run opened and waits a while for the effect to be gone. The
// lease goes on trying when nobody waits any more.
func (r *run) revokeLease(ctx workflow.Context, e *effect, why string) error {
	// A signal that doesn't arrive means that the lease has ended already; its result says how.
	_ = e.lease.SignalChildWorkflow(ctx, activities.RevokeMessage, why).Get(ctx, nil)
	ended, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      revokeLimit,
		TimerOptions: workflow.TimerOptions{Summary: "Waits for the lease to end"},
	}, e.lease.IsReady)
	if err != nil {
		return err
	}
	if !ended {
		return fault.New(fault.Unavailable, "its lease has not ended yet and goes on trying")
	}
	return e.lease.Get(ctx, nil)
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

	state, why := leaseEnd(ctx, in)
	ctx = detached(ctx)
	workflow.SetCurrentDetails(ctx, "Being undone because "+why+".")
	in.Undo.Why = why
	if err := undoGrant(ctx, in); err != nil {
		return failed(fault.Unseal(err))
	}
	workflow.SetCurrentDetails(ctx, "Undone because "+why+".")
	ctx = bookkeeping(ctx, "Write the end of the lease down")
	err = workflow.ExecuteLocalActivity(ctx, activities.CloseLeaseActivity, activities.LeaseEnded{
		ID: in.ID, State: state, At: workflow.Now(ctx),
	}).Get(ctx, nil)
	return sealed(err)
}

// leaseEnd waits until the grant is to end.
func leaseEnd(ctx workflow.Context, in activities.LeaseInput) (state, why string) {
	workflow.SetCurrentDetails(ctx, "Granted until "+in.Expires.Format(time.RFC3339)+".")
	revokes := workflow.GetSignalChannelWithOptions(ctx, activities.RevokeMessage,
		workflow.SignalChannelOptions{Description: "Ends the grant now; the argument is the reason"})
	var reason string
	revoked := false
	workflow.Go(ctx, func(ctx workflow.Context) {
		revokes.Receive(ctx, &reason)
		revoked = true
	})
	ended := func() bool { return revoked }
	left := in.Expires.Sub(workflow.Now(ctx))
	if left <= 0 {
		return leaseExpired, "the lease ended"
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "Until the grant ends"},
	}, ended)
	switch {
	case err != nil:
		return leaseRevoked, "the lease was cancelled"
	case revoked && reason != "":
		return leaseRevoked, reason
	case revoked:
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

// leaseAttributes are the search attributes that a lease takes over from its run.
func leaseAttributes(ctx workflow.Context) temporal.SearchAttributes {
	mine := workflow.GetTypedSearchAttributes(ctx)
	var updates []temporal.SearchAttributeUpdate
	for _, key := range []temporal.SearchAttributeKeyKeyword{templateKey, requesterKey, ownerKey} {
		if v, ok := mine.GetKeyword(key); ok {
			updates = append(updates, key.ValueSet(v))
		}
	}
	return temporal.NewSearchAttributes(updates...)
}
