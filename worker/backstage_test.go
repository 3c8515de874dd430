package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/workflows"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// recorded is a run of a Backstage 4.2 with all its events. Ids read <task>, its working folder /workspaces/<task>,
// stack traces are cut.
type recorded struct {
	Name     string
	Template string
	Values   json.RawMessage
	Secrets  map[string]string
	CancelIn string // the step during which it was cancelled
	Events   []recordedEvent
}

type recordedEvent struct {
	Type string         `json:"type"`
	Body map[string]any `json:"body"`
}

func TestBackstage_RecordedEventStreams_Reproduced(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/backstage/events.json")
	require.NoError(t, err)
	var runs []recorded
	require.NoError(t, json.Unmarshal(raw, &runs))
	require.NotEmpty(t, runs)
	for _, r := range runs {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			got := eventsOf(t, r)
			require.Equal(t, ordered(r.Events), ordered(got))
		})
	}
}

// ordered puts a step's own log lines, whose order Backstage doesn't keep, behind its beginning, sorted.
func ordered(events []recordedEvent) []recordedEvent {
	begins := map[any]int{}
	rank := func(e recordedEvent) (at int, line string) {
		step, status := e.Body["stepId"], e.Body["status"]
		if step != nil && status == nil {
			line, _ = e.Body["message"].(string)
			return begins[step], line
		}
		return 0, ""
	}
	var stable, lines []recordedEvent
	for _, e := range events {
		if e.Body["stepId"] != nil && e.Body["status"] == nil {
			lines = append(lines, e)
			continue
		}
		stable = append(stable, e)
		if e.Body["status"] == "processing" {
			begins[e.Body["stepId"]] = len(stable)
		}
	}
	slices.SortStableFunc(lines, func(a, b recordedEvent) int {
		i, x := rank(a)
		j, y := rank(b)
		return cmp.Or(i-j, strings.Compare(x, y))
	})
	var out []recordedEvent
	for i := 0; i <= len(stable); i++ {
		for _, l := range lines {
			if at, _ := rank(l); at == i {
				out = append(out, l)
			}
		}
		if i < len(stable) {
			out = append(out, stable[i])
		}
	}
	return out
}

// eventsOf runs a recorded template through compiler, workflow, actions and Postgres.
func eventsOf(t *testing.T, r recorded) []recordedEvent {
	t.Helper()
	registry := Registry(config.Config{}, nil)
	actions := templates.Actions{}
	for _, a := range registry.Infos() {
		actions[a.ID] = a
	}
	src, err := os.ReadFile("../templates/testdata/compile/backstage-" + r.Template + "/template.yaml")
	require.NoError(t, err)
	if r.CancelIn == "" {
		src = []byte(strings.ReplaceAll(string(src), "seconds: 5", "seconds: 0.01")) // nothing of it is in the events
	}
	template, problems := templates.Parse("template.yaml", src)
	require.Empty(t, problems)
	beside, err := filepath.Abs("testdata/backstage/" + r.Template)
	require.NoError(t, err)
	compiled, problems := templates.Compile(template, actions, templates.Context{BaseURL: "file://" + beside + "/template.yaml", Digest: "sha256:0"})
	require.Empty(t, problems)

	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	blobs := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	in := plan.Run{
		Task: uuid.NewString(), Plan: *compiled, Values: r.Values,
		Requester: plan.Person{Ref: "user:default/guest", Entity: json.RawMessage(`{"metadata":{"name":"guest"}}`)},
	}
	for name := range r.Secrets {
		in.Secrets = append(in.Secrets, name)
	}
	sent, err := json.Marshal(in)
	require.NoError(t, err)
	_, err = db.CreateTask(t.Context(), store.NewTask{
		ID: in.Task, TemplateRef: in.Plan.Template.Ref, TemplateDigest: in.Plan.Template.Digest,
		Spec: json.RawMessage("{}"), Run: sent, Digest: in.Digest(), CreatedBy: in.Requester.Ref,
	})
	require.NoError(t, err)

	quiet := slog.New(slog.DiscardHandler)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(quiet))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	options := RunOptions(config.Config{}, registry, quiet)
	options.Journal, options.Blobs, options.Secrets = watched{Journal{db}, func(step string) {
		if step == r.CancelIn {
			require.NoError(t, db.RequestCancel(context.Background(), in.Task, in.Attempt, in.Requester.Ref)) // as the API does
			env.SignalWorkflow(activities.CancelMessage, "")
		}
	}}, blobs, givenSecrets(r.Secrets)
	workflows.Register(env)
	run.New(options).Register(env, activities.MainQueue)
	env.ExecuteWorkflow(in.Plan.Template.Name, in)
	require.True(t, env.IsWorkflowCompleted())

	stored, err := db.Events(t.Context(), in.Task, 0, true, 1000)
	require.NoError(t, err)
	events := make([]recordedEvent, len(stored))
	for i, e := range stored {
		events[i].Type = e.Type
		body := strings.ReplaceAll(string(e.Body), in.Task, "<task>")
		require.NoError(t, json.Unmarshal([]byte(body), &events[i].Body))
	}
	return events
}

// watched is a journal that tells when a step begins.
type watched struct {
	Journal
	began func(step string)
}

func (w watched) Log(ctx context.Context, task, key, step, status, message string) error {
	err := w.Journal.Log(ctx, task, key, step, status, message)
	if status == "processing" {
		w.began(step)
	}
	return err
}

type givenSecrets map[string]string

func (s givenSecrets) Get(context.Context, string) (map[string]string, error) { return s, nil }
