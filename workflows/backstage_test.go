package workflows_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

func v1beta3(steps ...plan.Step) plan.Run {
	in := runOf(plan.Sequential, steps...)
	in.Plan.Template.APIVersion = "scaffolder.backstage.io/v1beta3"
	return in
}

func TestBackstage_NamedFailure_KeepsItsNameToTheEnd(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:missing", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		return activities.Outcome{}, &fault.Error{Kind: fault.NotFound, Name: "Error", Public: "ENOENT: no such file or directory"}
	})
	env.ExecuteWorkflow("sample", v1beta3(plan.Step{ID: "a", Action: "test:missing"}))
	f := failure(t, env)
	require.Equal(t, "Error", f.Name)
	require.Equal(t, fault.NotFound, f.Kind)
	require.Equal(t, "Error", w.recordOf(t, activities.StepFailed, "a").Named)
	require.Equal(t, "Error", w.recordOf(t, activities.RunFailed, "").Named)
}

func TestBackstage_LaterFailure_IsAdditional(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	always := json.RawMessage(`"always()"`)
	w.does(env, "test:second", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		return activities.Outcome{}, fault.New(fault.Denied, "the second")
	})
	env.ExecuteWorkflow("sample", v1beta3(
		plan.Step{ID: "a", Action: "test:fail"}, plan.Step{ID: "b"},
		plan.Step{ID: "c", Action: "test:second", If: always, RunsAfterFailure: true},
		plan.Step{ID: "d", If: always, RunsAfterFailure: true}))
	require.Equal(t, "the name is taken", failure(t, env).Public)
	require.Equal(t, []string{
		"run-started", "step-failed a", "step-skipped b", "step-failed c", "run-failed",
	}, w.told())
	require.False(t, w.recordOf(t, activities.StepFailed, "a").Additional)
	second := w.recordOf(t, activities.StepFailed, "c")
	require.True(t, second.Additional)
	require.Equal(t, "the second", second.Message)
	require.Equal(t, []string{"test:do d"}, w.called("test:do"))
}

func TestBackstage_Cancelled_SaysItAsBackstageDoes(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:endless", func(ctx context.Context, _ activities.Invocation) (activities.Outcome, error) {
		env.CancelWorkflow()
		<-ctx.Done()
		return activities.Outcome{}, ctx.Err()
	})
	env.ExecuteWorkflow("sample", v1beta3(
		plan.Step{ID: "wait", Name: "Wait", Action: "test:endless", Local: true},
		plan.Step{ID: "b"}, plan.Step{ID: "c", If: json.RawMessage(`"always()"`), RunsAfterFailure: true}))
	const says = "Step wait (Wait) of task " + task + " has been cancelled."
	f := failure(t, env)
	require.Equal(t, says, f.Public)
	require.Equal(t, "Error", f.Name)
	failed := w.recordOf(t, activities.StepFailed, "wait")
	require.Equal(t, says, failed.Message)
	require.Equal(t, "Error", failed.Named)
	require.False(t, failed.Additional)
	for _, id := range []string{"b", "c"} {
		require.Equal(t, "Skipping step "+id+" because a previous step failed", w.recordOf(t, activities.StepSkipped, id).Message)
	}
	require.Equal(t, says, w.recordOf(t, activities.RunFailed, "").Message)
}

func TestBackstage_CancelledBetweenSteps_NamesTheNext(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() { env.CancelWorkflow() }, 0)
	env.ExecuteWorkflow("sample", v1beta3(plan.Step{ID: "a", Name: "A"}, plan.Step{ID: "b"}))
	require.Equal(t, "Step A has been cancelled.", failure(t, env).Public)
	require.Empty(t, w.called("test:"))
}

func TestRun_EachSkipsAll_SaysSo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", v1beta3(plan.Step{ID: "a", Each: json.RawMessage(`["skip1","skip2"]`)}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"Skipping step each: skip1", "Skipping step each: skip2"}, w.recordOf(t, activities.StepBegan, "a").Says)
}
