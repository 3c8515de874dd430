package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/store"
)

const (
	startsAtOnce = 20
	// reconcileEvery finds what another replica accepted and did not live to start.
	reconcileEvery = 15 * time.Second
)

type startStore interface {
	// Unstarted lists the oldest tasks that were accepted and not started.
	Unstarted(ctx context.Context, limit int) ([]store.Task, error)
	MarkStarted(ctx context.Context, task string, attempt int) error
	Complete(ctx context.Context, task string, attempt int, status, message string, output json.RawMessage, failure *fault.Error) error
}

// starter keeps the promise of a 201: what was accepted is started, however long the engine is away.
// Several may run side by side, as starting a run twice starts it once.
type starter struct {
	*loop.Loop
	store  startStore
	engine Engine
	log    *slog.Logger
}

func newStarter(s startStore, e Engine, log *slog.Logger) *starter {
	r := &starter{store: s, engine: e, log: log}
	r.Loop = loop.New(reconcileEvery, r.pass, func(err error, again any) {
		log.Warn("accepted tasks can't be started yet", "error", err, "again", again)
	})
	return r
}

// awayAfter is how many tasks in a row may find the engine unavailable before it counts as away: the fault may
// lie with one of them.
const awayAfter = 3

// pass starts the oldest tasks, and says if there may be more. One that can't be started now doesn't hold back
// the others.
func (s *starter) pass(ctx context.Context) (more bool, err error) {
	tasks, err := s.store.Unstarted(ctx, startsAtOnce)
	if err != nil {
		return false, err
	}
	var first error
	away := 0
	for _, t := range tasks {
		err := s.start(ctx, t)
		if away++; !errors.Is(err, fault.Unavailable) {
			away = 0
		}
		first = cmp.Or(first, err)
		if away == awayAfter || ctx.Err() != nil {
			break
		}
	}
	return first == nil && len(tasks) == startsAtOnce, first
}

// start starts one task. A task that can never start ends as failed: an accepted task has an end.
func (s *starter) start(ctx context.Context, t store.Task) error {
	run, err := runOf(t)
	never := err != nil
	if err == nil {
		err = s.engine.Start(ctx, run)
		never = errors.Is(err, fault.Invalid)
	}
	switch {
	case never:
		s.log.Error("a task can't be started and has failed", "task", t.ID, "error", err, "cause", errors.Unwrap(err))
		return s.store.Complete(ctx, t.ID, t.Attempt, store.StatusFailed, "", nil, fault.From(err))
	case err != nil:
		return err
	default:
		return s.store.MarkStarted(ctx, t.ID, t.Attempt)
	}
}
