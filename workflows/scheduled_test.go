package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const firing = "schedule/weekly-2026-01-05T03:00:00Z"

var weekly = activities.ScheduledInput{Schedule: "weekly"}

func TestScheduled_OneTaskForEachFiring_LastsAsLongAsThat(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: firing, TaskQueue: activities.MainQueue})
	task := activities.ScheduledTask(firing, "") // this environment gives runs no ids
	require.NotEqual(t, task, activities.ScheduledTask(firing, "another"))
	w.accepting(env, runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "a", Needs: []string{"g"}}))
	began := env.Now()
	decideAfter(t, env, task, 5*24*time.Hour)
	env.ExecuteWorkflow(activities.ScheduledWorkflow, weekly)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []activities.Firing{{Schedule: "weekly", Task: task}}, w.fired)
	require.Len(t, w.called("test:do"), 1)
	require.GreaterOrEqual(t, env.Now().Sub(began), 5*24*time.Hour, "the next one would overlap until then")
}

func TestScheduled_Refused_NothingRuns(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.refuses = fault.New(fault.Denied, "%s may not run template:default/other", requester)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "a"}))
	env.ExecuteWorkflow(activities.ScheduledWorkflow, weekly)
	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.Len(t, w.fired, 1, "what is refused is not asked for again")
	require.Empty(t, w.called("test:do"))
}

func TestScheduled_TaskFails_TheFiringSaysSo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "x", Action: "test:fail"}))
	env.ExecuteWorkflow(activities.ScheduledWorkflow, weekly)
	f := failure(t, env)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Contains(t, f.Public, "the name is taken")
}

func TestScheduled_Cancelled_TheTaskIsToo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "a", Needs: []string{"g"}}))
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow(activities.ScheduledWorkflow, weekly)
	require.Error(t, env.GetWorkflowError())
	require.Len(t, w.closed, 1, "its gate")
	require.Empty(t, w.called("test:do"))
}
