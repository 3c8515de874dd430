package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

var emptyObject = json.RawMessage("{}")

// caller calls actions and remembers what can be undone. A run is one, and every part of a long loop.
type caller struct {
	info    activities.RunInfo // what activities are told; without the values
	effects []*effect          // in order of completion
	version int                // of the plan
	undoes  bool               // a failure undoes everything
	leases  endedLeases        // of an earlier attempt; nil in the first
	calls   []*underway        // in the order in which they were begun
}

// places bound how much runs at once.
type places struct{ taken, limit int }

func (p *places) free() bool { return p.taken < p.limit }

// without gives a place to others while its holder waits for something.
func (p *places) without(wait func()) {
	p.taken--
	wait()
	p.taken++
}

// oneByOne makes the calls in order; each sees the workspace that the one before it left. A call that was
// not done has no output.
func (c *caller) oneByOne(ctx workflow.Context, s *plan.Step, calls []activities.Invocation) ([]activities.Outcome, error) {
	outcomes := make([]activities.Outcome, len(calls))
	var layers []string
	for i, in := range calls {
		in.Layers = append(in.Layers[:len(in.Layers):len(in.Layers)], layers...)
		var err error
		if outcomes[i], err = c.call(ctx, s, in); err != nil {
			return outcomes, err
		}
		if layer := outcomes[i].Layer; layer != "" && s.Workspace != plan.NoAccess {
			layers = append(layers, layer)
		}
	}
	return outcomes, nil
}

// sideBySide makes the calls as places become free. After the first that fails, or once *stop is true, none
// is begun; those under way finish. A call that was not done has no output.
func (c *caller) sideBySide(ctx workflow.Context, s *plan.Step, calls []activities.Invocation, p *places, stop *bool) ([]activities.Outcome, error) {
	outcomes := make([]activities.Outcome, len(calls))
	var first error
	running := 0
	for i, in := range calls {
		if err := workflow.Await(ctx, func() bool { return first != nil || *stop || p.free() }); err != nil && first == nil {
			first = err
		}
		if first != nil || *stop {
			break
		}
		running++
		p.taken++
		workflow.Go(ctx, func(ctx workflow.Context) {
			var err error
			if outcomes[i], err = c.call(ctx, s, in); err != nil && first == nil {
				first = err
			}
			running--
			p.taken--
		})
	}
	_ = workflow.Await(detached(ctx), func() bool { return running == 0 })
	return outcomes, first
}

// call runs an action once and remembers how to undo it. With an outcome and an error both, the action was
// done, and its lease could not be opened.
func (c *caller) call(ctx workflow.Context, s *plan.Step, in activities.Invocation) (out activities.Outcome, err error) {
	if s.Lease != nil && c.leases != nil {
		// What an earlier attempt granted ends: this one grants it anew, with a lease of its own.
		if err := c.leases.revoke(ctx, activities.LeaseID(in), "the run was retried"); err != nil {
			return activities.Outcome{}, err
		}
	}
	if s.Lease != nil {
		// Before the call, so that whatever the action grants with an end of its own ends then too.
		ends := workflow.Now(ctx).Add(s.Lease.TTL.Std()).UTC()
		in.LeaseEnds = &ends
	}
	if out, err = c.perform(ctx, s, in); err == nil && s.Kind == plan.ChildStep {
		out, err = c.runChild(ctx, s, in, out.Output)
	}
	if err != nil {
		c.mayHaveDone(s, in)
		c.endGrant(ctx, s, in, err)
		return activities.Outcome{}, err
	}
	if s.Lease != nil && !s.Renews { // the provider, or people, may have taken their time
		ends := workflow.Now(ctx).Add(s.Lease.TTL.Std()).UTC()
		in.LeaseEnds = &ends
	}
	if len(out.Output) == 0 || string(out.Output) == "null" {
		out.Output = emptyObject
	}
	if !s.Undoable {
		return out, nil
	}
	done := &effect{step: s, call: in}
	done.undo = func(ctx workflow.Context, why string) error {
		return callUndo(ctx, s, activities.UndoInvocation{Invocation: in, Output: out.Output, Why: why})
	}
	c.effects = append(c.effects, done)
	if s.Lease != nil {
		lease, err := c.startLease(ctx, s, in, out.Output)
		if err != nil {
			return out, err
		}
		done.undo, done.leased = lease.revoke, true
	}
	return out, nil
}

// mayHaveDone remembers a call that failed. It may still have had its effect: an answer was lost, or the action failed
// halfway. Undo looks up what is there, by our mark.
func (c *caller) mayHaveDone(s *plan.Step, in activities.Invocation) {
	if !s.Undoable || c.version < failuresAreUndone {
		return
	}
	in.LeaseEnds = nil
	c.effects = append(c.effects, &effect{step: s, call: in, failed: true, undo: func(ctx workflow.Context, why string) error {
		return callUndo(ctx, s, activities.UndoInvocation{Invocation: in, Why: why})
	}})
}

// endGrant ends what a leased call that failed may have granted all the same, where nothing else would: the run goes on
// without it, or keeps what it has done. Its lease does so for as long as it takes, and nobody waits for that.
func (c *caller) endGrant(ctx workflow.Context, s *plan.Step, in activities.Invocation, err error) {
	_, skipped := skippedByPeople(err)
	if s.Lease == nil || !s.Undoable || c.undoes && s.OnError != plan.Continue && !skipped {
		return
	}
	if workflow.GetVersion(ctx, "failed-grants-end", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	ctx = detached(ctx)
	l, err := c.startLease(ctx, s, in, nil)
	if err == nil {
		err = l.SignalChildWorkflow(ctx, activities.RevokeMessage, "its step did not succeed").Get(ctx, nil)
	}
	if err != nil {
		workflow.GetLogger(ctx).Error("what a failed step may have granted has a lease that nobody ends early", "step", s.ID, "error", err)
	}
}

// failuresAreUndone is the first version of plans whose failed steps are undone too.
const failuresAreUndone = 2

func summary(s *plan.Step, key string) string {
	if key == "" {
		return s.Name
	}
	return s.Name + " [" + key + "]"
}
