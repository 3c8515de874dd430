package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// listen takes the messages that a run understands. It comes before anything that waits, so that no
// message finds nobody home.
func (r *run) listen(ctx workflow.Context, stop workflow.CancelFunc) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, activities.StateQuery, func() (State, error) { return r.state(), nil },
		workflow.QueryHandlerOptions{Description: "How far every step has come"})
	if err != nil {
		return err
	}
	err = workflow.SetQueryHandlerWithOptions(ctx, activities.ResultsQuery, func() ([]plan.Kept, error) { return r.results(), nil },
		workflow.QueryHandlerOptions{Description: "What another attempt could take over"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, activities.DecideMessage,
		func(ctx workflow.Context, in activities.DecideMessageInput) (activities.Decided, error) {
			decided, err := r.decide(ctx, in)
			return decided, sealed(err)
		},
		workflow.UpdateHandlerOptions{
			Description: "An approver's signed decision; answers what the approval has come to",
			// What the validator refuses leaves no trace in history.
			Validator: func(in activities.DecideMessageInput) error { return sealed(r.waitsForDecision(in)) },
		})
	if err != nil {
		return err
	}
	if err := r.listenForSteps(ctx); err != nil {
		return err
	}
	decisions := workflow.GetSignalChannelWithOptions(ctx, activities.DecideMessage,
		workflow.SignalChannelOptions{Description: "An approver's signed decision"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var in activities.DecideMessageInput
			decisions.Receive(ctx, &in)
			r.messages++
			r.coming[in.Gate]++
			workflow.Go(ctx, func(ctx workflow.Context) {
				r.decideLater(ctx, in)
				r.messages--
			})
		}
	})
	cancels := workflow.GetSignalChannelWithOptions(ctx, activities.CancelMessage,
		workflow.SignalChannelOptions{Description: "Stops the run; the argument is the reason"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var reason string
			cancels.Receive(ctx, &reason)
			r.cancel(ctx, reason, stop)
		}
	})
	r.listenForPause(ctx, stop)
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		r.cancel(ctx, "", stop)
	})
	return nil
}

// decideLater counts a decision that nobody waits for. Its approver was told that it is taken, so an outage
// only delays it, until the gate is decided otherwise.
func (r *run) decideLater(ctx workflow.Context, in activities.DecideMessageInput) {
	for tries := 1; ; tries++ {
		_, err := r.decide(ctx, in)
		if tries == 1 {
			r.coming[in.Gate]--
		}
		if err == nil {
			return
		}
		f := fault.Unseal(err)
		if f.Kind.Final() {
			workflow.GetLogger(ctx).Warn("a decision was refused", "gate", in.Gate, "kind", f.Kind, "why", f.Public)
			r.refuseLate(ctx, in)
			return
		}
		_, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: decisionPause, TimerOptions: workflow.TimerOptions{Summary: "Until a decision is checked again"},
		}, func() bool { return r.waitsForDecision(in) != nil }) // then it comes too late, and is told so
		if err != nil {
			return // cancelled
		}
	}
}

// mostLate bounds how many decisions that came too late are written down.
const mostLate = 20

// refuseLate has a decision about a gate that is decided stand in the audit log.
func (r *run) refuseLate(ctx workflow.Context, in activities.DecideMessageInput) {
	g := r.gates[in.Gate]
	if g == nil || r.waitsForDecision(in) == nil || r.late >= mostLate ||
		workflow.GetVersion(ctx, "late-decisions-are-audited", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	r.late++
	ctx = decisionOptions(detached(ctx))
	late := r.decideInput(g, in)
	late.Late = true
	err := workflow.ExecuteActivity(ctx, activities.DecideActivity, late).Get(ctx, nil)
	if f := fault.Unseal(err); err == nil || !f.Kind.Final() {
		workflow.GetLogger(ctx).Error("a decision that came too late is not in the audit log", "gate", in.Gate, "error", err)
	}
}

// cancel stops a run: what is under way is told to stop, nothing new begins. It has no effect once
// all steps have ended.
func (r *run) cancel(ctx workflow.Context, reason string, stop workflow.CancelFunc) {
	if r.cancelled || r.ending {
		return
	}
	r.cancelled = true
	text := "the run was cancelled"
	if reason != "" {
		text += ": " + reason
	}
	if r.failure == nil {
		r.failure = r.cancelFault(text)
	}
	stop()
	r.messages++
	r.record(ctx, activities.Record{Kind: activities.RunCancelled, Message: text})
	r.messages--
}

// cancelFault is what a cancelled run fails with. Backstage's clients read the words of Backstage, which name the
// step that was under way, or else was next.
func (r *run) cancelFault(text string) *fault.Error {
	if r.in.Plan.Template.APIVersion != backstageVersion {
		return fault.New(fault.Conflict, "%s", text)
	}
	for _, s := range r.steps {
		if s.state == Running || s.state == Awaiting {
			return r.cancelledStep(s)
		}
	}
	for _, s := range r.steps {
		if s.state == Waiting {
			return &fault.Error{Kind: fault.Conflict, Name: "Error", Public: "Step " + s.Name + " has been cancelled."}
		}
	}
	return fault.New(fault.Conflict, "%s", text)
}

// faultOf is why a step failed, and whether it is because the run was cancelled.
func (r *run) faultOf(s *step, err error) (f *fault.Error, cancelled bool) {
	f = fault.Unseal(err)
	if !r.cancelled || !temporal.IsCanceledError(err) {
		return f, false
	}
	if r.in.Plan.Template.APIVersion == backstageVersion {
		f = r.cancelledStep(s)
	}
	return f, true
}

// inSpiteOfCancel is why a step that is done fails all the same: in Backstage it does when the run was cancelled meanwhile.
func (r *run) inSpiteOfCancel(ctx workflow.Context) error {
	if !r.cancelled || r.in.Plan.Template.APIVersion != backstageVersion ||
		workflow.GetVersion(ctx, "cancelled-steps-fail", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	return temporal.NewCanceledError()
}

func (r *run) cancelledStep(s *step) *fault.Error {
	return &fault.Error{
		Kind: fault.Conflict, Name: "Error",
		Public: "Step " + s.ID + " (" + s.Name + ") of task " + r.in.Task + " has been cancelled.",
	}
}

// backstageVersion is the version of templates that run in Backstage too.
const backstageVersion = "scaffolder.backstage.io/v1beta3"

// sealed makes an error what a caller may see of it.
func sealed(err error) error {
	if err == nil {
		return nil
	}
	return fault.Seal(fault.Unseal(err))
}
