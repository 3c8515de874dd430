package workflows_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

func switchStep(id string, branches ...plan.Branch) plan.Step {
	return plan.Step{ID: id, Name: "Choose " + id, Kind: plan.SwitchStep, Branches: branches}
}

// in puts a step into a branch.
func in(of, name string, s plan.Step) plan.Step {
	s.Branch = &plan.InBranch{Switch: of, Name: name}
	s.Needs = append(s.Needs, of)
	return s
}

var sizes = []plan.Branch{{Name: "large", If: json.RawMessage(`false`)}, {Name: "small", If: json.RawMessage(`true`)}, {Name: "other"}}

func TestSwitch_OneBranch_Runs(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.Sequential, plan.DAG} {
		t.Run(string(execution), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			env.ExecuteWorkflow("sample", runOf(execution,
				switchStep("size", sizes...),
				in("size", "large", gateStep("g", byApprover)),
				in("size", "large", plan.Step{ID: "a", Needs: []string{"g"}}),
				in("size", "small", plan.Step{ID: "b"}),
				in("size", "other", plan.Step{ID: "c", If: json.RawMessage(`"always()"`), RunsAfterFailure: true}),
				plan.Step{ID: "d", Needs: []string{"size", "g", "a", "b", "c"}}))

			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, []string{"test:do b", "test:do d"}, w.called("test:"))
			require.Empty(t, w.called("open-gate"))
			require.Empty(t, w.closed)
			require.JSONEq(t, `{"branch":"small"}`, string(w.recordOf(t, activities.StepCompleted, "size").Output))
			require.Equal(t, "Skipping step g because its branch was not chosen", w.recordOf(t, activities.StepSkipped, "g").Message)
			require.NotContains(t, w.told(), "step-began g")
			var out activities.Outputs
			require.NoError(t, env.GetWorkflowResult(&out))
			require.JSONEq(t, `{"size":{"output":{"branch":"small"}},"b":{"output":{"did":"b"}},"d":{"output":{"did":"d"}}}`, string(out.Output))
		})
	}
}

func TestSwitch_NoBranch_SkipsThemAll(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		switchStep("size", sizes[:1]...), in("size", "large", plan.Step{ID: "a"}), plan.Step{ID: "b", Needs: []string{"size", "a"}}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do b"}, w.called("test:"))
	require.JSONEq(t, `{"branch":null}`, string(w.recordOf(t, activities.StepCompleted, "size").Output))
}

func TestSwitch_Nested_OfAnUnchosenBranchChoosesNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		switchStep("size", sizes...),
		in("size", "large", switchStep("inner", sizes[2:]...)),
		in("inner", "other", plan.Step{ID: "a", Needs: []string{"size"}}),
		in("size", "small", switchStep("also", sizes[2:]...)),
		in("also", "other", plan.Step{ID: "b"})))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do b"}, w.called("test:"))
	require.Equal(t, "Skipping step inner because its branch was not chosen", w.recordOf(t, activities.StepSkipped, "inner").Message)
	require.Equal(t, "Skipping step a because its branch was not chosen", w.recordOf(t, activities.StepSkipped, "a").Message)
}

func TestSwitch_IfFalse_ChoosesNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	size := switchStep("size", sizes...)
	size.If = json.RawMessage(`false`)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, size, in("size", "small", plan.Step{ID: "a"})))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, "Skipping step size because its if condition was false", w.recordOf(t, activities.StepSkipped, "size").Message)
	require.Equal(t, "Skipping step a because its branch was not chosen", w.recordOf(t, activities.StepSkipped, "a").Message)
}

func TestSwitch_AfterAFailure_EverythingIsSkippedForIt(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential,
		plan.Step{ID: "a", Action: "test:fail"}, switchStep("size", sizes...),
		in("size", "small", plan.Step{ID: "b", If: json.RawMessage(`"always()"`), RunsAfterFailure: true})))
	failure(t, env)
	require.Equal(t, "Skipping step size because a previous step failed", w.recordOf(t, activities.StepSkipped, "size").Message)
	require.Equal(t, "Skipping step b because a previous step failed", w.recordOf(t, activities.StepSkipped, "b").Message)
}

func TestSwitch_Details_ShowWhatWasChosen(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	var details string
	env.RegisterDelayedCallback(func() {
		answer, err := env.QueryWorkflow("__temporal_workflow_metadata")
		require.NoError(t, err)
		var metadata sdkpb.WorkflowMetadata
		require.NoError(t, answer.Get(&metadata))
		details = metadata.GetCurrentDetails()
		env.SignalWorkflow(activities.DecideMessage, message("g", statement(approver, plan.Approve, "", "1")))
	}, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential,
		switchStep("size", sizes...), in("size", "large", plan.Step{ID: "a"}), in("size", "small", gateStep("g", byApprover))))
	require.NoError(t, env.GetWorkflowError())
	require.Contains(t, details, "| Choose size | switch | completed | ")
	require.Contains(t, details, "| branch small |")
	require.Contains(t, details, "| size/large: Step a | test:do | skipped |")
	shown := state(t, env)
	require.Equal(t, "size/small", shown["g"].Branch)
	require.Empty(t, shown["size"].Action)
}

func TestOnError_Continue_TheRunGoesOn(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.Sequential, plan.DAG} {
		t.Run(string(execution), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			env.ExecuteWorkflow("sample", runOf(execution,
				plan.Step{ID: "a", Action: "test:fail", OnError: plan.Continue},
				plan.Step{ID: "b", Needs: []string{"a"}},
				plan.Step{ID: "c", Needs: []string{"b"}, If: json.RawMessage(`"failure()"`), RunsAfterFailure: true}))
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, []string{"test:do b"}, w.called("test:do"))
			require.JSONEq(t, `{"error":{"kind":"Invalid","message":"the name is taken"}}`, string(w.scopes["b"].Steps["a"]))
			require.False(t, w.scopes["b"].Failed)
			told := w.recordOf(t, activities.StepFailed, "a")
			require.True(t, told.Continues)
			require.False(t, told.Additional)
			require.Equal(t, workflows.Failed, state(t, env)["a"].State)
		})
	}
}

func TestOnError_Continue_WhatItDidIsUndoneWithTheRun(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:third", thirdFails)
	w.undoes(env, "test:third", func(activities.UndoInvocation) error { return nil })
	env.ExecuteWorkflow("sample", undoing(plan.Sequential,
		plan.Step{ID: "a", Action: "test:third", Undoable: true, OnError: plan.Continue, Each: json.RawMessage(`["1","2","3"]`)},
		plan.Step{ID: "b", Undoable: true},
		plan.Step{ID: "c", Action: "test:fail"}))
	require.Equal(t, "the name is taken", failure(t, env).Public)
	require.Equal(t, []string{"undo b", "undo a 3", "undo a 2", "undo a 1"}, w.called("undo"))
}

func TestOnError_BrokenSwitch_ChoosesNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	size := switchStep("size", sizes...)
	size.If, size.OnError = json.RawMessage(`"broken"`), plan.Continue
	env.ExecuteWorkflow("sample", runOf(plan.DAG, size, in("size", "small", plan.Step{ID: "a"}), plan.Step{ID: "b", Needs: []string{"a"}}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, "Skipping step a because its branch was not chosen", w.recordOf(t, activities.StepSkipped, "a").Message)
	require.Equal(t, []string{"test:do b"}, w.called("test:"))
}

func TestOnError_RejectedGate_FailsTheRunAllTheSame(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(activities.DecideMessage, message("g", statement(approver, plan.Reject, "", "1")))
	}, time.Hour)
	g := gateStep("g", byApprover)
	g.OnError = plan.Continue
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, g, plan.Step{ID: "a"}))
	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.Empty(t, w.called("test:"))
}
