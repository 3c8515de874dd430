package store

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const channel = "gildway_events"

// Listener wakes whoever waits for a task's events, over one connection however many they are.
type Listener struct {
	store *Store
	log   *slog.Logger

	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool
}

// NewListener makes a listener. It hears nothing until Run.
func (s *Store) NewListener(log *slog.Logger) *Listener {
	return &Listener{store: s, log: log, waiting: map[string]map[chan struct{}]bool{}}
}

// Subscribe gives a channel that is ready after the task got new events. Several events may be one
// wake-up, and a wake-up may be for nothing: read what is new, then wait. It must be stopped.
func (l *Listener) Subscribe(task string) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[task] == nil {
		l.waiting[task] = map[chan struct{}]bool{}
	}
	l.waiting[task][c] = true
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting[task], c)
		if len(l.waiting[task]) == 0 {
			delete(l.waiting, task)
		}
	}
}

// Run listens until the context ends, and connects again by itself whenever the connection is lost.
func (l *Listener) Run(ctx context.Context) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		connected, err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			wait = 0
		}
		wait = min(max(2*wait, 100*time.Millisecond), 5*time.Second)
		l.log.Warn("the event connection is lost; connecting again", "error", err, "in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (l *Listener) listen(ctx context.Context) (connected bool, err error) {
	config := l.store.pool.Config().ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, config) // not of the pool: it is never given back
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `listen `+channel); err != nil {
		return false, err
	}
	l.wakeAll() // whatever happened while nobody listened
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		l.wake(n.Payload)
	}
}

func (l *Listener) wake(task string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.waiting[task] {
		poke(c)
	}
}

func (l *Listener) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cs := range l.waiting {
		for c := range cs {
			poke(c)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake already
	}
}
