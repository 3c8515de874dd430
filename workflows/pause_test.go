package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

func TestPause_BeginsNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() { // while the gate waits, the run is paused, and then approved
		env.SignalWorkflow(activities.PauseMessage, "asked for by user:default/rosa")
		env.SignalWorkflow(activities.PauseMessage, "again")
	}, time.Hour)
	env.RegisterDelayedCallback(func() {
		asks(env, "1", message("g", statement(approver, plan.Approve, "", "1")))
	}, 2*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Empty(t, w.called("test:do"))
		require.Equal(t, "waiting", string(state(t, env)["b"].State))
		env.SignalWorkflow(activities.ResumeMessage, "")
	}, 7*24*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"run-started", "step-began g", "run-paused", "step-completed g", "run-resumed", "run-completed"}, w.told())
	require.Equal(t, "Paused: no more steps begin, asked for by user:default/rosa", w.recordOf(t, activities.RunPaused, "").Message)
}

func TestPause_Cancelled_Ends(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:slow", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		env.SignalWorkflow(activities.PauseMessage, "")
		return activities.Outcome{}, nil
	})
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.CancelMessage, "enough") }, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, plan.Step{ID: "a", Action: "test:slow"}, plan.Step{ID: "b"}))
	require.Equal(t, fault.Conflict, failure(t, env).Kind)
	require.Contains(t, w.told(), "step-skipped b")
	require.Empty(t, w.called("test:do"))
}

// A template that keeps what a failed run did is undone all the same if that is asked for.
func TestCancelAndUndo_TakesBackWhatTheTemplateKeeps(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.CancelAndUndoMessage, "not needed") }, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, plan.Step{ID: "a", Undoable: true}, gateStep("g", byApprover, "a")))
	require.Equal(t, "the run was cancelled: not needed", failure(t, env).Public)
	require.Equal(t, []string{"undo a"}, w.called("undo"))
}
