package debug

import (
	"context"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// MaxWait is how long debug:wait waits at most: it holds a place in the worker all the time.
const MaxWait = 10 * time.Minute

// WaitInput is the input of debug:wait. The parts add up; what is below zero together is no time at all.
type WaitInput struct {
	Minutes      float64 `json:"minutes,omitempty" jsonschema_description:"Minutes to wait."`
	Seconds      float64 `json:"seconds,omitempty" jsonschema_description:"Seconds to wait."`
	Milliseconds float64 `json:"milliseconds,omitempty" jsonschema_description:"Milliseconds to wait."`
}

func (in WaitInput) duration() (time.Duration, error) {
	milliseconds := in.Minutes*60_000 + in.Seconds*1000 + in.Milliseconds
	if milliseconds > float64(MaxWait.Milliseconds()) {
		long := fault.New(fault.Invalid, "Waiting duration is longer than the maximum threshold of 0 hours, 10 minutes, 0 seconds")
		long.Name = "Error"
		return 0, long
	}
	return time.Duration(max(milliseconds, 0) * float64(time.Millisecond)), nil
}

// Wait is debug:wait.
func Wait() activities.Action {
	return activities.Define(activities.Spec[WaitInput, Nothing]{
		ID:          "debug:wait",
		Description: "Waits, for ten minutes at most. The default is no time at all.",
		Examples: []plan.Example{{
			Description: "Wait for three seconds",
			YAML: `steps:
  - id: wait
    name: Wait a moment
    action: debug:wait
    input:
      seconds: 3
`,
		}},
		WhyNoUndo: "changes nothing",
		Do:        wait,
		Valid: func(in WaitInput) error {
			_, err := in.duration()
			return err
		},
	})
}

// wait ends early, and well, when the run is cancelled. A worker that stops is another matter: the next one
// waits again.
func wait(ctx context.Context, _ *activities.Call, in WaitInput) (Nothing, error) {
	duration, err := in.duration()
	if err != nil {
		return Nothing{}, err
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Nothing{}, nil
	case <-ctx.Done():
	}
	if temporal.IsCanceledError(context.Cause(ctx)) {
		return Nothing{}, nil
	}
	return Nothing{}, fault.Wrap(fault.Unavailable, ctx.Err(), "the wait was interrupted")
}
