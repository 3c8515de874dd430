package store

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	channel = "gildway_events"
	// beat is how long a silent connection is trusted before it must answer.
	beat       = 10 * time.Second
	beatWithin = 5 * time.Second
)

// Listener wakes whoever waits for a task's events, over one connection however many they are.
type Listener struct {
	store      *Store
	log        *slog.Logger
	beat       time.Duration
	beatWithin time.Duration

	mu      sync.Mutex
	last    int64
	waiting map[string]map[int64]func()
}

// NewListener makes a listener. It hears nothing until Run.
func (s *Store) NewListener(log *slog.Logger) *Listener {
	return &Listener{store: s, log: log, beat: beat, beatWithin: beatWithin, waiting: map[string]map[int64]func(){}}
}

// Subscribe has wake called after the task got new events, until stopped. Several events may be one
// call, and a call may be for nothing: read what is new. While the listener is cut off it calls now and
// then. The function must not block: everybody else is woken after it.
func (l *Listener) Subscribe(task string, wake func()) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	id := l.last
	if l.waiting[task] == nil {
		l.waiting[task] = map[int64]func(){}
	}
	l.waiting[task][id] = wake
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting[task], id)
		if len(l.waiting[task]) == 0 {
			delete(l.waiting, task)
		}
	}
}

// Run listens until the context ends, and connects again by itself whenever the connection is lost or
// answers no more.
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
		l.wakeAll() // the database may answer others while it refuses us
	}
}

func (l *Listener) listen(ctx context.Context) (connected bool, err error) {
	config := l.store.pool.Config().ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, config) // not of the pool: it is never given back
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is given up, whatever it says
	}()
	if _, err := conn.Exec(ctx, `listen `+channel); err != nil {
		return false, err
	}
	l.wakeAll() // whatever happened while nobody listened
	for {
		quiet, cancel := context.WithTimeout(ctx, l.beat)
		n, err := conn.WaitForNotification(quiet)
		silent := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			l.wake(n.Payload)
		case silent && !conn.IsClosed():
			if err := l.alive(ctx, conn); err != nil {
				return true, err
			}
		default:
			return true, err
		}
	}
}

// alive asks the other end: a connection whose peer has vanished is silent too.
func (l *Listener) alive(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, l.beatWithin)
	defer cancel()
	return conn.Ping(ctx)
}

func (l *Listener) wake(task string) {
	l.mu.Lock()
	calls := slices.Collect(maps.Values(l.waiting[task]))
	l.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

func (l *Listener) wakeAll() {
	l.mu.Lock()
	var calls []func()
	for _, of := range l.waiting {
		calls = slices.AppendSeq(calls, maps.Values(of))
	}
	l.mu.Unlock()
	for _, call := range calls {
		call()
	}
}
