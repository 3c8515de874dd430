package run

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

// How Backstage's logger begins a line.
const (
	infoMark  = "\x1b[32minfo\x1b[39m: "
	warnMark  = "\x1b[33mwarn\x1b[39m: "
	errorMark = "\x1b[31merror\x1b[39m: "
)

type event struct{ Step, Status, Message string }

type ending struct {
	Status, Message, Output string
	Fault                   *fault.Error
}

// journal keeps in memory what the store keeps in Postgres, by the same rules.
type journal struct {
	mu          sync.Mutex
	keys        map[string]bool
	events      []event
	status      string
	end         *ending
	checkpoints map[string]json.RawMessage
	audits      []map[string]any
	effects     []string
	recorded    map[string]activities.Effect
	down        bool
	attempt     int // the newest at the task
	waits       []wait
}

func newJournal() *journal {
	return &journal{keys: map[string]bool{}, checkpoints: map[string]json.RawMessage{}, recorded: map[string]activities.Effect{}}
}

// once reports whether a key is new, or that the journal does not answer.
func (j *journal) once(key string) (bool, error) {
	if j.down {
		return false, errors.New("connection refused to 10.0.0.7")
	}
	fresh := !j.keys[key]
	j.keys[key] = true
	return fresh, nil
}

func (j *journal) Log(_ context.Context, task, key, step, status, message string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	fresh, err := j.once("log " + task + " " + key)
	if fresh {
		j.events = append(j.events, event{step, status, message})
	}
	return err
}

func (j *journal) EffectBegins(_ context.Context, _, key string, e activities.Effect) error {
	j.mu.Lock()
	e.Output = j.recorded[key].Output
	j.recorded[key] = e
	j.mu.Unlock()
	return j.effect("begins " + key)
}

func (j *journal) EffectDone(_ context.Context, key string, output json.RawMessage) error {
	j.mu.Lock()
	e := j.recorded[key]
	e.Output = output
	j.recorded[key] = e
	j.mu.Unlock()
	return j.effect("done " + key)
}

func (j *journal) EffectOf(_ context.Context, key string) (e activities.Effect, found bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found = j.recorded[key]
	return e, found, nil
}

func (j *journal) EffectUndone(_ context.Context, key string, byLease bool) error {
	j.mu.Lock()
	delete(j.recorded, key)
	j.mu.Unlock()
	if byLease {
		key += " by its lease"
	}
	return j.effect("undone " + key)
}

func (j *journal) EffectLeft(_ context.Context, key, problem string) error {
	return j.effect("left " + key + ": " + problem)
}

func (j *journal) effect(what string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.effects = append(j.effects, what)
	if j.down {
		return errors.New("connection refused to 10.0.0.7")
	}
	return nil
}

func (j *journal) Notify(_ context.Context, n notice.Notice) error {
	return j.effect("notice " + n.Key + ": " + n.Title)
}

func (j *journal) Hold(_ context.Context, _, _ string, found bool) (bool, error) { return !found, nil }

func (j *journal) Held(context.Context, string) ([]string, error) { return nil, nil }

func (j *journal) LetGo(context.Context, string, string) (activities.Holding, error) {
	return activities.Holding{}, nil
}

func (j *journal) CallWaits(_ context.Context, in activities.Invocation, tries int, why string, next time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waits = append(j.waits, wait{in.Step + in.Iteration, tries, why, time.Until(next)})
	return nil
}

func (j *journal) CallGoesOn(_ context.Context, _, step, iteration string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waits = append(j.waits, wait{step + iteration, 0, "", 0})
	return nil
}

// wait is what was noted of a call that waits; no tries, that it goes on.
type wait struct {
	call  string
	tries int
	why   string
	pause time.Duration
}

func (j *journal) SetPaused(context.Context, string, int, bool) error { return nil }

func (j *journal) Gone(context.Context, string, string) error { return nil }

func (j *journal) Effects(context.Context, string) ([]activities.Effect, error) { return nil, nil }

func (j *journal) EffectsPage(context.Context, activities.EffectsQuery) (page activities.EffectsPage, err error) {
	return page, nil
}

func (j *journal) SetStatus(_ context.Context, _ string, _ int, status string) error {
	j.status = status
	return nil
}

func (j *journal) RequestCancel(_ context.Context, task string, _ int, by string) error {
	if fresh, err := j.once("cancel " + task); !fresh || err != nil {
		return err
	}
	j.events = append(j.events, event{"", "cancelled", by})
	return nil
}

func (j *journal) Complete(_ context.Context, _ string, _ int, status, message string, output json.RawMessage, f *fault.Error) error {
	if j.end == nil {
		j.end = &ending{status, message, string(output), f}
	}
	return nil
}

func (j *journal) AttemptIsOver(_ context.Context, _ string, attempt int) (bool, error) {
	return attempt < j.attempt || j.end != nil, nil
}

func (j *journal) ForgetCall(_ context.Context, _, _, key string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.DeleteFunc(j.checkpoints, func(at string, _ json.RawMessage) bool { return strings.HasPrefix(at, key+" ") })
	return nil
}

func (j *journal) LoadCheckpoint(_ context.Context, key, name string) (json.RawMessage, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v, ok := j.checkpoints[key+" "+name]
	return v, ok, nil
}

func (j *journal) SaveCheckpoint(_ context.Context, key, name string, value json.RawMessage) (json.RawMessage, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.checkpoints[key+" "+name]; !ok {
		j.checkpoints[key+" "+name] = value
	}
	return j.checkpoints[key+" "+name], nil
}

func (j *journal) Audit(_ context.Context, task, key, kind, actor string, data map[string]any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	fresh, err := j.once("audit " + task + " " + key)
	if fresh {
		data["kind"], data["actor"] = kind, actor
		j.audits = append(j.audits, data)
	}
	return err
}

func (j *journal) messages() []string {
	var all []string
	for _, e := range j.events {
		all = append(all, e.Message)
	}
	return all
}

type secretsOf map[string]string

func (s secretsOf) Get(context.Context, string) (map[string]string, error) { return s, nil }

// bench is a runner with a journal in memory and whatever actions a test declares.
type bench struct {
	*Runner
	journal *journal
	blobs   *blob.Bucket
	env     *testsuite.TestActivityEnvironment
}

func newBench(t *testing.T, secrets Secrets, actions ...activities.Action) *bench {
	t.Helper()
	registry := activities.NewRegistry(actions...)
	require.NoError(t, registry.Check())
	b := &bench{journal: newJournal(), blobs: memblob.OpenBucket(nil)}
	t.Cleanup(func() { require.NoError(t, b.blobs.Close()) })
	b.Runner = New(Options{Registry: registry, Journal: b.journal, Blobs: b.blobs, Secrets: secrets, Log: slog.New(slog.DiscardHandler)})
	var suite testsuite.WorkflowTestSuite
	b.env = suite.NewTestActivityEnvironment()
	return b
}

func examples() []plan.Example { return []plan.Example{{Description: "d", YAML: "steps: []\n"}} }

func info() activities.RunInfo {
	return activities.RunInfo{
		Task:      "11111111-2222-4333-8444-555555555555",
		Template:  plan.Template{Ref: "template:default/t", Name: "t"},
		Requester: plan.Person{Ref: "user:default/rosa", Entity: json.RawMessage(`{"metadata":{"name":"rosa"}}`)},
	}
}

func invocation(input string) activities.Invocation {
	return activities.Invocation{
		Run: info(), Step: "make", StepName: "Make it", Input: json.RawMessage(input), First: true, Last: true,
	}
}
