package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

const tasksPath = "/api/scaffolder/v2/tasks"

func TestCreateTask_StoredAndStarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit()
	got := w.as(rosa, http.MethodGet, tasksPath+"/"+id, nil)
	require.Equal(t, http.StatusOK, got.status)
	task := got.json(t)
	require.Equal(t, "open", task["status"])
	require.Equal(t, rosa, task["createdBy"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, task["createdAt"])
	require.Contains(t, got.text, `"lastHeartbeatAt":null`)
	spec, err := json.Marshal(task["spec"])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"apiVersion": "scaffolder.backstage.io/v1beta3",
		"steps": [
			{"id": "step-1", "name": "debug:log", "action": "debug:log", "input": {"message": "hello ${{ parameters.name }}"}},
			{"id": "key", "name": "Mint", "action": "vault:mint-key", "input": {"team": "x"}}
		],
		"output": {"text": [{"title": "Done", "content": "${{ parameters.name }} is done"}]},
		"parameters": {"name": "one"},
		"user": {"ref": "user:default/rosa", "entity": {"kind": "User", "metadata": {"name": "rosa"}}},
		"templateInfo": {
			"entityRef": "template:default/noop", "baseUrl": "file:///templates/noop/template.yaml",
			"entity": {"metadata": {"namespace": "default", "name": "noop", "title": "Two steps", "description": "Says something and mints a key", "ui:options": {"a": 1}}}
		}
	}`, string(spec))

	runs := w.engine.runs()
	require.Len(t, runs, 1)
	require.Equal(t, id, runs[0].Task)
	require.Equal(t, "template:default/noop", runs[0].Plan.Template.Ref)
	stored, err := w.store.Task(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, runs[0].Digest(), stored.Digest)
	require.Equal(t, "group:default/platform", stored.Owner)

	// What Temporal's converter makes of the run has the digest that was promised.
	wire, err := json.Marshal(runs[0])
	require.NoError(t, err)
	var arrived plan.Run
	require.NoError(t, json.Unmarshal(wire, &arrived))
	require.Equal(t, stored.Digest, arrived.Digest())
}

func TestCreateTask_Refused_NothingStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	values := map[string]any{"name": "one"}
	for name, c := range map[string]struct {
		body   any
		status int
		says   string
	}{
		"no values":       {map[string]any{"templateRef": "noop"}, 400, `request/body must have required property 'values'`},
		"no template":     {map[string]any{"values": values}, 400, `request/body must have required property 'templateRef'`},
		"empty":           {map[string]any{}, 400, `request/body must have required property 'templateRef'`},
		"wrong type":      {map[string]any{"templateRef": "noop", "values": 7}, 400, `request/body/values must be object`},
		"malformed":       {`{"templateRef":`, 400, `Unexpected end of JSON input`},
		"unknown":         {map[string]any{"templateRef": "template:default/missing", "values": values}, 404, `Template template:default/missing not found`},
		"other kind":      {map[string]any{"templateRef": "group:default/guests", "values": values}, 400, `Invalid kind, only 'Template' kind is supported`},
		"bad reference":   {map[string]any{"templateRef": "a:b:c/d/e", "values": values}, 400, `Invalid kind, only 'Template' kind is supported`},
		"worse reference": {map[string]any{"templateRef": "b/c/d", "values": values}, 400, `is not an entity ref`},
		"too large":       {`"` + strings.Repeat("x", maxBody) + `"`, 400, `request entity too large`},
		"too large a run": {map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one", "x": strings.Repeat("x", maxRun)}}, 400, `too large to run`},
	} {
		got := w.as(rosa, http.MethodPost, tasksPath, c.body)
		require.Equal(t, c.status, got.status, name)
		failure := got.json(t)["error"].(map[string]any)
		require.Contains(t, failure["message"], c.says, name)
	}
	got := w.as(rosa, http.MethodPost, tasksPath, "a=b", "Content-Type", "text/plain")
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.text, "unsupported media type text/plain")

	_, total, err := w.store.Tasks(t.Context(), store.TaskFilter{})
	require.NoError(t, err)
	require.Zero(t, total)
}

func TestCreateTask_BadValues_ErrorsOfNpmJsonschema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.as(rosa, http.MethodPost, tasksPath, map[string]any{"templateRef": "noop", "values": map[string]any{}})
	require.Equal(t, http.StatusBadRequest, got.status)
	body := got.json(t)
	require.Len(t, body, 1)
	first := body["errors"].([]any)[0].(map[string]any)
	require.Equal(t, `requires property "name"`, first["message"])
	require.Equal(t, "instance", first["property"])
	require.Equal(t, `instance requires property "name"`, first["stack"])
	require.Equal(t, []any{}, first["path"])

	got = w.as(rosa, http.MethodPost, tasksPath, map[string]any{"templateRef": "noop", "values": map[string]any{"name": "Not Valid"}})
	require.Contains(t, got.text, `"stack":"instance.name does not match pattern`)
}

func TestCreateTask_EngineDown_StartsWhenItIsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Unavailable, "down") })
	got := w.as(rosa, http.MethodPost, tasksPath, map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}})
	require.Equal(t, http.StatusCreated, got.status)
	left, err := w.store.Unstarted(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, left, 1)
	w.engine.set(func(e *fakeEngine) { e.err = nil })
	require.Eventually(t, func() bool { return len(w.engine.runs()) == 1 }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, got.json(t)["id"], w.engine.runs()[0].Task)
}

func TestCreateTask_EngineRefuses_TaskFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Invalid, "malformed") })
	got := w.as(rosa, http.MethodPost, tasksPath, map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}})
	id := got.json(t)["id"].(string)
	require.Eventually(t, func() bool {
		task, err := w.store.Task(t.Context(), id)
		return err == nil && task.Status == store.StatusFailed
	}, 20*time.Second, 10*time.Millisecond)
}

func TestCreateTask_IdempotencyKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(who, name string) answer {
		return w.as(who, http.MethodPost, tasksPath, map[string]any{"templateRef": "noop", "values": map[string]any{"name": name}}, "Idempotency-Key", "k")
	}
	first, again := ask(rosa, "one"), ask(rosa, "one")
	require.Equal(t, http.StatusCreated, again.status)
	require.Equal(t, first.text, again.text)
	require.Equal(t, http.StatusConflict, ask(rosa, "two").status)
	require.NotEqual(t, first.text, ask(eve, "two").text)
}

func TestCreateTask_Secrets_GoToTheVaultAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}, "secrets": map[string]string{"PASS": "canary-7f"}}
	got := w.as(rosa, http.MethodPost, tasksPath, body)
	require.Equal(t, http.StatusCreated, got.status)
	id := got.json(t)["id"].(string)
	kept, _ := w.vault.kept.Load(id)
	require.Equal(t, map[string]string{"PASS": "canary-7f"}, kept)
	task, err := w.store.Task(t.Context(), id)
	require.NoError(t, err)
	require.NotContains(t, string(task.Run)+string(task.Spec), "canary")
	require.Contains(t, string(task.Run), `"secrets":["PASS"]`)

	again := []string{}
	for range 2 {
		got := w.as(rosa, http.MethodPost, tasksPath, body, "Idempotency-Key", "with-secrets")
		require.Equal(t, http.StatusCreated, got.status)
		again = append(again, got.json(t)["id"].(string))
	}
	require.Equal(t, again[0], again[1])
	var tasks []any
	w.vault.kept.Range(func(task, _ any) bool { tasks = append(tasks, task); return true })
	require.ElementsMatch(t, []any{id, again[0]}, tasks, "the second submission leaves no secrets behind")

	w = newWorld(t, func(s *Server) { s.Secrets = nil })
	got = w.as(rosa, http.MethodPost, tasksPath, body)
	require.Equal(t, http.StatusBadRequest, got.status)
	require.NotContains(t, got.text, "canary")
}

func TestListTasks_FiltersAndTheirErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.submit(), w.submit()
	ids := func(who, query string) (ids []string, total float64) {
		got := w.as(who, http.MethodGet, tasksPath+query, nil)
		require.Equal(t, http.StatusOK, got.status, got.text)
		body := got.json(t)
		for _, task := range body["tasks"].([]any) {
			ids = append(ids, task.(map[string]any)["id"].(string))
		}
		return ids, body["totalTasks"].(float64)
	}
	got, total := ids(rosa, "")
	require.Equal(t, []string{second, first}, got)
	require.EqualValues(t, 2, total)
	got, total = ids(rosa, "?createdBy=user%3Adefault%2Frosa&limit=1&offset=1&order=asc:created_at&status=open&status=failed")
	require.Equal(t, []string{second}, got)
	require.EqualValues(t, 2, total)
	got, total = ids(rosa, "?limit=0")
	require.Empty(t, got)
	require.EqualValues(t, 2, total)
	got, _ = ids(rosa, "?status=bogus")
	require.Empty(t, got)
	got, _ = ids(eve, "?createdBy="+rosa)
	require.Empty(t, got)
	got, _ = ids(eve, "")
	require.Empty(t, got)
	got, _ = ids(olga, "")
	require.Len(t, got, 2)

	for query, says := range map[string]string{
		"?order=created_at":    `Invalid order parameter \"created_at\", expected \"<asc or desc>:<field name>\"`,
		"?order=desc:bogus":    `Invalid order field \"bogus\"`,
		"?limit=abc":           `request/query/limit must be integer`,
		"?limit=1&offset=-1":   `request/query/offset must be >= 0`,
		"?bogus=1":             `Unknown query parameter 'bogus'`,
		"?limit=1&limit=2":     `request/query/limit must be integer`,
		"?limit=9999999999999": `must be <= 2147483647`,
	} {
		got := w.as(rosa, http.MethodGet, tasksPath+query, nil)
		require.Equal(t, http.StatusBadRequest, got.status, query)
		require.Contains(t, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(got.text), says, query)
	}
}

func TestCancelTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit()
	require.NoError(t, w.store.Log(t.Context(), id, "1", "step-1", "processing", "Beginning step debug:log"))
	for range 2 {
		got := w.as(rosa, http.MethodPost, tasksPath+"/"+id+"/cancel", "", "Content-Type", "application/json")
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"status":"cancelled"}`, got.text)
	}
	w.engine.set(func(e *fakeEngine) { require.Equal(t, []string{id, id}, e.cancels) })
	events, err := w.store.Events(t.Context(), id, 0, true, 10)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.JSONEq(t, `{"message":"Step step-1 has been cancelled.","stepId":"step-1","status":"cancelled"}`, string(events[1].Body))

	require.NoError(t, w.store.Complete(t.Context(), id, 0, store.StatusFailed, "", nil, nil))
	require.Equal(t, http.StatusOK, w.as(rosa, http.MethodPost, tasksPath+"/"+id+"/cancel", nil).status)
	w.engine.set(func(e *fakeEngine) { require.Len(t, e.cancels, 2) })
}

func TestParameterSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []string{"template", "Template"} {
		got := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/templates/default/"+kind+"/noop/parameter-schema", nil)
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"title":"Two steps","description":"Says something and mints a key","ui:options":{"a":1},"steps":[{"title":"Values","schema":{
			"title":"Values","required":["name"],"properties":{"name":{"type":"string","title":"Name","minLength":1,"maxLength":40,"pattern":"^[a-z0-9-]+$","ui:autofocus":true}}}}]}`, got.text)
	}
	missing := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/templates/default/template/missing/parameter-schema", nil)
	require.JSONEq(t, `{"error":{"name":"NotFoundError","message":"Template template:default/missing not found"},"request":{"method":"GET","url":"/v2/templates/default/template/missing/parameter-schema"},"response":{"statusCode":404}}`, missing.text)
	other := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/templates/default/group/guests/parameter-schema", nil)
	require.Equal(t, http.StatusBadRequest, other.status)
}

func TestListActions_SortedWithSchemas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/actions", nil)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.text), &list))
	require.Len(t, list, 2)
	require.Equal(t, "debug:log", list[0]["id"])
	require.Equal(t, []any{map[string]any{"description": "d", "example": "steps: []"}}, list[0]["examples"])
	require.Contains(t, list[1]["schema"].(map[string]any)["output"].(map[string]any)["properties"], "collect")
}

// What is kept of a request must not let anybody try out secrets against it.
func TestRequestHash_SaysNothingOfASecret(t *testing.T) {
	t.Parallel()
	hash := func(name, secret string) string {
		return requestHash("template:default/noop", &NewTask{Values: []byte(`{"a":1}`), Secrets: map[string]string{name: secret}})
	}
	require.Equal(t, hash("pin", "1234"), hash("pin", "5678"))
	require.NotEqual(t, hash("pin", "1234"), hash("token", "1234"))
}
