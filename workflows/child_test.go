package workflows_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// runs is a step that runs another template.
func runs(id string, needs ...string) plan.Step {
	return plan.Step{ID: id, Action: activities.RunTemplate, Kind: plan.ChildStep, Undoable: true, Needs: needs}
}

// accepting makes the world accept runs of templates, all of which have the same steps.
func (w *world) accepting(r activityRegistrar, child plan.Run) {
	w.does(r, activities.RunTemplate, func(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
		out, err := json.Marshal(activities.ChildOutput{Task: activities.ChildTask(in.Key()), Template: "template:default/other", Values: json.RawMessage(`{}`)})
		return activities.Outcome{Output: out}, err
	})
	w.undoes(r, activities.RunTemplate, func(activities.UndoInvocation) error { return nil })
	r.RegisterActivityWithOptions(func(_ context.Context, in activities.AskedRun) (plan.Run, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, in)
		run := child
		run.Task, run.Parent, run.Plan.Template.Name = in.Task, &in.Parent, "other"
		return run, fault.Seal(w.refuses)
	}, name(activities.AcceptActivity))
	r.RegisterActivityWithOptions(func(_ context.Context, in activities.Firing) (plan.Run, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fired = append(w.fired, in)
		run := child
		run.Task, run.Plan.Template.Name = in.Task, "other"
		return run, fault.Seal(w.refuses)
	}, name(activities.FireActivity))
}

func childOf(step string) string { return activities.ChildTask(task + "/" + step) }

func TestChild_WaitsForPeople_ThenGivesWhatItGave(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "a"}, gateStep("g", byApprover, "a")))
	parallel := runOf(plan.DAG, runs("c"), plan.Step{ID: "beside"}, plan.Step{ID: "after", Needs: []string{"c"}})
	parallel.Plan.Parallel = 1 // a child that waits takes no place
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "completed", string(state(t, env)["beside"].State))
		require.Equal(t, "running", string(state(t, env)["c"].State))
	}, 20*24*time.Hour)
	decideAfter(t, env, childOf("c"), 21*24*time.Hour)
	env.ExecuteWorkflow("sample", parallel)
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.asked, 1)
	require.Equal(t, plan.Parent{Task: task, Step: "c"}, w.asked[0].Parent)
	require.Contains(t, w.told(), "step-began c")
	require.Contains(t, w.told(), "step-completed c")

	var out activities.Outputs
	require.NoError(t, env.GetWorkflowResult(&out))
	var steps map[string]struct{ Output activities.ChildOutput }
	require.NoError(t, json.Unmarshal(out.Output, &steps))
	require.Equal(t, childOf("c"), steps["c"].Output.Task)
	require.Empty(t, steps["c"].Output.Values)
	require.Contains(t, string(steps["c"].Output.Output), `"did":"a"`)
}

func TestChild_Fails_TheStepFailsWithItsErrorAndIsUndone(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "x", Action: "test:fail"}))
	env.ExecuteWorkflow("sample", undoing(plan.DAG, runs("c")))
	f := failure(t, env)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Contains(t, f.Public, childOf("c"))
	require.Contains(t, f.Public, "the name is taken")
	require.Equal(t, []string{"undo c"}, w.called("undo c"))
}

func TestChild_NotAccepted_NothingRuns(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.refuses = fault.New(fault.Denied, "%s may not run template:default/other", requester)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "a"}))
	env.ExecuteWorkflow("sample", runOf(plan.DAG, runs("c")))
	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.Empty(t, w.called("test:do"))
}

func TestChild_ParentFailsLater_ChildIsRolledBack(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, plan.Step{ID: "a"}))
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, runs("c"), plan.Step{ID: "x", Action: "test:fail"}))
	require.Equal(t, "the name is taken", failure(t, env).Public)
	require.Equal(t, []string{"undo c"}, w.called("undo"))
	require.NotEmpty(t, w.undone[0].Output)
}

func TestChild_ParentCancelled_ChildIsToo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "a", Needs: []string{"g"}}))
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.CancelAndUndoMessage, "not needed") }, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, runs("c")))
	require.Contains(t, failure(t, env).Public, "the run was cancelled: not needed")
	require.Len(t, w.closed, 1, "the gate of the child")
	require.Empty(t, w.called("test:do"))
	require.Equal(t, []string{"undo c"}, w.called("undo"))
}

func TestChild_InALoop_OneTaskForEachItem(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.DAG, plan.Sequential} {
		env, w := environment(t)
		w.accepting(env, runOf(plan.DAG, plan.Step{ID: "a"}))
		each := runs("c")
		each.Each = json.RawMessage(`["1","2","3"]`)
		env.ExecuteWorkflow("sample", runOf(execution, each))
		require.NoError(t, env.GetWorkflowError())
		tasks := map[string]string{}
		for _, asked := range w.asked {
			tasks[asked.Parent.Iteration] = asked.Task
		}
		require.Equal(t, map[string]string{"1": childOf("c/1"), "2": childOf("c/2"), "3": childOf("c/3")}, tasks)
	}
}

func TestChild_Leased_TheLeaseBeginsWhenItHasEnded(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.accepting(env, runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "a", Needs: []string{"g"}}))
	granted := runs("c")
	granted.Lease = &plan.Lease{TTL: plan.Duration(24 * time.Hour)}
	began := env.Now()
	decideAfter(t, env, childOf("c"), 10*24*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, granted))
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.opened, 1)
	require.WithinDuration(t, began.Add(11*24*time.Hour), w.opened[0].Expires, time.Minute)
}

func decideAfter(t *testing.T, env *testsuite.TestWorkflowEnvironment, id string, after time.Duration) {
	env.RegisterDelayedCallback(func() {
		require.NoError(t, env.SignalWorkflowByID(id, activities.DecideMessage, activities.DecideMessageInput{
			Gate: activities.GateID(id, 0, "g"), Statement: statement(approver, plan.Approve, "", "n"),
		}))
	}, after)
}
