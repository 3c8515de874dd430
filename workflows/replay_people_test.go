package workflows_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// meddling are runs that people change while they are under way.
type meddling struct {
	*world
	back  atomic.Bool  // the provider answers
	tries atomic.Int64 // how often it was asked
}

func preparePeople(server worker.Worker, w *world) *meddling {
	m := &meddling{world: w}
	w.does(server, "test:away", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		m.tries.Add(1)
		if !m.back.Load() {
			return activities.Outcome{}, fault.New(fault.Unavailable, "the provider does not answer")
		}
		return activities.Outcome{Output: json.RawMessage(`{}`)}, nil
	})
	w.undoes(server, "test:away", func(activities.UndoInvocation) error { return nil })
	w.accepting(server, child())
	return m
}

func child() plan.Run { return runOf(plan.DAG, plan.Step{ID: "a", Undoable: true}) }

// record carries the runs out, and one that runs another template.
func (w *meddling) record(ctx context.Context, t *testing.T, c client.Client) {
	update := func(id, name string, argument any) {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{argument},
		})
		require.NoError(t, err)
		require.NoError(t, handle.Get(ctx, nil))
	}
	approve := func(id string) {
		update(id, activities.DecideMessage, activities.DecideMessageInput{
			Gate: activities.GateID(id, 0, "g"), Statement: statement(approver, plan.Approve, "", uuid.NewString()),
		})
	}
	w.foreseen = func(int) (string, error) { return "sha256:later", nil }
	checks := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.gateChecks)
	}
	save(ctx, t, c, "gate-asks-again", start(ctx, t, c, runOf(plan.Sequential, plan.Step{ID: "a"}, gateStep("g", byApprover), plan.Step{ID: "b"}), func(id string) {
		approve(id)
		require.Eventually(t, func() bool { return checks() == 1 }, time.Minute, 100*time.Millisecond)
		require.Eventually(t, func() bool {
			var s struct{ Phase string }
			answer, err := c.QueryWorkflow(ctx, id, "", activities.StateQuery)
			return err == nil && answer.Get(&s) == nil && s.Phase == "waiting"
		}, time.Minute, 100*time.Millisecond)
		approve(id)
	}))
	w.foreseen = nil

	for what, then := range map[string]activities.StepThen{"step-retried-now": activities.RetryStep, "step-skipped": activities.SkipStep, "step-aborted": activities.AbortStep} {
		w.back.Store(false)
		w.tries.Store(0)
		in := undoing(plan.Sequential, plan.Step{ID: "a", Undoable: true},
			plan.Step{ID: "b", Action: "test:away", Undoable: true, Skippable: true, Retry: &plan.Retry{Interval: plan.Duration(time.Hour)}}, plan.Step{ID: "c"})
		save(ctx, t, c, what, duringRun(ctx, t, c, in, func(id string) {
			require.Eventually(t, func() bool { return w.tries.Load() > 0 }, time.Minute, 10*time.Millisecond)
			w.back.Store(then == activities.RetryStep)
			update(id, activities.CancelStepMessage, activities.CancelStep{Step: "b", Then: then, By: "user:default/rosa", Why: "enough"})
		}))
	}

	accepting := worker.New(c, activities.AcceptQueue, worker.Options{DisableWorkflowWorker: true})
	w.accepting(accepting, child())
	require.NoError(t, accepting.Start())
	defer accepting.Stop()
	save(ctx, t, c, "template-run-undone", start(ctx, t, c,
		undoing(plan.DAG, runs("child"), plan.Step{ID: "b", Action: "test:fail", Needs: []string{"child"}}), nil))
}

// duringRun begins a run, does something while it is under way, and gives its workflow id at the end.
func duringRun(ctx context.Context, t *testing.T, c client.Client, in plan.Run, meanwhile func(id string)) string {
	in.Task = uuid.NewString()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: in.Task, TaskQueue: activities.MainQueue}, "sample", in)
	require.NoError(t, err)
	meanwhile(in.Task)
	_ = run.Get(ctx, nil) // how it ends is part of the history
	return in.Task
}
