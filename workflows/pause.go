package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// listenForPause takes the messages that hold a run and let it go on. What is under way finishes, a long loop included;
// approvals can be given meanwhile.
func (r *run) listenForPause(ctx workflow.Context, stop workflow.CancelFunc) {
	for _, m := range []struct {
		name, says string
		do         func(ctx workflow.Context, why string)
	}{
		{activities.PauseMessage, "Begins no more steps; the argument says who wants it and why", func(ctx workflow.Context, why string) { r.pause(ctx, true, why) }},
		{activities.ResumeMessage, "Goes on after a pause; the argument says who wants it", func(ctx workflow.Context, why string) { r.pause(ctx, false, why) }},
		{activities.CancelAndUndoMessage, "Stops the run and undoes what it has done; the argument is the reason", func(ctx workflow.Context, why string) {
			if !r.ending {
				r.in.Plan.OnFailure = plan.Undo
			}
			r.cancel(ctx, why, stop)
		}},
	} {
		messages := workflow.GetSignalChannelWithOptions(ctx, m.name, workflow.SignalChannelOptions{Description: m.says})
		workflow.Go(ctx, func(ctx workflow.Context) {
			for {
				var why string
				messages.Receive(ctx, &why)
				m.do(ctx, why)
			}
		})
	}
}

// pause holds the run or lets it go on, unless it does so already or it is too late.
func (r *run) pause(ctx workflow.Context, paused bool, why string) {
	if r.paused == paused || r.ending || r.cancelled {
		return
	}
	r.paused = paused
	r.pauses++
	what := activities.Record{Kind: activities.RunResumed, Message: "Resumed", Number: r.pauses}
	if paused {
		what.Kind, what.Message = activities.RunPaused, "Paused: no more steps begin"
	}
	if why != "" {
		what.Message += ", " + why
	}
	// What begins then is told after that the run goes on.
	r.resuming = !paused && workflow.GetVersion(ctx, "resumed-is-told-first", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	r.messages++
	r.record(ctx, what)
	r.messages--
	r.resuming = false
	r.showGates(ctx)
}
