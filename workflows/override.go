package workflows

import (
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// underway is a call of an action, at work or waiting to be tried again, that people can still stop.
type underway struct {
	step, iteration string
	stop            workflow.CancelFunc
	asked           *activities.CancelStep // what they want instead
}

// skippedBy is how a call ends whose step people skip.
type skippedBy struct{ why string }

func (s skippedBy) Error() string { return s.why }

// perform makes a call, and again each time people want it tried now. Its key stays the same, so that nothing is made twice.
func (c *caller) perform(ctx workflow.Context, s *plan.Step, in activities.Invocation) (out activities.Outcome, err error) {
	for {
		call, stop := workflow.WithCancel(ctx)
		u := &underway{step: s.ID, iteration: in.Iteration, stop: stop}
		c.calls = append(c.calls, u)
		if s.Local {
			call = localOptions(call, *s, summary(s, in.Iteration))
			err = workflow.ExecuteLocalActivity(call, s.Action, in).Get(call, &out)
		} else {
			call = stepOptions(call, *s, summary(s, in.Iteration))
			err = workflow.ExecuteActivity(call, s.Action, in).Get(call, &out)
		}
		c.calls = slices.DeleteFunc(c.calls, func(other *underway) bool { return other == u })
		stop()
		switch {
		case err == nil || u.asked == nil || !temporal.IsCanceledError(err) || ctx.Err() != nil:
			return out, err // what it came to by itself counts
		case u.asked.Then == activities.SkipStep:
			return out, skippedBy{"it was skipped by " + because(*u.asked)}
		case u.asked.Then == activities.AbortStep:
			return out, fault.New(fault.Conflict, "aborted by %s", because(*u.asked))
		}
		in.Again++
	}
}

// overrides are what people are told.
var overrides = map[activities.StepThen]string{
	activities.RetryStep: "Tried again at once, asked for", activities.SkipStep: "To be skipped, asked for", activities.AbortStep: "To be aborted, asked for",
}

func because(in activities.CancelStep) string {
	if in.Why == "" {
		return in.By
	}
	return in.By + ": " + in.Why
}

// instead stops the calls of a step that are under way, for what people want instead, and tells how many there are.
func (c *caller) instead(in activities.CancelStep) (stopped int) {
	for _, u := range slices.Clone(c.calls) {
		if u.step != in.Step || in.Iteration != "" && u.iteration != in.Iteration {
			continue
		}
		stopped++
		u.asked = &in
		u.stop()
	}
	return stopped
}

// listenForSteps takes what people want of a step instead of what it does.
func (r *run) listenForSteps(ctx workflow.Context) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, activities.CancelStepMessage,
		func(ctx workflow.Context, in activities.CancelStep) error { return sealed(r.cancelStep(ctx, in)) },
		workflow.UpdateHandlerOptions{
			Description: "Tries a step now that waits for its provider, skips or aborts it",
			Validator:   func(in activities.CancelStep) error { return sealed(r.cancellable(in)) },
		})
}

// cancellable tells what stands against it.
func (r *run) cancellable(in activities.CancelStep) error {
	at := slices.IndexFunc(r.steps, func(s *step) bool { return s.ID == in.Step })
	if at < 0 {
		return fault.New(fault.NotFound, "the run has no step %q", in.Step)
	}
	s := r.steps[at]
	switch {
	case in.Then != activities.RetryStep && in.Then != activities.SkipStep && in.Then != activities.AbortStep:
		return fault.New(fault.Invalid, "a step can be retried, skipped or aborted, not %q", in.Then)
	case s.Kind == plan.GateStep:
		return fault.New(fault.Denied, "%s is an approval: it is decided, or the run is cancelled", in.Step)
	case in.Then == activities.SkipStep && !s.Skippable:
		return fault.New(fault.Denied, "the template doesn't let people skip %s (skippable: true)", in.Step)
	case in.Then == activities.SkipStep && in.Iteration != "":
		return fault.New(fault.Invalid, "an item of a loop can't be skipped by itself; skip the whole step, or abort the item")
	case s.state != Running || s.parts == nil && !slices.ContainsFunc(r.calls, func(u *underway) bool {
		return u.step == in.Step && (in.Iteration == "" || u.iteration == in.Iteration)
	}):
		return fault.New(fault.Conflict, "nothing of %s is under way", in.Step)
	}
	return nil
}

func (r *run) cancelStep(ctx workflow.Context, in activities.CancelStep) error {
	if err := r.cancellable(in); err != nil {
		return err
	}
	at := slices.IndexFunc(r.steps, func(s *step) bool { return s.ID == in.Step })
	s := r.steps[at]
	r.overridden++
	r.record(ctx, activities.Record{
		Kind: activities.StepOverridden, Step: s.ID, Name: s.Name, Iteration: in.Iteration, Message: overrides[in.Then] + " by " + because(in), Number: r.overridden,
	})
	if s.parts != nil {
		s.parts.instead(ctx, in)
		return nil
	}
	r.instead(in)
	return nil
}

// instead passes on to the parts that are under way what people want of their step.
func (p *parts) instead(ctx workflow.Context, in activities.CancelStep) {
	if in.Then == activities.SkipStep {
		p.fail(ctx, skippedBy{"it was skipped by " + because(in)})
		in.Then = activities.AbortStep
	}
	for _, i := range workflow.DeterministicKeys(p.running) {
		// One that has ended meanwhile needs no telling.
		p.running[i].SignalChildWorkflow(detached(ctx), activities.CancelStepMessage, in)
	}
}

// listenForStep takes in a part of a loop what its run passes on.
func (c *caller) listenForStep(ctx workflow.Context) {
	messages := workflow.GetSignalChannelWithOptions(ctx, activities.CancelStepMessage,
		workflow.SignalChannelOptions{Description: "Tries items now that wait for their provider, or aborts them"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var in activities.CancelStep
			messages.Receive(ctx, &in)
			c.instead(in)
		}
	})
}

// skippedByPeople tells whether a step ended because people skip it, and who.
func skippedByPeople(err error) (why string, skipped bool) {
	var by skippedBy
	if !errors.As(err, &by) {
		return "", false
	}
	return by.why, true
}
