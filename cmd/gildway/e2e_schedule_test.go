//go:build linux

package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/store"
)

// scheduled are a template whose effect is another one in each task, and somebody whom the catalog knows.
func scheduled(name string) map[string]string {
	return map[string]string{
		"ticket": `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: ` + name + `-ticket, title: Opens a ticket}
spec:
  owner: group:default/platform-team
  type: service
  parameters: {title: Ticket, required: [title], properties: {title: {type: string}}}
  steps:
    - {id: ticket, name: Open, action: "itsm:ticket:open", input: {title: "${{ parameters.title }}"}}
`,
		"person": `apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ` + name + `}
spec: {profile: {email: ` + name + `@acme.example}, memberOf: []}
`,
	}
}

// ran are the tasks of a schedule, newest first, once there are so many.
func (p person) ran(t *testing.T, schedule string, atLeast int) (tasks []client.TaskLine) {
	t.Helper()
	eventually(t, "tasks of "+schedule, func() bool {
		said, err := p.Schedule(t.Context(), schedule)
		tasks = said.Value.Tasks
		return err == nil && len(tasks) >= atLeast
	})
	return tasks
}

// opened counts the tickets of a task.
func (s *localStack) opened(t *testing.T, task string) (times int64) {
	t.Helper()
	for effect, n := range s.effects(t, task) {
		if strings.HasPrefix(effect, "servicenow.") && strings.Contains(effect, ".created ") {
			times += n
		}
	}
	return times
}

func TestSchedule_RunsWhenAskedAndByItself_UntilItIsPaused(t *testing.T) {
	s := shared(t)
	s.register(t, "scheduled-sven", scheduled("sven"))
	p := s.newcomer(t, "sven")
	values := filepath.Join(t.TempDir(), "values.json")
	require.NoError(t, os.WriteFile(values, []byte(`{"title":"Look after it"}`), 0o600))
	create := func(id, when string) result {
		return p.types(t, "task", "schedule", "create", "sven-ticket", "--values", values, "--cron", when, "--timezone", "Europe/Berlin", "--id", id)
	}

	// One that is far away runs when somebody asks, each time once.
	said := create("sven-yearly", "0 3 29 2 *")
	require.Zero(t, said.code, said.err)
	require.Zero(t, create("sven-yearly", "0 3 29 2 *").code, "the same again is the same")
	require.NotZero(t, create("sven-yearly", "@daily").code)
	for n := 1; n <= 2; n++ {
		said = p.types(t, "task", "schedule", "run", "sven-yearly")
		require.Zero(t, said.code, said.err)
		newest := p.ran(t, "sven-yearly", n)[0]
		require.Equal(t, p.ref(), newest.CreatedBy)
		run{by: p, id: newest.ID}.completes(t)
		require.EqualValues(t, 1, s.opened(t, newest.ID))
	}
	require.Len(t, p.ran(t, "sven-yearly", 2), 2)
	said = p.types(t, "task", "schedule", "show", "sven-yearly")
	require.Contains(t, said.out, "next at ")
	require.Contains(t, said.out, p.ran(t, "sven-yearly", 2)[0].ID)
	said = p.types(t, "task", "show", p.ran(t, "sven-yearly", 2)[0].ID)
	require.Contains(t, said.out, "by the schedule sven-yearly")

	// Another one runs by itself, over a crash of whoever accepts and of whoever carries out.
	require.NotZero(t, create("sven-often", "@every 1s").code, "nobody may wish for it so often; the test has no minute to wait")
	db, err := store.Open(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close()
	often, err := db.Schedule(t.Context(), "sven-yearly")
	require.NoError(t, err)
	often.ID, often.Cron = "sven-often", "@every 1s"
	_, err = db.CreateSchedule(t.Context(), often, 0)
	require.NoError(t, err)
	p.ran(t, "sven-often", 1)
	s.kill(t, "worker", "server")
	before := p.ran(t, "sven-often", 1)[0].ID
	eventually(t, "another task after the crash", func() bool { return p.ran(t, "sven-often", 1)[0].ID != before })

	// A pause ends that, and a resumption brings it back.
	require.Zero(t, p.types(t, "task", "schedule", "pause", "sven-often").code)
	eventually(t, "the pause", func() bool {
		said, err := p.Schedule(t.Context(), "sven-often")
		return err == nil && len(said.Value.Next) == 0
	})
	var last []client.TaskLine
	eventually(t, "the end of what was under way", func() bool {
		now := p.ran(t, "sven-often", 1)
		quiet := len(last) > 0 && last[0].ID == now[0].ID && now[0].Phase == "completed"
		last = now
		return quiet
	})
	for _, task := range last {
		run{by: p, id: task.ID}.completes(t)
		require.EqualValues(t, 1, s.opened(t, task.ID))
	}
	require.Zero(t, p.types(t, "task", "schedule", "resume", "sven-often").code)
	eventually(t, "a task after the resumption", func() bool { return p.ran(t, "sven-often", 1)[0].ID != last[0].ID })

	// Nothing is left of what is deleted.
	for _, id := range []string{"sven-often", "sven-yearly"} {
		require.Zero(t, p.types(t, "task", "schedule", "delete", id).code)
		require.NotZero(t, p.types(t, "task", "schedule", "show", id).code)
		require.NotContains(t, p.types(t, "task", "schedule", "list").out, id)
		eventually(t, "Temporal to forget "+id, func() bool {
			_, err := s.temporal(t).ScheduleClient().GetHandle(t.Context(), "schedule/"+id).Describe(t.Context())
			return err != nil
		})
	}
}

func TestSchedule_OfALeaver_RunsNothingAndSaysSo(t *testing.T) {
	s := shared(t)
	stranger := s.newcomer(t, "nemo")
	said := stranger.types(t, "task", "schedule", "create", "nodejs-microservice", "--cron", "@daily")
	require.NotZero(t, said.code)

	s.register(t, "scheduled-lea", scheduled("lea"))
	p := s.newcomer(t, "lea")
	said = p.types(t, "task", "schedule", "create", "lea-ticket", "--cron", "@yearly", "--id", "lea-yearly")
	require.NotZero(t, said.code)
	require.Contains(t, said.err, "title")
	_, err := p.CreateSchedule(t.Context(), client.NewSchedule{ID: "lea-yearly", Template: "lea-ticket", Values: json.RawMessage(`{"title":"x"}`), Cron: "@yearly"})
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, statusOf(t, stranger, "lea-yearly"))

	s.leaves(t, p)
	admin := s.role("admin")
	require.Zero(t, admin.types(t, "task", "schedule", "run", "lea-yearly").code)
	eventually(t, "the refusal", func() bool {
		now, err := admin.Schedule(t.Context(), "lea-yearly")
		return err == nil && strings.Contains(now.Value.Problem, "not in the directory")
	})
	shown := admin.types(t, "task", "schedule", "show", "lea-yearly")
	require.Contains(t, shown.out, "could not run at")
	now, err := admin.Schedule(t.Context(), "lea-yearly")
	require.NoError(t, err)
	require.Empty(t, now.Value.Tasks)
	_, told := p.ask(t, http.MethodGet, "/api/gildway/v1/notifications", "")
	require.Contains(t, string(told), "The schedule lea-yearly could not run template:default/lea-ticket")
	require.Equal(t, 1, s.auditedOf(t, "", "schedule-refused", "lea-yearly"))
	require.Zero(t, admin.types(t, "task", "schedule", "delete", "lea-yearly").code)
}

func statusOf(t *testing.T, p person, schedule string) int {
	t.Helper()
	status, _ := p.ask(t, http.MethodGet, "/api/gildway/v1/schedules/"+schedule, "")
	return status
}

// leaves takes a person out of the catalog.
func (s *localStack) leaves(t *testing.T, p person) {
	t.Helper()
	var entity struct{ Metadata struct{ UID string } }
	catalog := s.endpoints.Sandbox["catalog"]
	getJSON(t, catalog+"/entities/by-name/user/default/"+p.name, "Bearer "+s.endpoints.Providers["catalog"], &entity)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, catalog+"/entities/by-uid/"+entity.Metadata.UID, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.endpoints.Providers["catalog"])
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
}
