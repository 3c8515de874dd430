package run

import (
	"context"
	"math"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/gildway/gildway/internal/fault"
)

// waits notes when a call that did not succeed is made again, for people to see and to have it made now. What is not made
// again waits no more.
func (c *calling) waits(ctx context.Context, err error) {
	if ctx.Err() != nil || !activity.IsActivity(ctx) {
		return
	}
	f := asFault(ctx, err)
	pause, again := pauseAfter(activity.GetInfo(ctx), f)
	if !again {
		c.goesOn(ctx)
		return
	}
	c.note(ctx, c.runner.journal.CallWaits(ctx, c.in, int(attempt(ctx)), f.Public, time.Now().Add(pause)))
}

// goesOn notes that a call that had to wait does so no more.
func (c *calling) goesOn(ctx context.Context) {
	if attempt(ctx) > 1 {
		c.note(ctx, c.runner.journal.CallGoesOn(ctx, c.in.Run.Task, c.in.Step, c.in.Iteration))
	}
}

// note tells operators that a note was lost: that is no reason to fail a call.
func (c *calling) note(ctx context.Context, err error) {
	if err != nil {
		c.runner.log.WarnContext(ctx, "what a step waits for is not shown", "task", c.in.Run.Task, "step", c.in.Step, "cause", err)
	}
}

// again marks the keys of what is told once in each round of attempts that people have begun.
func (c *calling) again() string {
	if c.in.Again == 0 {
		return ""
	}
	return "again/" + strconv.Itoa(c.in.Again) + "/"
}

// pauseAfter is how long Temporal lets an activity rest after an attempt that failed, if there is another one.
func pauseAfter(info activity.Info, f *fault.Error) (time.Duration, bool) {
	p := info.RetryPolicy
	if f.Kind.Final() || p == nil || p.MaximumAttempts > 0 && info.Attempt >= p.MaximumAttempts {
		return 0, false
	}
	if f.RetryAfter > 0 {
		return f.RetryAfter, true
	}
	pause := float64(p.InitialInterval) * math.Pow(p.BackoffCoefficient, float64(info.Attempt-1))
	if p.MaximumInterval > 0 {
		pause = min(pause, float64(p.MaximumInterval))
	}
	return time.Duration(pause), true
}
