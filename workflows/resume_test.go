package workflows_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

func results(t *testing.T, env *testsuite.TestWorkflowEnvironment) map[string]plan.Kept {
	t.Helper()
	answer, err := env.QueryWorkflow(activities.ResultsQuery)
	require.NoError(t, err)
	var list []plan.Kept
	require.NoError(t, answer.Get(&list))
	byStep := map[string]plan.Kept{}
	for _, k := range list {
		byStep[k.Step] = k
	}
	return byStep
}

func TestResults_FailedRun_SaysWhatAnotherAttemptCanTakeOver(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement(approver, plan.Approve, "", "1"))) }, time.Minute)
	in := undoing(plan.Sequential, plan.Step{ID: "a", Workspace: plan.Writes}, plan.Step{ID: "b", Undoable: true}, gateStep("g", byApprover),
		plan.Step{ID: "c", If: json.RawMessage(`false`)}, switchStep("size", sizes...), in("size", "small", plan.Step{ID: "s"}),
		in("size", "large", plan.Step{ID: "l"}), plan.Step{ID: "d", Action: "test:fail"}, plan.Step{ID: "e"})
	env.ExecuteWorkflow("sample", in)
	require.Equal(t, "the name is taken", failure(t, env).Public)
	got := results(t, env)
	require.JSONEq(t, `{"did":"a"}`, string(got["a"].Output))
	require.Equal(t, []string{"layer-a"}, got["a"].Layers)
	require.NotContains(t, got, "b", "it was undone")
	require.Equal(t, approver, got["g"].Said[0].Decision.By)
	require.Equal(t, statement(approver, plan.Approve, "", "1"), got["g"].Said[0].Statement)
	require.True(t, got["c"].Skipped)
	require.NotEmpty(t, got["size"].Branch)
	require.NotContains(t, got, "d")
	require.NotContains(t, got, "e", "it was skipped because another failed")
}

// resumed is the second attempt at a run.
func resumed(w *world, in plan.Run, kept ...plan.Kept) plan.Run {
	in.Attempt, in.Kept, w.attempt = 1, kept, 1
	return in
}

func TestResume_KeptSteps_AreNotRunAgain(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", resumed(w, runOf(plan.Sequential,
		plan.Step{ID: "a", Workspace: plan.Writes}, switchStep("size", sizes...), in("size", "large", plan.Step{ID: "l"}),
		in("size", "small", plan.Step{ID: "s"}), plan.Step{ID: "b", Workspace: plan.Reads}),
		plan.Kept{Step: "a", Output: json.RawMessage(`{"did":"it before"}`), Layers: []string{"layer-before"}},
		plan.Kept{Step: "size", Output: json.RawMessage(`{"branch":"large"}`), Branch: "large"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do l", "test:do b"}, w.called("test:do"))
	require.Equal(t, []string{"layer-before", "layer-l"}, w.invoked["b"].Layers)
	require.JSONEq(t, `{"output":{"did":"it before"}}`, string(w.scopes["b"].Steps["a"]))
	require.Equal(t, "Skipping step a because it was already completed in a previous run", w.recordOf(t, activities.StepCompleted, "a").Message)
	require.JSONEq(t, `{"did":"it before"}`, string(results(t, env)["a"].Output), "a third attempt takes it over from the second")
}

func TestResume_ThatFails_UndoesWhatIsKeptToo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.effects = []activities.Effect{ // the last done first
		effectOf("other", nil), effectOf("b", leaseEnd()), effectOf("a", nil),
	}
	env.OnSignalExternalWorkflow(mock.Anything, "lease/"+task+"/b", "", activities.RevokeAndTellMessage, mock.Anything).
		Return(func(_, _, _, _ string, _ any) error {
			env.SignalWorkflow(activities.LeaseEndedMessage, activities.LeaseReport{ID: "lease/" + task + "/b"})
			return nil
		}).Once()
	env.ExecuteWorkflow("sample", resumed(w, undoing(plan.Sequential,
		plan.Step{ID: "a", Undoable: true}, leased("b", time.Hour), plan.Step{ID: "c", Undoable: true}, plan.Step{ID: "d", Action: "test:fail"}),
		plan.Kept{Step: "a"}, plan.Kept{Step: "b"}))
	require.Equal(t, fault.Invalid, failure(t, env).Kind)
	require.Equal(t, []string{"undo c", "undo b", "undo a"}, w.called("undo"))
	require.Equal(t, workflows.Undone, state(t, env)["a"].State)
	require.Empty(t, results(t, env))
	env.AssertExpectations(t)
}

func effectOf(step string, lease *time.Time) activities.Effect {
	return activities.Effect{Action: "test:do", Queue: activities.MainQueue, Output: json.RawMessage(`{}`), Call: activities.Invocation{
		Run: activities.RunInfo{Task: task}, Step: step, StepName: "Step " + step, LeaseEnds: lease,
	}}
}

func leaseEnd() *time.Time {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return &at
}

// A gate is asked whether what was said before still holds; only then nobody decides.
func TestResume_Gate_StaysApprovedIfItsActivitySaysSo(t *testing.T) {
	t.Parallel()
	said := []plan.Said{{Decision: plan.Decision{By: approver, Verdict: plan.Approve, Nonce: "1"}, Statement: "signed"}}
	for _, holds := range []bool{true, false} {
		env, w := environment(t)
		w.saidHolds = holds
		env.RegisterDelayedCallback(func() {
			if holds {
				return
			}
			env.SignalWorkflow(activities.DecideMessage, activities.DecideMessageInput{
				Gate: activities.GateID(task, 1, "g"), Statement: statement(approver, plan.Approve, "", "2"),
			})
		}, time.Hour)
		env.ExecuteWorkflow("sample", resumed(w, runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}), plan.Kept{Step: "g", Said: said}))
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, said, w.gateOpened.Said)
		got := results(t, env)["g"]
		require.JSONEq(t, `true`, string(field(t, got.Output, "approved")))
		if holds {
			require.Equal(t, said, got.Said)
			require.Empty(t, w.decides)
		} else {
			require.Equal(t, "2", got.Said[0].Decision.Nonce)
		}
	}
}

func field(t *testing.T, raw json.RawMessage, name string) json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &all))
	return all[name]
}

func TestResume_Cancelled_StillSaysWhatIsKept(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:slow", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		env.SignalWorkflow(activities.CancelMessage, "enough")
		return activities.Outcome{}, nil
	})
	env.ExecuteWorkflow("sample", resumed(w, runOf(plan.Sequential, plan.Step{ID: "a"}, plan.Step{ID: "b", Action: "test:slow"}, plan.Step{ID: "c"}),
		plan.Kept{Step: "a", Output: json.RawMessage(`{"x":1}`)}))
	require.Equal(t, fault.Conflict, failure(t, env).Kind)
	require.Contains(t, results(t, env), "a")
	require.NotContains(t, results(t, env), "c")
}
