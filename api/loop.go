package api

import (
	"context"
	"time"
)

// loop does what was promised until there is nothing left, looks again from time to time for what another replica left,
// and at once when it is told to hurry.
type loop struct {
	pass   func(context.Context) (more bool, err error)
	failed func(err error, again any)
	kick   chan struct{}
}

func newLoop(pass func(context.Context) (bool, error), failed func(err error, again any)) loop {
	return loop{pass: pass, failed: failed, kick: make(chan struct{}, 1)}
}

// hurry makes the loop look at once.
func (l *loop) hurry() {
	select {
	case l.kick <- struct{}{}:
	default: // it is about to look anyway
	}
}

func (l *loop) run(ctx context.Context) {
	wait := firstRetry
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
			wait = reconcileEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
			wait = firstRetry
		case <-time.After(wait):
			if err == nil {
				wait = firstRetry
			} else {
				wait = min(2*wait, reconcileEvery)
			}
		}
	}
}
