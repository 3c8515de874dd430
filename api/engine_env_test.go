package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	temporallog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/worker"
	"github.com/gildway/gildway/workflows"
)

// realRuns is an engine that really carries runs out, each in a Temporal of its own in this process.
type realRuns struct {
	Engine // decides nothing
	t      *testing.T
	world  *world

	hold    sync.Mutex // whoever has it holds back new runs and what cancels them
	mu      sync.Mutex
	started map[string]*testsuite.TestWorkflowEnvironment // by attempt at a task
	newest  map[string]*testsuite.TestWorkflowEnvironment // by task
	running sync.WaitGroup
}

func carryingOut(t *testing.T, w *world) *realRuns {
	return &realRuns{t: t, world: w, started: map[string]*testsuite.TestWorkflowEnvironment{}, newest: map[string]*testsuite.TestWorkflowEnvironment{}}
}

func (e *realRuns) Start(_ context.Context, in plan.Run) error {
	e.hold.Lock()
	defer e.hold.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	attempt := activities.InAttempt(in.Task, in.Attempt)
	if e.started[attempt] != nil {
		return nil
	}
	quiet := slog.New(slog.DiscardHandler)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(temporallog.NewStructuredLogger(quiet))
	env := suite.NewTestWorkflowEnvironment()
	registry := worker.Registry(config.Config{}, nil)
	options := worker.RunOptions(config.Config{}, registry, quiet)
	blobs := memblob.OpenBucket(nil)
	options.Journal, options.Blobs, options.Secrets = worker.Journal{Store: e.world.store}, blobs, e.world.vault
	workflows.Register(env)
	run.New(options).Register(env, activities.MainQueue)
	e.started[attempt], e.newest[in.Task] = env, env
	e.running.Go(func() {
		env.ExecuteWorkflow(in.Plan.Template.Name, faster(e.t, in))
		_ = blobs.Close()
	})
	return nil
}

// faster makes steps wait for less long than their template says, and read the files of the template from here.
func faster(t *testing.T, in plan.Run) plan.Run {
	beside, err := filepath.Abs("../worker/testdata/backstage/" + in.Plan.Template.Name)
	require.NoError(t, err)
	in.Plan.Template.BaseURL = "file://" + beside + "/template.yaml"
	for i := range in.Plan.Steps {
		in.Plan.Steps[i].Input = bytes.ReplaceAll(in.Plan.Steps[i].Input, []byte(`"seconds":5`), []byte(`"seconds":0.5`))
	}
	return in
}

func (e *realRuns) Cancel(_ context.Context, task, reason string) error {
	e.running.Go(func() {
		e.hold.Lock()
		defer e.hold.Unlock()
		e.mu.Lock()
		defer e.mu.Unlock()
		if env := e.newest[task]; env != nil && !env.IsWorkflowCompleted() {
			env.SignalWorkflow(activities.CancelMessage, reason)
		}
	})
	return nil
}

func (v *fakeVault) Get(_ context.Context, task string) (map[string]string, error) {
	kept, ok := v.kept.Load(task)
	if !ok {
		return nil, fault.New(fault.NotFound, "nothing is kept")
	}
	return kept.(map[string]string), nil
}

// people are entities by their ref, as a catalog wrote them.
type people map[string]json.RawMessage

func (p people) Entity(_ context.Context, ref plan.EntityRef) (json.RawMessage, error) {
	if entity, ok := p[ref.String()]; ok {
		return entity, nil
	}
	return nil, fault.New(fault.NotFound, "unknown")
}
