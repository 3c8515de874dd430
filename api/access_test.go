package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"

	"github.com/gildway/gildway/internal/fault"
)

func TestCollectKeys_OnceByItsRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	url := "/api/gildway/v1/tasks/" + task + "/collect"
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodPost, url, nil).status) // not minted yet
	require.NoError(t, w.store.ClaimCollection(t.Context(), task, "key", rosa), "asking too early leaves no claim")
	require.NoError(t, w.store.ReleaseCollection(t.Context(), task, "key"))
	w.keys.held[task+"/key"] = "hvs.wrap"
	require.Equal(t, http.StatusForbidden, w.as(adam, http.MethodPost, url, nil).status)

	w.keys.err = fault.New(fault.Unavailable, "sealed")
	require.Equal(t, http.StatusServiceUnavailable, w.as(rosa, http.MethodPost, url, nil).status)
	w.keys.err = nil

	got := w.as(rosa, http.MethodPost, url, nil)
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	item := got.json(t)["items"].([]any)[0].(map[string]any)
	require.Equal(t, "key", item["step"])
	require.Equal(t, "hvs.wrap", item["wrappingToken"])
	require.Equal(t, "team-keys", item["mount"])
	require.Equal(t, "x/y/z", item["path"])
	require.Contains(t, item["howTo"], "vault unwrap")

	w.keys.held[task+"/key"] = "hvs.second"
	require.Equal(t, http.StatusGone, w.as(rosa, http.MethodPost, url, nil).status)
	leaves, err := w.store.AuditLeaves(t.Context(), 0, 100)
	require.NoError(t, err)
	last := string(leaves[len(leaves)-1].Body)
	require.Contains(t, last, `"kind":"key-collected","actor":"user:default/rosa"`)
	require.NotContains(t, last, "hvs.")
}

func TestListAccess_OwnOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	require.NoError(t, w.store.OpenLease(t.Context(), store.Lease{ID: "lease/1", Task: task, Step: "grant", Action: "okta:group:add-member", Requester: rosa, Template: "template:default/noop", ExpiresAt: time.Now().Add(time.Hour)}))
	count := func(who string) int {
		return len(w.as(who, http.MethodGet, "/api/gildway/v1/access?state=active&task="+task, nil).json(t)["items"].([]any))
	}
	require.Equal(t, 1, count(rosa))
	require.Equal(t, 1, count(olga))
	require.Equal(t, 0, count(eve))
	require.Equal(t, 0, count(ben))

	// Whoever owns the template sees what it has granted.
	var err error
	task, err = w.store.CreateTask(t.Context(), store.NewTask{
		ID: newID(), TemplateRef: "template:default/lead", CreatedBy: eve, Owner: leads, Spec: []byte(`{}`), Run: []byte(`{}`),
	})
	require.NoError(t, err)
	require.NoError(t, w.store.OpenLease(t.Context(), store.Lease{ID: "lease/2", Task: task, Step: "grant", Action: "okta:group:add-member", Requester: eve, Template: "template:default/lead", ExpiresAt: time.Now().Add(time.Hour)}))
	require.Equal(t, 1, count(ben))
	require.Equal(t, 1, count(eve))
	require.Equal(t, 1, count(adam))
}

func TestTaskGraph_StatesAndTimesFromEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	url := "/api/gildway/v1/tasks/" + task + "/graph"
	require.NoError(t, w.store.Log(t.Context(), task, "1", "step-1", "processing", "x"))
	require.NoError(t, w.store.Log(t.Context(), task, "2", "step-1", "completed", "x"))
	require.NoError(t, w.store.Log(t.Context(), task, "3", "key", "processing", "x"))
	body := w.as(rosa, http.MethodGet, url, nil).json(t)
	steps := body["steps"].([]any)
	first, second := steps[0].(map[string]any), steps[1].(map[string]any)
	require.Equal(t, "completed", first["state"])
	require.NotEmpty(t, first["endedAt"])
	require.Equal(t, "processing", second["state"])
	require.NotContains(t, second, "endedAt")
	require.Equal(t, []any{"step-1"}, second["needs"])
	require.NotEmpty(t, body["edges"])

	require.Contains(t, w.as(rosa, http.MethodGet, url+"?format=dot", nil).text, `style="filled,rounded", fillcolor="#d5f0d5"`)
	require.Contains(t, w.as(rosa, http.MethodGet, url+"?format=mermaid", nil).text, "  style s2 fill:#cfe3fa,stroke-width:4px\n")
	require.Equal(t, http.StatusBadRequest, w.as(rosa, http.MethodGet, url+"?format=png", nil).status)
}

func TestOperations_Public(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.JSONEq(t, `{"status":"ok"}`, w.as("", http.MethodGet, "/healthz", nil).text)
	require.Equal(t, http.StatusOK, w.as("", http.MethodGet, "/readyz", nil).status)
	require.Contains(t, w.as("", http.MethodGet, "/metrics", nil).text, `gildway_http_request_duration_seconds_count{method="GET",route="/readyz",status="200"} 1`)
	for _, path := range []string{"/openapi.json", "/api/scaffolder/openapi.json"} {
		require.Contains(t, w.as("", http.MethodGet, path, nil).json(t)["paths"], "/api/scaffolder/v2/tasks")
	}
	items := w.as(rosa, http.MethodGet, "/api/gildway/v1/templates", nil).json(t)["items"].([]any)
	require.Equal(t, "template:default/noop", items[0].(map[string]any)["ref"])
	w.as("", "SURPRISE", "/readyz", nil)
	require.NotContains(t, w.as("", http.MethodGet, "/metrics", nil).text, "SURPRISE", "whoever asks must not fill our memory")
	w.store.Close()
	require.Equal(t, http.StatusServiceUnavailable, w.as("", http.MethodGet, "/readyz", nil).status)
	require.Equal(t, http.StatusOK, w.as("", http.MethodGet, "/healthz", nil).status)
}
