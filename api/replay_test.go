package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"
)

// What differs from the recordings on purpose, beside ids, dates and stack traces. Each is allowed for where it is compared:
//   - The order of a step's own log lines: Backstage doesn't keep it (ordered).
//   - What an action's and a filter's schemas say to people: the recordings leave it out, ours is our own (blanked, plain).
//   - A long poll is answered at the first event; Backstage looks once a second and gives what has come together (longPoll).
//   - Actions that are not here, and schemas that are others: see ourOwn and notHere.
//   - Our working folder reads /workspaces (workdir).
//
// Everything that was recorded of a Backstage 4.2 is asked again, in the order and the state of then, and answered
// alike but for ids, dates and stack traces. See also TestDryRun_Recordings_AreReproduced.
func TestRecordings_TheWholeSession_IsAnsweredAlike(t *testing.T) {
	t.Parallel()
	r := newReplay(t)
	for _, name := range []string{"warm-0", "warm-1", "warm-2", "warm-3", "warm-4", "warm-5"} {
		r.ended(r.create(newID(), "noop-10", `{"name":"`+name+`"}`))
	}
	all := func(file string, before map[string]func()) {
		for _, rec := range recordings(t, file) {
			if prepare := before[rec.Name]; prepare != nil {
				prepare()
			}
			ok := t.Run(file+"/"+rec.Name, func(t *testing.T) { r.ask(t, rec) })
			if id := rec.created(t); ok && id != "" {
				r.ended(r.ids.Replace(id))
			}
		}
	}
	all("create", nil)
	all("get-list", nil)
	all("templates", nil)
	r.eventsOfThen(t)

	const failing, cancelled, done = "78134945-d2e2-4318-a46d-6f6c2740c571", "efb45399-35aa-4cf2-b2a5-e302dc784b4a", "1f5918ee-198e-4244-9947-145072018ce2"
	fails := r.create(failing, "fails", `{"name":"f"}`)
	r.ended(fails)
	r.streamsOfThen(t)
	wait := r.create(cancelled, "wait-5s", `{"name":"cancel"}`)
	all("cancel", map[string]func(){
		"running task before":                      func() { r.until(wait, begun("wait")) },
		"cancel a running task":                    r.engine.hold.Lock,
		"stream of a task that is being cancelled": r.engine.hold.Unlock,
		"at the end":                               func() { r.ended(wait) },
	})
	all("retry", map[string]func(){
		"retry a failed task":            r.engine.hold.Lock,
		"after the retry":                func() { r.engine.hold.Unlock(); r.ended(fails) },
		"retry without a body":           func() { r.ended(fails) },
		"retry a cancelled task":         r.engine.hold.Lock,
		"cancelled task after its retry": func() { r.engine.hold.Unlock(); r.ended(wait) },
		"completed task after retry":     func() { r.ended(r.ids.Replace(done)) },
	})
}

func begun(step string) func(store.Task, []store.Event) bool {
	return func(_ store.Task, events []store.Event) bool {
		return len(events) > 0 && strings.Contains(string(events[len(events)-1].Body), `"stepId":"`+step+`","status":"processing"`)
	}
}

// placed puts the id of our event into a path that asks for what comes after a recorded one.
func (r *replay) placed(t *testing.T, rec recording, recorded []json.RawMessage, task string) recording {
	t.Helper()
	path, after, asked := strings.Cut(rec.Request.Path, "after=")
	if !asked || after == "abc" {
		return rec
	}
	events, err := r.store.Events(t.Context(), task, 0, true, 1000)
	require.NoError(t, err)
	for i, raw := range recorded {
		if strings.HasPrefix(strings.Join(strings.Fields(string(raw)), ""), `{"id":`+after+`,`) {
			id, err := json.Marshal(events[i].ID)
			require.NoError(t, err)
			rec.Request.Path = path + "after=" + string(id)
			return rec
		}
	}
	t.Fatalf("no event %s was recorded", after)
	return rec
}

func (r *replay) eventsOfThen(t *testing.T) {
	recs := recordings(t, "events")
	var done, polled []json.RawMessage
	require.NoError(t, json.Unmarshal(recs[0].Response.Body, &done))
	require.NoError(t, json.Unmarshal(recs[5].Response.Body, &polled))
	first := r.ids.Replace("1f5918ee-198e-4244-9947-145072018ce2")
	for _, rec := range recs {
		var task string
		switch rec.Name {
		case "long poll without any new event (empty list after 30 s)":
			t.Run("events/"+rec.Name, func(t *testing.T) { r.silence(t, rec) })
			continue
		case "events of a running task":
			task = r.create("f1a30305-799a-42ec-a4dc-501c7e54eb11", "wait-5s", `{"name":"poll"}`)
			r.until(task, begun("wait"))
		}
		t.Run("events/"+rec.Name, func(t *testing.T) {
			switch rec.Name {
			case "long poll for the next events":
				rec = r.placed(t, rec, polled, r.ids.Replace("f1a30305-799a-42ec-a4dc-501c7e54eb11"))
				r.longPoll(t, rec)
			default:
				r.ask(t, r.placed(t, rec, done, first))
			}
		})
	}
	r.ended(r.ids.Replace("f1a30305-799a-42ec-a4dc-501c7e54eb11"))
}

// longPoll is answered at the first event, and not a second later: what Backstage gave at once comes in several answers.
func (r *replay) longPoll(t *testing.T, rec recording) {
	t.Helper()
	var want []json.RawMessage
	require.NoError(t, json.Unmarshal(rec.Response.Body, &want))
	got := r.as(guest, rec.Request.Method, r.ids.Replace(rec.Request.Path), nil)
	require.Equal(t, http.StatusOK, got.status)
	var events []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(got.text), &events))
	require.NotEmpty(t, events)
	require.Equal(t, r.normal(t, string(want[0])), r.normal(t, string(events[0])))
}

// silence asks for the events of a task that says nothing.
func (r *replay) silence(t *testing.T, rec recording) {
	t.Parallel()
	task := newID()
	_, err := r.store.CreateTask(t.Context(), store.NewTask{ID: task, TemplateRef: "x", TemplateDigest: "x", Spec: json.RawMessage("{}"), Run: json.RawMessage("{}"), Digest: "x", CreatedBy: guest})
	require.NoError(t, err)
	got := r.as(guest, rec.Request.Method, "/api/scaffolder/v2/tasks/"+task+"/events?after=445", nil)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "[]", got.text)
}

func (r *replay) streamsOfThen(t *testing.T) {
	recs := recordings(t, "eventstream")
	var done []json.RawMessage
	require.NoError(t, json.Unmarshal(recordings(t, "events")[0].Response.Body, &done))
	first := r.ids.Replace("1f5918ee-198e-4244-9947-145072018ce2")
	for _, rec := range recs {
		if rec.Name == "running task to its end" {
			r.create("06e7f01a-e05a-49c7-8634-4d56be93adf9", "wait-5s", `{"name":"stream"}`)
		}
		t.Run("eventstream/"+rec.Name, func(t *testing.T) { r.ask(t, r.placed(t, rec, done, first)) })
	}
}
