package workflows_test

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

func TestRun_Sequential_OneAfterTheOther(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential,
		plan.Step{ID: "one", Workspace: plan.Writes}, plan.Step{ID: "two", Local: true}, plan.Step{ID: "three", Workspace: plan.Reads}))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do one", "test:do two", "test:do three"}, w.called("test:"))
	require.Equal(t, []string{"run-started", "run-completed"}, w.told())
	require.Equal(t, 3, w.recordOf(t, activities.RunStarted, "").Steps)
	var out activities.Outputs
	require.NoError(t, env.GetWorkflowResult(&out))
	require.JSONEq(t, `{"one":{"output":{"did":"one"}},"two":{"output":{"did":"two"}},"three":{"output":{"did":"three"}}}`, string(out.Output))

	three := w.invoked["three"]
	require.Equal(t, []string{"layer-one", "layer-two"}, three.Layers)
	require.True(t, three.First)
	require.True(t, three.Last)
	require.Empty(t, three.Run.Values, "values are for evaluation only")
	require.Empty(t, w.invoked["two"].Layers, "it declared no access")
}

func TestRun_DAG_IndependentStepsOverlap(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	var both sync.WaitGroup
	both.Add(2)
	w.does(env, "test:meet", func(ctx context.Context, _ activities.Invocation) (activities.Outcome, error) {
		both.Done()
		both.Wait() // returns only if the other has begun
		return activities.Outcome{}, nil
	})
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		plan.Step{ID: "a", Action: "test:meet"}, plan.Step{ID: "b", Action: "test:meet"}, plan.Step{ID: "c", Needs: []string{"a", "b"}}))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do c"}, w.called("test:do"))
}

func TestRun_DAG_NeverMoreThanParallel(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	var mu sync.Mutex
	now, most := 0, 0
	two := make(chan struct{})
	w.does(env, "test:count", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		mu.Lock()
		if now++; now > most {
			most = now
			if most == 2 {
				close(two)
			}
		}
		mu.Unlock()
		<-two
		mu.Lock()
		now--
		mu.Unlock()
		return activities.Outcome{}, nil
	})
	in := runOf(plan.DAG,
		plan.Step{ID: "a", Action: "test:count"}, plan.Step{ID: "b", Action: "test:count"}, plan.Step{ID: "c", Action: "test:count"},
		plan.Step{ID: "d", Action: "test:count", Each: json.RawMessage(`["1","2","3","4","5"]`)})
	in.Plan.Parallel = 2
	env.ExecuteWorkflow("sample", in)

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 2, most)
	require.Len(t, w.called("test:count"), 8)
}

func TestRun_Layers_OfStepsItComesAfterInPlanOrder(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		plan.Step{ID: "a", Workspace: plan.Writes},
		plan.Step{ID: "b", Workspace: plan.Writes},
		plan.Step{ID: "other", Workspace: plan.Writes},
		plan.Step{ID: "c", Needs: []string{"b", "a"}, If: json.RawMessage(`false`)},
		plan.Step{ID: "d", Workspace: plan.Reads, Needs: []string{"c"}}))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"layer-a", "layer-b"}, w.invoked["d"].Layers)
}

func TestRun_IfFalse_SkipsTheStepAndNotItsDependants(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		plan.Step{ID: "a", If: json.RawMessage(`false`)}, plan.Step{ID: "b", Needs: []string{"a"}}))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do b"}, w.called("test:"))
	require.Equal(t, []string{"run-started", "step-skipped a", "run-completed"}, w.told())
	require.Equal(t, "Skipping step a because its if condition was false", w.recordOf(t, activities.StepSkipped, "a").Message)
	require.Equal(t, workflows.Skipped, state(t, env)["a"].State)
}

func TestRun_Failure_SkipsTheRestButWhatAsksForIt(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.Sequential, plan.DAG} {
		t.Run(string(execution), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			env.ExecuteWorkflow("sample", runOf(execution,
				plan.Step{ID: "a", Action: "test:fail"},
				plan.Step{ID: "b", Needs: []string{"a"}},
				plan.Step{ID: "c", Needs: []string{"b"}, If: json.RawMessage(`"always()"`), RunsAfterFailure: true},
				plan.Step{ID: "d", Needs: []string{"b"}, If: json.RawMessage(`"never called"`), RunsAfterFailure: true},
				plan.Step{ID: "e", Needs: []string{"a"}, If: json.RawMessage(`"failure()"`), RunsAfterFailure: true}))

			f := failure(t, env)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Equal(t, "the name is taken", f.Public)
			require.ElementsMatch(t, []string{"test:do c", "test:do e"}, w.called("test:do"))
			require.Equal(t, "Skipping step b because a previous step failed", w.recordOf(t, activities.StepSkipped, "b").Message)
			require.Equal(t, "Skipping step d because a previous step failed", w.recordOf(t, activities.StepSkipped, "d").Message)
			require.NotContains(t, w.told(), "step-began b")
			last := w.recordOf(t, activities.RunFailed, "")
			require.Equal(t, "Invalid", last.Error)
			require.Equal(t, "the name is taken", last.Message)
		})
	}
}

func TestRun_TwoFailures_TheFirstIsReported(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	began, firstTold := make(chan struct{}), make(chan struct{})
	w.does(env, "test:first", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		<-began
		return activities.Outcome{}, fault.New(fault.Denied, "the first")
	})
	w.does(env, "test:second", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		close(began)
		<-firstTold
		return activities.Outcome{}, fault.New(fault.NotFound, "the second")
	})
	w.does(env, "test:tell", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		close(firstTold)
		return activities.Outcome{}, nil
	})
	env.ExecuteWorkflow("sample", runOf(plan.DAG,
		plan.Step{ID: "a", Action: "test:first"}, plan.Step{ID: "b", Action: "test:second"},
		plan.Step{ID: "c", Action: "test:tell", Needs: []string{"a"}, If: json.RawMessage(`"always()"`), RunsAfterFailure: true}))

	require.Equal(t, "the first", failure(t, env).Public)
	require.Contains(t, w.told(), "step-failed b")
}

func TestRun_BrokenExpression_FailsTheStep(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", If: json.RawMessage(`"broken"`)}))

	require.Equal(t, "the expression is broken", failure(t, env).Public)
	require.Equal(t, []string{"run-started", "step-began a", "step-failed a", "run-failed"}, w.told())
}

func TestRun_ProviderOutage_IsWaitedFor(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	tries := 0
	w.does(env, "test:flaky", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		if tries++; tries < 8 { // the test environment gives up after ten
			return activities.Outcome{}, fault.New(fault.Unavailable, "down")
		}
		return activities.Outcome{}, nil
	})
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", Action: "test:flaky"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 8, tries)
}

func TestRun_RetryAttempts_BoundTheTries(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		t.Run("local "+strconv.FormatBool(local), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			w.does(env, "test:down", func(context.Context, activities.Invocation) (activities.Outcome, error) {
				return activities.Outcome{}, fault.New(fault.Unavailable, "down")
			})
			env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", Action: "test:down", Local: local, Retry: &plan.Retry{Attempts: 3}}))
			require.Equal(t, fault.Unavailable, failure(t, env).Kind)
			require.Len(t, w.called("test:down"), 3)
		})
	}
}

func TestRun_Each_OutputsAreArraysInOrder(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.Sequential, plan.DAG} {
		t.Run(string(execution), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			env.ExecuteWorkflow("sample", runOf(execution,
				plan.Step{ID: "a", Workspace: plan.Writes, Each: json.RawMessage(`["1","skip","2","3"]`)},
				plan.Step{ID: "b", Needs: []string{"a"}, Workspace: plan.Reads}))

			require.NoError(t, env.GetWorkflowError())
			var out activities.Outputs
			require.NoError(t, env.GetWorkflowResult(&out))
			require.JSONEq(t, `{"a":{"output":{"did":["a1","a2","a3"]}},"b":{"output":{"did":"b"}}}`, string(out.Output))
			require.Equal(t, []string{"layer-a1", "layer-a2", "layer-a3"}, w.invoked["b"].Layers)
			if execution == plan.Sequential {
				require.Equal(t, []string{"layer-a1"}, w.invoked["a 2"].Layers)
				require.True(t, w.invoked["a 1"].First)
				require.False(t, w.invoked["a 1"].Last)
				require.True(t, w.invoked["a 3"].Last)
				return
			}
			require.Equal(t, []string{"run-started", "step-began a", "step-completed a", "run-completed"}, w.told())
			require.Empty(t, w.invoked["a 2"].Layers)
		})
	}
}

func TestRun_EachOverNothing_Completes(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", Each: json.RawMessage(`[]`)}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"run-started", "step-began a", "step-completed a", "run-completed"}, w.told())
	require.JSONEq(t, `{}`, string(w.recordOf(t, activities.StepCompleted, "a").Output))
}

func TestRun_CancelSignal_StopsAndUndoes(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.CancelMessage, "not needed any more") }, time.Hour)
	in := runOf(plan.Sequential,
		plan.Step{ID: "a", Undoable: true}, gateStep("g", `{"approvers":["user:default/approver"]}`),
		plan.Step{ID: "c", If: json.RawMessage(`"always()"`), RunsAfterFailure: true})
	in.Plan.OnFailure = plan.Undo
	env.ExecuteWorkflow("sample", in)

	f := failure(t, env)
	require.Equal(t, fault.Conflict, f.Kind)
	require.Equal(t, "the run was cancelled: not needed any more", f.Public)
	require.Equal(t, []string{"undo a"}, w.called("undo"))
	require.Equal(t, "the run was cancelled: not needed any more", w.undone[0].Why)
	require.Contains(t, w.told(), "run-cancelled")
	require.Contains(t, w.told(), "step-skipped c")
	require.Equal(t, "run-failed", w.told()[len(w.told())-1])
	require.Len(t, w.closed, 1)
	require.Equal(t, plan.Pending, w.closed[0].Outcome, "nobody rejected it")
}

func TestRun_CancelledInTemporal_StopsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:endless", func(ctx context.Context, _ activities.Invocation) (activities.Outcome, error) {
		env.CancelWorkflow()
		<-ctx.Done()
		return activities.Outcome{}, ctx.Err()
	})
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, plan.Step{ID: "a", Action: "test:endless", Local: true}, plan.Step{ID: "b"}))

	require.Equal(t, "the run was cancelled", failure(t, env).Public)
	require.Empty(t, w.called("test:do"))
	require.Contains(t, w.told(), "step-failed a")
	require.Contains(t, w.told(), "step-skipped b")
}

func TestRun_Details_AreALiveTable(t *testing.T) {
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
		plan.Step{ID: "a", Name: "A | pipe"}, gateStep("g", `{"approvers":["group:default/leads"]}`), plan.Step{ID: "c"}))

	require.NoError(t, env.GetWorkflowError())
	require.Contains(t, details, "| Step | Action | State | Started | Took | Note |\n|---|---|---|---|---|---|\n| A \\| pipe | test:do | completed | ")
	require.Contains(t, details, "| Approve g | approval:request | awaiting approval | ")
	require.Contains(t, details, "waits for group:default/leads |")
	require.Contains(t, details, "| Step c | test:do | waiting |  |  |  |")
}

func TestRun_BadPlan_IsRefused(t *testing.T) {
	t.Parallel()
	newer := runOf(plan.DAG, plan.Step{ID: "a"})
	newer.Plan.Version = plan.Version + 1
	for title, in := range map[string]plan.Run{
		"newer version":   newer,
		"unknown need":    runOf(plan.DAG, plan.Step{ID: "a", Needs: []string{"b"}}),
		"cycle":           runOf(plan.DAG, plan.Step{ID: "a", Needs: []string{"b"}}, plan.Step{ID: "b", Needs: []string{"a"}}),
		"same id twice":   runOf(plan.DAG, plan.Step{ID: "a"}, plan.Step{ID: "a"}),
		"lease, no undo":  runOf(plan.DAG, plan.Step{ID: "a", Lease: &plan.Lease{TTL: 1}}),
		"needs itself":    runOf(plan.DAG, plan.Step{ID: "a", Needs: []string{"a"}}),
		"unknown, not ok": runOf(plan.Sequential, plan.Step{ID: "a"}, plan.Step{ID: "b", Needs: []string{"x"}}),
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			env.ExecuteWorkflow("sample", in)
			require.Equal(t, fault.Invalid, failure(t, env).Kind)
			require.Empty(t, w.called(""))
		})
	}
}
