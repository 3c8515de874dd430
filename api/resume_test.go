package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/audit"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

func resumePath(task string) string { return "/api/gildway/v1/tasks/" + task + "/retry" }

// gave makes the engine's runs have these results.
func (w *world) gave(results ...plan.Kept) { w.engine.set(func(e *fakeEngine) { e.results = results }) }

func TestResumeFailedTask_KeepsWhatHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, resumePath(task), "{}").status, "it goes on")
	w.fail(task, 0)
	w.gave(plan.Kept{Step: "step-1", Output: json.RawMessage(`{"x":1}`)}, plan.Kept{Step: "key"})
	require.NoError(t, w.store.EffectBegins(t.Context(), store.Effect{
		Key: task + "/key", Task: task, Step: "key", Action: "vault:mint-key", Call: json.RawMessage(`{}`),
	}))
	require.NoError(t, w.store.EffectUndone(t.Context(), task+"/key", false))

	got := w.as(rosa, http.MethodPost, resumePath(task), "{}")
	require.Equal(t, http.StatusAccepted, got.status, got.text)
	require.JSONEq(t, `{"id":"`+task+`","attempt":1,"kept":["step-1"]}`, got.text, "what was undone is made again")
	again := w.started(task, 1)
	require.Equal(t, []plan.Kept{{Step: "step-1", Output: json.RawMessage(`{"x":1}`)}}, again.Kept)
	require.Contains(t, w.audited(task, "task-retried"), `"kept":["step-1"]`)

	// Backstage's own route starts over, also after that.
	w.fail(task, 1)
	require.Equal(t, http.StatusCreated, w.as(rosa, http.MethodPost, retryPath(task), "{}").status)
	require.Empty(t, w.started(task, 2).Kept)
}

// audited is the last entry of a kind about a task.
func (w *world) audited(task, kind string) (body string) {
	w.t.Helper()
	leaves, err := w.store.AuditLeaves(w.t.Context(), 0, 1000)
	require.NoError(w.t, err)
	for _, leaf := range leaves {
		var e audit.Entry
		require.NoError(w.t, json.Unmarshal(leaf.Body, &e))
		if e.Task == task && e.Kind == kind {
			body = string(leaf.Body)
		}
	}
	return body
}

func TestResumeFailedTask_CorrectedValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.fail(task, 0)
	w.gave(plan.Kept{Step: "step-1"})
	before, err := w.store.Task(t.Context(), task)
	require.NoError(t, err)
	correct := func(body string) answer { return w.as(rosa, http.MethodPost, resumePath(task), body) }

	used := correct(`{"values":{"name":"two"}}`)
	require.Equal(t, http.StatusConflict, used.status)
	require.Contains(t, used.text, "step step-1 has used the parameter name")
	w.gave()
	require.Equal(t, http.StatusBadRequest, correct(`{"values":{"name":""}}`).status)
	require.Equal(t, http.StatusBadRequest, correct(`{"from":"middle"}`).status)
	require.NoError(t, w.store.EffectBegins(t.Context(), store.Effect{
		Key: task + "/key", Task: task, Step: "key", Action: "vault:mint-key", Call: json.RawMessage(`{}`),
	}))
	over := correct(`{"from":"start","values":{"name":"two"}}`)
	require.Equal(t, http.StatusConflict, over.status)
	require.Contains(t, over.text, "roll the task back first")

	got := correct(`{"values":{"name":"two"}}`)
	require.Equal(t, http.StatusAccepted, got.status, got.text)
	again := w.started(task, 1)
	require.JSONEq(t, `{"name":"two"}`, string(again.Values))
	require.NotEqual(t, before.Digest, again.Digest(), "what was approved was approved for other values")
	now, err := w.store.Task(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, again.Digest(), now.Digest)
	require.Contains(t, string(now.Spec), `"parameters":{"name":"two"}`)
	audited := w.audited(task, "task-retried")
	require.Contains(t, audited, `"corrected":["name"]`)
	require.NotContains(t, audited, "two", "names, not values")
}

// The requester stays who asked, and doesn't count as an approver: somebody else's values would be approved by whoever gave them.
func TestResumeFailedTask_CorrectedBySomebodyElse_Denied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) {
		s.Policy = policy(append(identity.OpenToEveryone(), identity.Rule{Who: []string{identity.OwnerOfTemplate}, May: []identity.Action{identity.Retry}})...)
	})
	task := w.submit()
	w.fail(task, 0)
	for _, who := range []string{adam, tess} {
		for _, body := range []string{`{"values":{"name":"two"}}`, `{"from":"start","values":{"name":"two"}}`} {
			requireProblem(t, w.as(who, http.MethodPost, resumePath(task), body), http.StatusForbidden, "Denied", resumePath(task))
		}
		got := w.as(who, http.MethodPost, resumePath(task), `{"values":{"name":"two"}}`)
		require.Contains(t, got.text, "only user:default/rosa, whose task this is, may correct its values; submit a task of your own")
	}
	got := w.as(tess, http.MethodPost, resumePath(task), `{"values":{"name":"one"}}`)
	require.Equal(t, http.StatusAccepted, got.status, "the same values are no correction: %s", got.text)
	w.fail(task, 1)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, resumePath(task), `{"values":{"name":"two"}}`).status)
}

func TestResumeFailedTask_NothingToGoOnFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	require.NoError(t, w.store.Complete(t.Context(), task, 0, store.StatusCompleted, "", nil, nil))
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, resumePath(task), "{}").status)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, resumePath(task), `{"from":"start"}`).status)
	w.fail(task, 1)
	for who, want := range map[string]int{eve: http.StatusForbidden, olga: http.StatusForbidden, ben: http.StatusForbidden, "": http.StatusUnauthorized} {
		require.Equal(t, want, w.as(who, http.MethodPost, resumePath(task), "{}").status, who)
	}
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Conflict, "it can only start over") })
	require.Contains(t, w.as(rosa, http.MethodPost, resumePath(task), "{}").text, "it can only start over")
}
