package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

const schedules = "/api/gildway/v1/schedules"

// schedule is one of rosa's.
func (w *world) schedule(id string) string {
	w.t.Helper()
	_, err := w.store.CreateSchedule(w.t.Context(), store.Schedule{
		ID: id, Owner: rosa, Template: "template:default/noop", TemplateOwner: "group:default/platform",
		Values: json.RawMessage(`{"name":"one"}`), Cron: "0 3 * * 1", TimeZone: "UTC", Overlap: "skip",
	}, 0)
	require.NoError(w.t, err)
	return id
}

// asked is what the engine was asked about schedules, once it is so much.
func (w *world) asked(n int) (all []string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		w.engine.set(func(e *fakeEngine) { all = slices.Clone(e.schedules) })
		return len(all) >= n
	}, 10*time.Second, 10*time.Millisecond)
	return all
}

func TestSchedules_FromCreationToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"id": "weekly", "template": "noop", "values": map[string]any{"name": "one"}, "cron": "0 3 * * 1", "timezone": "Europe/Berlin"}
	for range 2 { // an answer may be lost
		made := w.as(rosa, http.MethodPost, schedules, body)
		require.Equal(t, http.StatusCreated, made.status, made.text)
		require.Equal(t, rosa, made.json(t)["owner"])
		require.Equal(t, "skip", made.json(t)["overlap"])
	}
	requireProblem(t, w.as(ben, http.MethodPost, schedules, body), http.StatusConflict, "Conflict", schedules)
	requireProblem(t, w.as(eve, http.MethodPost, schedules, body), http.StatusForbidden, "Denied", schedules)
	require.Equal(t, []string{"keep weekly paused=false"}, w.asked(1))

	next := time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
	w.engine.set(func(e *fakeEngine) { e.next = []time.Time{next} })
	shown := w.as(rosa, http.MethodGet, schedules+"/weekly", nil).json(t)
	require.Equal(t, []any{moment(next)}, shown["next"])
	require.Empty(t, shown["tasks"])

	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, schedules+"/weekly/run", nil).status)
	paused := w.as(adam, http.MethodPost, schedules+"/weekly/pause", nil)
	require.NotEmpty(t, paused.json(t)["pausedAt"])
	w.asked(3)
	require.NotContains(t, w.as(rosa, http.MethodPost, schedules+"/weekly/resume", nil).json(t), "pausedAt")
	w.asked(4)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodDelete, schedules+"/weekly", nil).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, schedules+"/weekly", nil).status)
	require.Equal(t, []string{
		"keep weekly paused=false", "run weekly", "keep weekly paused=true", "keep weekly paused=false", "drop weekly",
	}, w.asked(5))
	require.Equal(t, 1, w.audits("schedule-run"))
}

func TestCreateSchedule_EngineIsAway_IsPromisedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Unavailable, "away") })
	made := w.as(rosa, http.MethodPost, schedules, map[string]any{"id": "weekly", "template": "noop", "values": map[string]any{"name": "one"}, "cron": "@daily"})
	require.Equal(t, http.StatusCreated, made.status, made.text)
	requireProblem(t, w.as(rosa, http.MethodPost, schedules+"/weekly/run", nil), http.StatusServiceUnavailable, "Unavailable", schedules+"/weekly/run")
	require.Zero(t, w.audits("schedule-run"))
	w.engine.set(func(e *fakeEngine) { e.err = nil })
	require.Equal(t, []string{"keep weekly paused=false"}, w.asked(1))
}

func TestCreateSchedule_Refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Templates = withSecrets(t) })
	for name, c := range map[string]struct {
		change map[string]any
		says   string
	}{
		"not a time":       {map[string]any{"cron": "whenever"}, "0 3 * * 1"},
		"seconds":          {map[string]any{"cron": "* * * * * *"}, "is no time"},
		"a zone in it":     {map[string]any{"cron": "TZ=UTC 0 3 * * 1"}, "is no time"},
		"too often":        {map[string]any{"cron": "@every 59s"}, "@every 1m or longer"},
		"two kinds of day": {map[string]any{"cron": "0 3 1 * 1"}, "days of the month and days of the week"},
		"zone":             {map[string]any{"timezone": "Berlin"}, "Europe/Berlin"},
		"zone of ours":     {map[string]any{"timezone": "Local"}, "Europe/Berlin"},
		"values":           {map[string]any{"values": map[string]any{}}, "the values don't fit"},
		"overlap":          {map[string]any{"overlap": "whatever"}, "overlap"},
		"id":               {map[string]any{"id": "Not/An/Id"}, "id"},
		"secrets":          {map[string]any{"secrets": map[string]any{"token": "x"}}, "secrets"},
		"needs secrets":    {map[string]any{"template": "secretive"}, "needs secrets"},
	} {
		body := map[string]any{"template": "noop", "values": map[string]any{"name": "one"}, "cron": "@daily"}
		for key, value := range c.change {
			body[key] = value
		}
		got := w.as(rosa, http.MethodPost, schedules, body)
		requireProblem(t, got, http.StatusBadRequest, "Invalid", schedules)
		require.Contains(t, got.text, c.says, name)
	}
}

func TestCreateSchedule_AsManyAsOneMayHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Limits.Schedules = 1 })
	create := func(who, id string) answer {
		return w.as(who, http.MethodPost, schedules, map[string]any{"id": id, "template": "noop", "values": map[string]any{"name": "one"}, "cron": "@every 1m"})
	}
	for range 2 {
		require.Equal(t, http.StatusCreated, create(rosa, "one").status)
	}
	second := create(rosa, "two")
	requireProblem(t, second, http.StatusConflict, "Conflict", schedules)
	require.Contains(t, second.text, "user:default/rosa has 1 schedules, and may have no more; delete one first")
	require.Equal(t, http.StatusCreated, create(ben, "bens").status)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodDelete, schedules+"/one", nil).status)
	require.Equal(t, http.StatusCreated, create(rosa, "two").status)
}

// withSecrets is the library with a template that can't be run without a secret.
func withSecrets(t *testing.T) fakeLibrary {
	t.Helper()
	actions := templates.Actions{}
	for _, a := range testActions() {
		actions[a.ID] = a
	}
	versions, problems := templates.LoadFS(fstest.MapFS{"secretive/template.yaml": {Data: []byte(`apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: secretive}
spec:
  type: service
  secrets: {schema: {type: object, required: [token], properties: {token: {type: string}}}}
  steps: [{id: a, action: "debug:log", input: {message: x}}]
`)}}, func(name string) string { return "file:///templates/" + name + "/template.yaml" }, actions)
	require.Empty(t, problems)
	return append(library(t), versions...)
}

func TestListSchedules_OwnAndThoseOfOnesTemplates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.schedule("one")
	w.schedule("two")
	for who, n := range map[string]int{rosa: 2, tess: 2, olga: 2, adam: 2, eve: 0, ben: 0} {
		require.Len(t, w.as(who, http.MethodGet, schedules, nil).json(t)["items"], n, who)
	}
	page := w.as(rosa, http.MethodGet, schedules+"?limit=1", nil).json(t)
	rest := w.as(rosa, http.MethodGet, schedules+"?limit=1&cursor="+page["next"].(string), nil).json(t)
	require.Equal(t, "one", rest["items"].([]any)[0].(map[string]any)["id"])
	require.NotContains(t, rest, "next")
}

func TestSchedules_WhoMayCancel_StopsThem_AndRunsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) {
		s.Policy = policy(append(identity.OpenToEveryone(),
			identity.Rule{Who: []string{identity.OwnerOfTemplate}, May: []identity.Action{identity.Cancel, identity.Retry}})...)
	})
	path := schedules + "/" + w.schedule("weekly")
	require.Equal(t, http.StatusAccepted, w.as(tess, http.MethodPost, path+"/pause", nil).status)
	for _, what := range []string{"/run", "/resume"} {
		got := w.as(tess, http.MethodPost, path+what, nil)
		requireProblem(t, got, http.StatusForbidden, "Denied", path+what)
		require.Contains(t, got.text, "in the name of user:default/rosa; create one of your own")
	}
	require.Zero(t, w.audits("schedule-run"))
	for _, who := range []string{rosa, adam} {
		for _, what := range []string{"/run", "/resume"} {
			require.Equal(t, http.StatusAccepted, w.as(who, http.MethodPost, path+what, nil).status, who)
		}
	}
	require.Equal(t, http.StatusAccepted, w.as(tess, http.MethodDelete, path, nil).status)
}

func firingOf(schedule, time string) activities.Firing {
	return activities.Firing{Schedule: schedule, Task: activities.ScheduledTask(activities.ScheduledID(schedule)+"-"+time, "run")}
}

func TestFire_OneTaskInTheOwnersName_WhoeverAsksTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.schedule("weekly")
	in := firingOf("weekly", "2026-01-05T03:00:00Z")
	first, err := w.server.Fire(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, rosa, first.Requester.Ref)
	require.NotEmpty(t, first.Requester.Entity)
	again, err := w.server.Fire(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, first, again)
	task, err := w.store.Task(t.Context(), in.Task)
	require.NoError(t, err)
	require.NotNil(t, task.StartedAt, "its firing starts it, and nobody else")
	require.Equal(t, "weekly", w.as(rosa, http.MethodGet, "/api/gildway/v1/tasks/"+in.Task, nil).json(t)["schedule"])
	require.Len(t, w.as(rosa, http.MethodGet, schedules+"/weekly", nil).json(t)["tasks"], 1)

	require.NoError(t, w.store.Complete(t.Context(), in.Task, 0, store.StatusCompleted, "", nil, nil))
	_, err = w.server.Fire(t.Context(), in)
	require.Equal(t, fault.Conflict, fault.Unseal(err).Kind, "it has run")
	_, err = w.server.Fire(t.Context(), firingOf("weekly", "2026-01-12T03:00:00Z"))
	require.NoError(t, err)
	require.Len(t, w.as(rosa, http.MethodGet, schedules+"/weekly", nil).json(t)["tasks"], 2)
}

func TestFire_Refused_IsToldAndTheScheduleStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schedule func(*store.Schedule)
		change   func(*Server)
		kind     fault.Kind
		says     string
	}{
		"leaver": {schedule: func(c *store.Schedule) { c.Owner = eve }, kind: fault.Denied, says: "not in the directory"},
		"not allowed": {change: func(s *Server) {
			s.Policy = policy(identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.See}})
		}, kind: fault.Denied, says: "may not run"},
		"gone":   {schedule: func(c *store.Schedule) { c.Template = "template:default/gone" }, kind: fault.NotFound, says: "not found"},
		"values": {schedule: func(c *store.Schedule) { c.Values = json.RawMessage(`{}`) }, kind: fault.Invalid, says: "the values don't fit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *Server) {
				if c.change != nil {
					c.change(s)
				}
			})
			made := store.Schedule{
				ID: "weekly", Owner: rosa, Template: "template:default/noop", TemplateOwner: "group:default/platform",
				Values: json.RawMessage(`{"name":"one"}`), Cron: "@daily", TimeZone: "UTC", Overlap: "skip",
			}
			if c.schedule != nil {
				c.schedule(&made)
			}
			_, err := w.store.CreateSchedule(t.Context(), made, 0)
			require.NoError(t, err)
			in := firingOf("weekly", "2026-01-05T03:00:00Z")
			for range 2 {
				_, err = w.server.Fire(t.Context(), in)
				require.Equal(t, c.kind, fault.Unseal(err).Kind)
				require.Contains(t, fault.Unseal(err).Public, c.says)
			}
			_, err = w.store.Task(t.Context(), in.Task)
			require.ErrorIs(t, err, fault.NotFound)
			shown := w.as(adam, http.MethodGet, schedules+"/weekly", nil).json(t)
			require.Contains(t, shown["problem"], c.says)
			require.Equal(t, 1, w.audits("schedule-refused"))
			for _, who := range []string{made.Owner, tess} {
				told := w.as(who, http.MethodGet, "/api/gildway/v1/notifications", nil).json(t)["items"].([]any)
				require.Len(t, told, 1, who)
				require.Contains(t, told[0].(map[string]any)["text"], c.says)
			}
		})
	}
}

// A time waits for a quota only if no other can come to wait beside it.
func TestFire_QuotaIsUsedUp_WaitsOrIsLeftOut(t *testing.T) {
	t.Parallel()
	for overlap, want := range map[string]fault.Kind{"skip": fault.RateLimited, "buffer-one": fault.RateLimited, "allow-all": fault.Conflict} {
		t.Run(overlap, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *Server) {
				s.Limits.Quotas = func(who string, _ []string, _ string) []store.Quota {
					return []store.Quota{{Of: store.OfRequester, Ref: who, Running: 1}}
				}
			})
			_, err := w.store.CreateSchedule(t.Context(), store.Schedule{
				ID: "often", Owner: rosa, Template: "template:default/noop", TemplateOwner: "group:default/platform",
				Values: json.RawMessage(`{"name":"one"}`), Cron: "@every 1m", TimeZone: "UTC", Overlap: overlap,
			}, 0)
			require.NoError(t, err)
			running := w.submit()
			in := firingOf("often", "2026-01-05T03:00:00Z")
			for range 2 {
				_, err = w.server.Fire(t.Context(), in)
				require.Equal(t, want, fault.Unseal(err).Kind)
				require.Contains(t, fault.Unseal(err).Public, "too many tasks at once")
			}
			told := 0
			if want.Final() {
				told = 1
			}
			require.Equal(t, told, w.audits("schedule-refused"))
			require.Len(t, w.as(rosa, http.MethodGet, "/api/gildway/v1/notifications", nil).json(t)["items"], told)

			w.fail(running, 0)
			_, err = w.server.Fire(t.Context(), firingOf("often", "2026-01-05T03:01:00Z"))
			require.NoError(t, err)
			require.NotContains(t, w.as(rosa, http.MethodGet, schedules+"/often", nil).json(t), "problem")
		})
	}
}

// The directory is away: nobody has left for that.
func TestFire_Unavailable_IsNoRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Directory = awayDirectory{} })
	w.schedule("weekly")
	_, err := w.server.Fire(t.Context(), firingOf("weekly", "2026-01-05T03:00:00Z"))
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
	require.Zero(t, w.audits("schedule-refused"))
}

type awayDirectory struct{}

func (awayDirectory) Groups(context.Context, string) ([]string, error) {
	return nil, fault.New(fault.Unavailable, "the directory does not answer")
}

func (awayDirectory) Email(context.Context, string) (string, error) {
	return "", fault.New(fault.Unavailable, "the directory does not answer")
}

type (
	scheduleClient = client.ScheduleClient
	scheduleHandle = client.ScheduleHandle
)

// fakeSchedules is Temporal's side of schedules.
type fakeSchedules struct {
	client.Client
	scheduleClient
	scheduleHandle
	created client.ScheduleOptions
	err     error // of a creation
	unknown bool
	told    []string
}

func (f *fakeSchedules) ScheduleClient() client.ScheduleClient { return f }
func (f *fakeSchedules) GetHandle(context.Context, string) client.ScheduleHandle {
	return f
}

func (f *fakeSchedules) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	f.created = o
	return f, f.err
}

func (f *fakeSchedules) tell(what string) error {
	f.told = append(f.told, what)
	if f.unknown {
		return serviceerror.NewNotFound("x")
	}
	return nil
}

func (f *fakeSchedules) Pause(context.Context, client.SchedulePauseOptions) error {
	return f.tell("pause")
}

func (f *fakeSchedules) Unpause(context.Context, client.ScheduleUnpauseOptions) error {
	return f.tell("unpause")
}
func (f *fakeSchedules) Delete(context.Context) error { return f.tell("delete") }
func (f *fakeSchedules) Trigger(_ context.Context, o client.ScheduleTriggerOptions) error {
	return f.tell("trigger " + o.Overlap.String())
}

func TestTemporalEngine_Schedules(t *testing.T) {
	t.Parallel()
	c := store.Schedule{ID: "weekly", Owner: rosa, Template: "template:default/noop", Cron: "0 3 * * 1", TimeZone: "Europe/Berlin", Overlap: "buffer-one"}
	f := &fakeSchedules{}
	e := NewTemporalEngine(f)
	require.NoError(t, e.KeepSchedule(t.Context(), c))
	require.Equal(t, "schedule/weekly", f.created.ID)
	require.Equal(t, client.ScheduleSpec{CronExpressions: []string{"0 3 * * 1"}, TimeZoneName: "Europe/Berlin"}, f.created.Spec)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, f.created.Overlap)
	require.False(t, f.created.Paused)
	action := f.created.Action.(*client.ScheduleWorkflowAction)
	require.Equal(t, activities.ScheduledWorkflow, action.Workflow)
	require.Equal(t, []any{activities.ScheduledInput{Schedule: "weekly"}}, action.Args)

	f.err = temporal.ErrScheduleAlreadyRunning
	require.NoError(t, e.KeepSchedule(t.Context(), c))
	now := time.Now()
	c.PausedAt = &now
	require.NoError(t, e.KeepSchedule(t.Context(), c))
	require.NoError(t, e.RunSchedule(t.Context(), "weekly"))
	require.NoError(t, e.DropSchedule(t.Context(), "weekly"))
	f.unknown = true
	require.NoError(t, e.DropSchedule(t.Context(), "weekly"), "it is gone already")
	require.Equal(t, []string{"unpause", "pause", "trigger BufferAll", "delete", "delete"}, f.told)
	f.err = serviceerror.NewInvalidArgument("x")
	require.ErrorIs(t, e.KeepSchedule(t.Context(), c), fault.Invalid)
	f.err = serviceerror.NewUnavailable("x")
	require.ErrorIs(t, e.KeepSchedule(t.Context(), c), fault.Unavailable)
}

// Between acceptance and start a worker may be away: that is no run that was lost.
func TestFinder_AcceptedAndNotStartedYet_GoesOn(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t)
	w.schedule("weekly")
	scheduled := firingOf("weekly", "2026-01-05T03:00:00Z").Task
	_, err := w.server.Fire(t.Context(), activities.Firing{Schedule: "weekly", Task: scheduled})
	require.NoError(t, err)
	parent := w.submitted("parent")
	child, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	ended := func(how string) (ended []bool) {
		w.engine.set(func(e *fakeEngine) { e.lost = map[string]string{scheduled: how, child.Task: how} })
		_, err := w.server.finder.pass(t.Context())
		require.NoError(t, err)
		for _, id := range []string{scheduled, child.Task} {
			task, err := w.store.Task(t.Context(), id)
			require.NoError(t, err)
			ended = append(ended, task.Ended())
		}
		return ended
	}
	require.Equal(t, []bool{false, false}, ended(unknownRun))
	for _, id := range []string{scheduled, child.Task} {
		w.server.finder.unknown[id] = time.Now().Add(-2 * unknownFor)
	}
	require.Equal(t, []bool{false, false}, ended(unknownRun), "they may start yet")
	require.Equal(t, []bool{true, true}, ended("the run was terminated in Temporal"))
}
