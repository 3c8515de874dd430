package api

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

const tasksV1 = "/api/gildway/v1/tasks"

func TestTaskSummaries_PagesAndFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var newest []string
	for range 5 {
		newest = append([]string{w.submit()}, newest...)
	}
	var seen []string
	for path := tasksV1 + "?limit=2"; path != ""; {
		page := w.as(rosa, http.MethodGet, path, nil).json(t)
		for _, item := range page["items"].([]any) {
			seen = append(seen, item.(map[string]any)["id"].(string))
		}
		path = ""
		if next, ok := page["next"].(string); ok {
			path = tasksV1 + "?limit=2&cursor=" + url.QueryEscape(next)
		}
	}
	require.Equal(t, newest, seen)

	count := func(who, query string) int {
		got := w.as(who, http.MethodGet, tasksV1+"?"+query, nil)
		require.Equal(t, http.StatusOK, got.status, got.text)
		return len(got.json(t)["items"].([]any))
	}
	require.Zero(t, count(eve, ""), "the tasks of others are not hers to see")
	require.Equal(t, 5, count(olga, ""))
	require.Equal(t, 5, count(rosa, "template=noop&owner=group:default/platform&createdBy="+rosa))
	require.Zero(t, count(rosa, "template=other"))
	require.Zero(t, count(rosa, "status=completed"))
	require.NoError(t, w.store.Complete(t.Context(), newest[0], 0, "failed", "", nil, fault.New(fault.Invalid, "no")))
	require.Equal(t, 1, count(rosa, "status=failed"))
	require.Equal(t, 5, count(rosa, "since="+url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))))
	require.Zero(t, count(rosa, "since="+url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))))
	for _, wrong := range []string{"cursor=x", "since=yesterday", "status=done", "limit=0", "template=a:b:c", "limit=501"} {
		requireProblem(t, w.as(rosa, http.MethodGet, tasksV1+"?"+wrong, nil), http.StatusBadRequest, "Invalid", tasksV1)
	}
}

func TestTaskDetails_SayWhatItWaitsForAndWhatItGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.RunLink = func(task string) string { return "http://ui/" + task } })
	id := w.submit()
	path := tasksV1 + "/" + id
	require.Equal(t, "running", w.as(rosa, http.MethodGet, path, nil).json(t)["phase"])

	gate := w.gate(id)
	require.NoError(t, w.store.Log(t.Context(), id, "1", "step-1", "completed", "x"))
	require.NoError(t, w.store.OpenLease(t.Context(), store.Lease{ID: "lease/x", Task: id, Step: "key", Action: "vault:mint-key", Requester: rosa, Template: "template:default/noop", ExpiresAt: time.Now().Add(time.Hour), Output: []byte(`{"path":"p"}`)}))
	body := w.as(rosa, http.MethodGet, path, nil).json(t)
	require.Equal(t, "waiting", body["phase"])
	require.Equal(t, "Two steps", body["title"])
	require.Equal(t, map[string]any{"name": "one"}, body["values"])
	require.Equal(t, map[string]any{"all": 2., "ended": 1.}, body["steps"])
	require.Equal(t, gate, body["approvals"].([]any)[0].(map[string]any)["id"])
	lease := body["access"].([]any)[0].(map[string]any)
	require.Equal(t, "active", lease["state"])
	require.NotContains(t, lease, "output")
	require.Equal(t, map[string]any{
		"temporal": "http://ui/" + id, "graph": path + "/graph", "events": "/api/scaffolder/v2/tasks/" + id + "/eventstream",
	}, body["links"])
	requireProblem(t, w.as(eve, http.MethodGet, path, nil), http.StatusForbidden, "Denied", path)

	require.NoError(t, w.store.CloseApproval(t.Context(), gate, "approved", ""))
	require.NoError(t, w.store.SetPaused(t.Context(), id, 0, true))
	require.Equal(t, "paused", w.as(rosa, http.MethodGet, path, nil).json(t)["phase"])
	require.Contains(t, w.as(rosa, http.MethodGet, path+"/graph", nil).text, `"kind":"pause","says":"the run to be resumed"`)
	require.NoError(t, w.store.Complete(t.Context(), id, 0, "completed", "", []byte(`{"text":[]}`), nil))
	body = w.as(rosa, http.MethodGet, path, nil).json(t)
	require.Equal(t, "completed", body["phase"])
	require.Empty(t, body["approvals"])
	require.Equal(t, map[string]any{"text": []any{}}, body["output"])
}
