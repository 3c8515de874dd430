package workflows

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// reminds reports whether people are still to be reminded of this end.
func (g *grant) reminds() bool {
	return g.in.Granted != nil && g.in.Lease.RemindBefore > 0 && (g.in.Reminded == nil || !g.in.Reminded.Equal(g.in.Expires))
}

func (g *grant) remindAt() time.Time { return g.in.Expires.Add(-g.in.Lease.RemindBefore.Std()) }

func (g *grant) remind(ctx workflow.Context) {
	expires := g.in.Expires
	g.in.Reminded = &expires
	call := g.in.Undo.Invocation
	local := bookkeeping(ctx, "Remind people that the grant ends")
	err := workflow.ExecuteLocalActivity(local, activities.RemindLeaseActivity, activities.LeaseReminder{
		ID: g.in.ID, Task: call.Run.Task, StepName: call.StepName, Template: call.Run.Template, Requester: call.Run.Requester.Ref,
		Expires: expires, Lease: g.in.Lease, Last: g.renewable(ctx) != nil,
	}).Get(local, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("a reminder was refused", "lease", g.in.ID, "error", err)
	}
}

// renewable says why the lease can't be renewed now.
func (g *grant) renewable(ctx workflow.Context) error {
	switch {
	case g.over || g.revoked:
		return fault.New(fault.Conflict, "this access has ended")
	case !g.in.Lease.Renewable || g.in.Granted == nil:
		return fault.New(fault.Conflict, "this access can't be renewed; ask for it anew")
	case !g.next(ctx).After(g.in.Expires):
		return fault.New(fault.Conflict, "this access can't last longer than until %s, %s after it was granted; ask for it anew",
			g.in.Expires.Format(time.RFC3339), g.in.Lease.MaxTTL)
	default:
		return nil
	}
}

// next is the end that a renewal now leads to: a whole ttl from now, but no later than maxTtl allows.
func (g *grant) next(ctx workflow.Context) time.Time {
	next := workflow.Now(ctx).Add(g.in.Lease.TTL.Std()).UTC()
	if longest := g.in.Lease.MaxTTL.Std(); longest > 0 {
		if last := g.in.Granted.Add(longest); last.Before(next) {
			return last
		}
	}
	return next
}

// renew puts the end off, if whoever asks may. The grant itself is prolonged before anybody is told, so that access
// never ends before its lease.
func (g *grant) renew(ctx workflow.Context, in activities.RenewLease) (activities.RenewedLease, error) {
	if err := workflow.Await(ctx, func() bool { return !g.renewing }); err != nil {
		return activities.RenewedLease{}, err
	}
	if err := g.renewable(ctx); err != nil { // the one before changed that
		return activities.RenewedLease{}, err
	}
	g.renewing = true
	defer func() { g.renewing = false }()
	call := g.in.Undo.Invocation
	var by string
	check := decisionOptions(ctx)
	err := workflow.ExecuteActivity(check, activities.VerifyRenewalActivity, activities.RenewalClaim{
		ID: g.in.ID, Task: call.Run.Task, Requester: call.Run.Requester.Ref, Owner: call.Run.Template.Owner,
		Lease: g.in.Lease, Expires: g.in.Expires, Statement: in.Statement,
	}).Get(check, &by)
	if err != nil {
		return activities.RenewedLease{}, err
	}
	next := g.next(ctx)
	told := activities.LeaseRenewed{ID: g.in.ID, Task: call.Run.Task, Step: call.Step, By: by, Before: g.in.Expires, Expires: next}
	if g.in.Renews {
		if told.Output, err = g.prolong(ctx, next); err != nil {
			return activities.RenewedLease{}, err
		}
		g.in.Undo.Output = told.Output
	}
	local := bookkeeping(detached(ctx), "Write the renewal down")
	if err := workflow.ExecuteLocalActivity(local, activities.RenewedActivity, told).Get(local, nil); err != nil {
		workflow.GetLogger(ctx).Error("a renewal was refused by the read model", "lease", g.in.ID, "error", err)
	}
	g.in.Expires = next
	g.in.Undo.LeaseEnds = &next
	g.renewals++
	return activities.RenewedLease{Expires: next}, nil
}

// prolong has the action put off the end of what it granted.
func (g *grant) prolong(ctx workflow.Context, until time.Time) (output json.RawMessage, err error) {
	call := g.in.Undo
	call.LeaseEnds, call.Why = &until, "the lease was renewed"
	ctx = decisionOptions(ctx)
	options := workflow.GetActivityOptions(ctx)
	options.TaskQueue, options.Summary = g.in.Queue, truncated("Renew: "+call.StepName, summaryLimit)
	ctx = workflow.WithActivityOptions(ctx, options)
	err = workflow.ExecuteActivity(ctx, activities.RenewActivity(g.in.Action), call).Get(ctx, &output)
	return output, err
}
