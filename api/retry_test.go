package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/snapshot"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

func retryPath(task string) string { return "/api/scaffolder/v2/tasks/" + task + "/retry" }

// fail ends a task as its run would.
func (w *world) fail(task string, attempt int) {
	w.t.Helper()
	require.NoError(w.t, w.store.Complete(w.t.Context(), task, attempt, store.StatusFailed, "", nil, fault.New(fault.Denied, "no")))
}

func (w *world) started(task string, attempt int) plan.Run {
	w.t.Helper()
	var found plan.Run
	require.Eventually(w.t, func() bool {
		for _, run := range w.engine.runs() {
			if run.Task == task && run.Attempt == attempt {
				found = run
				return true
			}
		}
		return false
	}, 20*time.Second, 5*time.Millisecond)
	return found
}

func TestRetryTask_EndedTask_IsStartedAgainWithItsPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	running := w.as(rosa, http.MethodPost, retryPath(task), "{}")
	require.Equal(t, http.StatusConflict, running.status)
	require.Contains(t, running.text, `{"error":{"name":"ConflictError","message":"Task with taskId `+task+` cannot be retried"}`)

	w.fail(task, 0)
	before, err := w.store.Task(t.Context(), task)
	require.NoError(t, err)
	got := w.as(rosa, http.MethodPost, retryPath(task), "{}")
	require.Equal(t, http.StatusCreated, got.status, got.text)
	require.Equal(t, map[string]any{"id": task}, got.json(t))
	again := w.started(task, 1)
	require.Equal(t, before.Digest, again.Digest(), "it does what was asked for, nothing else")

	// Without a body, and without a content type.
	w.fail(task, 1)
	got = w.call(http.MethodPost, retryPath(task), nil, "Authorization", "Bearer "+w.token(rosa))
	require.Equal(t, http.StatusCreated, got.status, got.text)
	w.started(task, 2)
}

func TestRetryTask_TwoAtOnce_OneGetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.fail(task, 0)
	answers := make([]answer, 6)
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() {
			answers[i] = w.as(rosa, http.MethodPost, retryPath(task), map[string]any{"secrets": map[string]string{"who": "x"}})
		})
	}
	asking.Wait()
	count := map[int]int{}
	for _, a := range answers {
		count[a.status]++
	}
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 5}, count)
	require.Equal(t, []string{"who"}, w.started(task, 1).Secrets)
	_, kept := w.vault.kept.Load(task + "@1")
	require.True(t, kept, "the losers leave the winner's secrets alone")
}

func TestRetryTask_Permissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.fail(task, 0)
	for who, want := range map[string]int{eve: http.StatusForbidden, olga: http.StatusForbidden, ben: http.StatusForbidden, "": http.StatusUnauthorized} {
		require.Equal(t, want, w.as(who, http.MethodPost, retryPath(task), "{}").status, who)
	}
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodPost, retryPath(newID()), "{}").status)
	require.Equal(t, http.StatusCreated, w.as(adam, http.MethodPost, retryPath(task), "{}").status)
}

func TestRetryTask_Body_IsCheckedAsBackstageDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.fail(task, 0)
	for body, says := range map[string]string{
		`{"secrets":{"a":1}}`: "request/body/secrets/a must be string",
		`{"secrets":`:         "Unexpected end of JSON input",
	} {
		got := w.as(rosa, http.MethodPost, retryPath(task), body)
		require.Equal(t, http.StatusBadRequest, got.status)
		require.Contains(t, got.text, says)
	}
}

func TestRetryTask_TemplateGone_NotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	run, err := json.Marshal(plan.Run{Task: id})
	require.NoError(t, err)
	_, err = w.store.CreateTask(context.Background(), store.NewTask{
		ID: id, TemplateRef: "template:default/gone", TemplateDigest: "sha256:0", Spec: json.RawMessage(`{}`), Run: run, Digest: "d", CreatedBy: rosa,
	})
	require.NoError(t, err)
	w.fail(id, 0)
	got := w.as(rosa, http.MethodPost, retryPath(id), "{}")
	require.Equal(t, http.StatusNotFound, got.status)
	require.Contains(t, got.text, "Template template:default/gone not found")
}

// A task that can be started over keeps its streams open past its end, and they go on with the next attempt.
func TestRetryTask_StartOver_StreamGoesOnWithTheNewAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	noop, _ := w.server.Templates.Get("template:default/noop")
	run, err := json.Marshal(plan.Run{Task: id, Plan: *noop.Plan})
	require.NoError(t, err)
	_, err = w.store.CreateTask(t.Context(), store.NewTask{
		ID: id, TemplateRef: "template:default/noop", TemplateDigest: "sha256:0", Run: run, Digest: "d", CreatedBy: rosa,
		Spec: json.RawMessage(`{"EXPERIMENTAL_recovery":{"EXPERIMENTAL_strategy":"startOver"}}`),
	})
	require.NoError(t, err)
	require.NoError(t, w.store.Log(t.Context(), id, "1", "", "", "first"))
	w.fail(id, 0)

	lines := bufio.NewScanner(w.stream(rosa, id, "").Body)
	next := func() string {
		for lines.Scan() {
			if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				return kind
			}
		}
		return "the end"
	}
	require.Equal(t, "log", next())
	require.Equal(t, "completion", next())
	require.Equal(t, http.StatusCreated, w.as(rosa, http.MethodPost, retryPath(id), "{}").status)
	require.NoError(t, w.store.Log(t.Context(), id, "1@1", "", "", "again"))
	require.Equal(t, "recovered", next())
	require.Equal(t, "log", next())

	// Who comes now sees the new attempt alone.
	var events []struct {
		Type string
		Body struct{ RecoverStrategy, Message string }
	}
	require.NoError(t, json.Unmarshal([]byte(w.as(rosa, http.MethodGet, "/api/scaffolder/v2/tasks/"+id+"/events", nil).text), &events))
	require.Len(t, events, 2)
	require.Equal(t, "startOver", events[0].Body.RecoverStrategy)
	require.Equal(t, "again", events[1].Body.Message)
}

// payouts is a world in which leads get the whole of payout, everybody else part of it, and tess may retry what others have begun.
func payouts(t *testing.T) *world {
	return ruled(t, `
rules:
  - {who: [everyone], may: [run]}
  - {who: ["group:default/leads"], parts: [override, money]}
  - {who: ["user:default/tess"], may: [retry]}
`)
}

func (w *world) payout(who string, values map[string]any) (task string) {
	w.t.Helper()
	made := w.as(who, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "payout", "values": values})
	require.Equal(w.t, http.StatusCreated, made.status, made.text)
	task = made.json(w.t)["id"].(string)
	w.started(task, 0)
	w.fail(task, 0)
	return task
}

func TestRetryTask_StepsThatAreNotTheirs_Denied(t *testing.T) {
	t.Parallel()
	w := payouts(t)
	whole := w.payout(ben, map[string]any{"amount": 1, "reason": "x"})
	part := w.payout(eve, map[string]any{"amount": 1})
	for _, path := range []string{retryPath(whole), resumePath(whole)} {
		got := w.as(tess, http.MethodPost, path, "{}")
		require.Equal(t, http.StatusForbidden, got.status, got.text)
		require.Contains(t, got.text, "not its steps step-2; submit a new task")
	}
	require.Equal(t, http.StatusCreated, w.as(ben, http.MethodPost, retryPath(whole), "{}").status)
	require.Equal(t, http.StatusCreated, w.as(tess, http.MethodPost, retryPath(part), "{}").status, "it never had them")
	w.started(part, 1)
	w.fail(part, 1)
	require.Equal(t, http.StatusCreated, w.as(adam, http.MethodPost, retryPath(part), "{}").status, "less than what they get")
}

// The steps are those of the version that runs, whatever the template has become.
func TestRetryTask_VersionBefore_ItsTagsCount(t *testing.T) {
	t.Parallel()
	w := payouts(t)
	source := []byte(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: payout}
spec:
  type: service
  steps:
    - {id: last, action: debug:log, input: {message: "once for some"}, "backstage:permissions": {tags: [money]}}
`)
	actions := templates.Actions{"debug:log": testActions()[1]}
	old, problems := templates.Restore("template.yaml", snapshot.Snapshot{Digest: "sha256:old", Source: source}, "", "", actions)
	require.Empty(t, problems)
	id := newID()
	run, err := json.Marshal(plan.Run{Task: id, Plan: *old.Plan})
	require.NoError(t, err)
	_, err = w.store.CreateTask(t.Context(), store.NewTask{
		ID: id, TemplateRef: old.Ref, TemplateDigest: old.Digest, Spec: json.RawMessage(`{}`), Run: run, Digest: "d", CreatedBy: eve,
	})
	require.NoError(t, err)
	w.fail(id, 0)
	lost := w.as(eve, http.MethodPost, retryPath(id), "{}")
	require.Equal(t, http.StatusConflict, lost.status)
	require.Contains(t, lost.text, "is not known any more; submit a new task")
	require.NoError(t, w.store.SaveTemplate(t.Context(), store.NewTemplate{Ref: old.Ref, Digest: old.Digest, Source: string(source)}))
	refused := w.as(eve, http.MethodPost, retryPath(id), "{}")
	require.Equal(t, http.StatusForbidden, refused.status)
	require.Contains(t, refused.text, "not its steps last;")
	require.Equal(t, http.StatusCreated, w.as(adam, http.MethodPost, retryPath(id), "{}").status)
}

func TestResumeFailedTask_CorrectedValues_FitPagesOutOfSight(t *testing.T) {
	t.Parallel()
	w := payouts(t)
	task := w.payout(eve, map[string]any{"amount": 1})
	for _, body := range []string{`{"values":{"amount":"x"}}`, `{"values":{"reason":7}}`} {
		require.Equal(t, http.StatusBadRequest, w.as(eve, http.MethodPost, resumePath(task), body).status, body)
	}
	got := w.as(eve, http.MethodPost, resumePath(task), `{"values":{"amount":2}}`)
	require.Equal(t, http.StatusAccepted, got.status, "the page that asks for a reason was never hers: %s", got.text)
}
