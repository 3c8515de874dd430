package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/store"
)

func TestCancelStep_ByThoseWhoMayCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	path := "/api/gildway/v1/tasks/" + task + "/steps/key/"
	for who, want := range map[string]int{eve: http.StatusForbidden, olga: http.StatusForbidden, ben: http.StatusForbidden, "": http.StatusUnauthorized} {
		require.Equal(t, want, w.as(who, http.MethodPost, path+"abort", "{}").status, who)
	}
	require.Equal(t, http.StatusBadRequest, w.as(rosa, http.MethodPost, path+"stop", "{}").status)
	got := w.as(rosa, http.MethodPost, path+"retry", "{}")
	require.Equal(t, http.StatusConflict, got.status)
	require.Contains(t, got.text, "doesn't wait to be tried again")

	wait := store.Wait{Task: task, Step: "key", Iteration: "a", Tries: 2, Why: "Vault does not answer", Next: time.Now().Add(time.Hour)}
	require.NoError(t, w.store.CallWaits(t.Context(), wait))
	require.NoError(t, w.store.Log(t.Context(), task, "begun", "key", "processing", "Beginning step Mint"))
	graph := w.as(rosa, http.MethodGet, "/api/gildway/v1/tasks/"+task+"/graph", "").text
	require.Contains(t, graph, `"kind":"provider"`)
	require.Contains(t, graph, "the last one: Vault does not answer")
	require.Contains(t, graph, `"tries":2`)
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, path+"retry", `{"iteration":"b"}`).status)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, path+"retry", `{"iteration":"a","reason":"it is back"}`).status)
	require.Equal(t, http.StatusAccepted, w.as(adam, http.MethodPost, path+"skip", "{}").status)
	require.Equal(t, []activities.CancelStep{
		{Step: "key", Iteration: "a", Then: activities.RetryStep, By: rosa, Why: "it is back"}, {Step: "key", Then: activities.SkipStep, By: adam},
	}, w.engine.cancelled)
	require.Contains(t, w.audited(task, "step-retry-asked"), "it is back")

	require.NoError(t, w.store.CallGoesOn(t.Context(), task, "key", "a"))
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, path+"retry", "{}").status)
	w.fail(task, 0)
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, path+"abort", "{}").status)
}
