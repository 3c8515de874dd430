package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

type waitingTasks struct {
	tasks  []store.Task
	marked []string
}

func (w *waitingTasks) Unstarted(context.Context, int) ([]store.Task, error) { return w.tasks, nil }

func (w *waitingTasks) MarkStarted(_ context.Context, task string, _ int) error {
	w.marked = append(w.marked, task)
	return nil
}

func (w *waitingTasks) Complete(context.Context, string, int, string, string, json.RawMessage, *fault.Error) error {
	return nil
}

// pickyEngine refuses some tasks and counts how often it was asked.
type pickyEngine struct {
	Engine
	refuses map[string]bool
	asked   int
}

func (e *pickyEngine) Start(_ context.Context, run plan.Run) error {
	e.asked++
	if e.refuses[run.Task] {
		return fault.New(fault.Unavailable, "not this one")
	}
	return nil
}

func accepted(t *testing.T, ids ...string) (tasks []store.Task) {
	t.Helper()
	for _, id := range ids {
		run, err := json.Marshal(plan.Run{Task: id})
		require.NoError(t, err)
		tasks = append(tasks, store.Task{ID: id, Run: run})
	}
	return tasks
}

func TestStarter_OneTaskThatCantStart_HoldsBackNobody(t *testing.T) {
	t.Parallel()
	waiting := &waitingTasks{tasks: accepted(t, "a", "poisoned", "b", "c")}
	s := newStarter(waiting, &pickyEngine{refuses: map[string]bool{"poisoned": true}}, slog.New(slog.DiscardHandler))
	_, err := s.pass(t.Context())
	require.ErrorIs(t, err, fault.Unavailable, "it is tried again")
	require.Equal(t, []string{"a", "b", "c"}, waiting.marked)
}

func TestStarter_EngineAway_IsNotAskedForEveryTask(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c", "d", "e", "f"}
	engine := &pickyEngine{refuses: map[string]bool{}}
	for _, id := range ids {
		engine.refuses[id] = true
	}
	s := newStarter(&waitingTasks{tasks: accepted(t, ids...)}, engine, slog.New(slog.DiscardHandler))
	_, err := s.pass(t.Context())
	require.ErrorIs(t, err, fault.Unavailable)
	require.Equal(t, awayAfter, engine.asked)
}
