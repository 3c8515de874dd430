package workflows

import (
	"cmp"
	"errors"
	"time"

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
	firstUndoPause = time.Hour // between an undo that was refused for good and the next one; doubles
	lastUndoPause  = 24 * time.Hour
)

// grant is a lease from inside: what was granted, until when, and who wants it to end.
type grant struct {
	in       activities.LeaseInput
	revoked  bool
	reason   string
	tell     []string // ids of the workflows that wait for the grant to be gone
	renewing bool
	renewals int  // in this execution
	over     bool // it is being taken back
}

// Lease waits for the end of a grant and then undoes it. The signal `revoke`, or cancelling the
// workflow, ends it early; the update `renew` puts the end off. It returns an error only if the grant is no longer ours
// to take back; it then stays open in the read model. Days are 24 hours, whatever the clocks of people do.
func Lease(ctx workflow.Context, in activities.LeaseInput) error {
	g := &grant{in: in}
	if err := g.listen(ctx); err != nil {
		return err
	}
	call := in.Undo.Invocation
	opened := activities.LeaseRecord{
		ID: in.ID, Task: call.Run.Task, Step: call.Step, Action: in.Action, Requester: call.Run.Requester.Ref,
		Template: call.Run.Template.Ref, Expires: in.Expires, Output: in.Undo.Output,
	}
	if in.Granted != nil {
		opened.Lease = &in.Lease
	}
	open := bookkeeping(detached(ctx), "Write the lease down")
	err := workflow.ExecuteLocalActivity(open, activities.OpenLeaseActivity, opened).Get(open, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("a lease was refused by the read model", "lease", in.ID, "error", err)
	}

	state, why, err := g.await(ctx)
	if err != nil {
		return err // it goes on in a fresh execution
	}
	ctx = detached(ctx)
	workflow.SetCurrentDetails(ctx, "Being undone because "+why+".")
	g.in.Undo.Why = why
	if err := undoGrant(ctx, g.in); err != nil {
		f := fault.Unseal(err)
		g.report(ctx, activities.LeaseReport{ID: in.ID, Problem: f.Public})
		if in.Granted != nil && len(g.tell) == 0 { // whoever asked for the end tells it
			tellLeftover(ctx, call, f.Public)
		}
		return failed(f)
	}
	workflow.SetCurrentDetails(ctx, "Undone because "+why+".")
	ctx = bookkeeping(ctx, "Write the end of the lease down")
	err = workflow.ExecuteLocalActivity(ctx, activities.CloseLeaseActivity, activities.LeaseEnded{
		ID: in.ID, State: state, At: workflow.Now(ctx),
	}).Get(ctx, nil)
	g.report(ctx, activities.LeaseReport{ID: in.ID})
	return sealed(err)
}

// listen takes the messages that a lease understands. It comes before anything that waits.
func (g *grant) listen(ctx workflow.Context) error {
	revokes := workflow.GetSignalChannelWithOptions(ctx, activities.RevokeMessage,
		workflow.SignalChannelOptions{Description: "Ends the grant now; the argument is the reason"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		var reason string
		revokes.Receive(ctx, &reason)
		g.revoke(reason)
	})
	askers := workflow.GetSignalChannelWithOptions(ctx, activities.RevokeAndTellMessage,
		workflow.SignalChannelOptions{Description: "Ends the grant now and tells a workflow when it is gone"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var asked activities.RevokeAndTell
			askers.Receive(ctx, &asked)
			g.tell = append(g.tell, asked.Tell)
			g.revoke(asked.Why)
		}
	})
	return workflow.SetUpdateHandlerWithOptions(ctx, activities.RenewMessage,
		func(ctx workflow.Context, in activities.RenewLease) (activities.RenewedLease, error) {
			renewed, err := g.renew(ctx, in)
			return renewed, sealed(err)
		},
		workflow.UpdateHandlerOptions{
			Description: "A signed wish to keep the grant for longer; answers until when",
			Validator:   func(ctx workflow.Context, _ activities.RenewLease) error { return sealed(g.renewable(ctx)) },
		})
}

func (g *grant) revoke(reason string) {
	if !g.revoked {
		g.revoked, g.reason = true, reason
	}
}

// report tells those who asked how the lease ended. One that waits no more is not told.
func (g *grant) report(ctx workflow.Context, what activities.LeaseReport) {
	for _, id := range g.tell {
		_ = workflow.SignalExternalWorkflow(ctx, id, "", activities.LeaseEndedMessage, what).Get(ctx, nil)
	}
}

// await waits until the grant is to end, and reminds people of that before. An error is the workflow's own way to
// go on in a fresh execution, when renewals have made its history long.
func (g *grant) await(ctx workflow.Context) (state, why string, err error) {
	for {
		workflow.SetCurrentDetails(ctx, "Granted until "+g.in.Expires.Format(time.RFC3339)+".")
		until, summary := g.in.Expires, "Until the grant ends"
		reminds := g.reminds()
		if reminds {
			until, summary = g.remindAt(), "Until people are reminded that the grant ends"
		}
		expires, ended := g.in.Expires, false
		if left := until.Sub(workflow.Now(ctx)); left > 0 {
			ok, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout: left, TimerOptions: workflow.TimerOptions{Summary: summary},
			}, func() bool { return g.revoked || !g.in.Expires.Equal(expires) })
			if err != nil {
				return leaseRevoked, "the lease was cancelled", nil
			}
			ended = !ok
		} else {
			ended = true
		}
		switch {
		case g.revoked:
			g.settle(ctx)
			return leaseRevoked, cmp.Or(g.reason, "the lease was revoked"), nil
		case !ended: // it was renewed
		case reminds:
			g.remind(ctx)
			continue
		default:
			if g.settle(ctx); g.over {
				return leaseExpired, "the lease ended", nil
			}
		}
		if g.renewals > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested() && !g.renewing && workflow.AllHandlersFinished(ctx) {
			return "", "", workflow.NewContinueAsNewError(ctx, activities.LeaseWorkflow, g.in)
		}
	}
}

// settle waits for a renewal that is under way, which may still put the end off, and lets none in that comes later.
func (g *grant) settle(ctx workflow.Context) {
	expires := g.in.Expires
	if g.renewing {
		_ = workflow.Await(detached(ctx), func() bool { return !g.renewing })
	}
	g.over = g.revoked || g.in.Expires.Equal(expires)
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
