// Package loop does what was promised for as long as it takes: several replicas may do so side by side.
package loop

import (
	"context"
	"time"
)

// Loop makes passes until there is nothing left, looks again from time to time for what another replica left, and at
// once when it is told to hurry.
type Loop struct {
	every  time.Duration
	pass   func(context.Context) (more bool, err error)
	failed func(err error, again any)
	kick   chan struct{}
}

// firstRetry is when a pass that failed is made again; after that it takes twice as long each time.
const firstRetry = 500 * time.Millisecond

// New makes a loop that looks at least so often, when pass has nothing more to do or fails. An error is told with the
// time until the next pass.
func New(every time.Duration, pass func(context.Context) (more bool, err error), failed func(err error, again any)) *Loop {
	return &Loop{every: every, pass: pass, failed: failed, kick: make(chan struct{}, 1)}
}

// Hurry makes the loop look at once.
func (l *Loop) Hurry() {
	select {
	case l.kick <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run returns when the context ends.
func (l *Loop) Run(ctx context.Context) {
	first := min(firstRetry, l.every)
	wait := first
	for {
		more, err := l.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.failed(err, wait)
		case more:
			continue
		default:
			wait = l.every
		}
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
			wait = first
		case <-time.After(wait):
			if err == nil {
				wait = first
			} else {
				wait = min(2*wait, l.every)
			}
		}
	}
}
