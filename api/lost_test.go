package api

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"
)

func TestFinder_RunThatEndedWithoutAWord_EndsItsTaskOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost, going := w.submit(), w.submit()
	w.gate(lost)
	w.engine.set(func(e *fakeEngine) {
		e.lost = map[string]string{lost: "the run was terminated in Temporal: by mistake"}
	})
	f := newFinder(w.store, w.engine, w.vault, slog.New(slog.DiscardHandler))
	for range 2 {
		_, err := f.pass(t.Context())
		require.NoError(t, err)
	}
	task, err := w.store.Task(t.Context(), lost)
	require.NoError(t, err)
	require.Equal(t, store.StatusFailed, task.Status)
	events, err := w.store.Events(t.Context(), lost, 0, true, 100)
	require.NoError(t, err)
	ends := 0
	for _, e := range events {
		if e.Type == "completion" {
			ends++
			require.Contains(t, string(e.Body), "the run was terminated in Temporal: by mistake")
		}
	}
	require.Equal(t, 1, ends)
	open, err := w.store.Approvals(t.Context(), store.ApprovalFilter{Task: lost, State: "pending", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, open, "nobody is asked any more")
	task, err = w.store.Task(t.Context(), going)
	require.NoError(t, err)
	require.False(t, task.Ended())

	w.engine.set(func(e *fakeEngine) { e.lost = map[string]string{going: unknownRun} })
	_, err = f.pass(t.Context())
	require.NoError(t, err)
	task, err = w.store.Task(t.Context(), going)
	require.NoError(t, err)
	require.False(t, task.Ended(), "it may be an empty namespace that answers")
	f.unknown[going] = time.Now().Add(-2 * unknownFor)
	_, err = f.pass(t.Context())
	require.NoError(t, err)
	task, err = w.store.Task(t.Context(), going)
	require.NoError(t, err)
	require.True(t, task.Ended(), "nobody has put that right")
	require.Empty(t, f.unknown)

	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, resumePath(lost), "{}").status, "it can be retried")
	w.started(lost, 1)
}
