package workflows_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// wants asks for something of a step; the answer is there when the run goes on.
func wants(env *testsuite.TestWorkflowEnvironment, step, iteration string, then activities.StepThen) *answer {
	a := &answer{}
	env.UpdateWorkflow(activities.CancelStepMessage, step+iteration+string(then), &testsuite.TestUpdateCallback{
		OnAccept:   func() {},
		OnReject:   func(err error) { a.rejected, a.err = true, err },
		OnComplete: func(_ any, err error) { a.err = err },
	}, activities.CancelStep{Step: step, Iteration: iteration, Then: then, By: "user:default/rosa", Why: "enough"})
	return a
}

// halfADay is how long a step waits in these tests; the environment gives up after a few attempts.
var halfADay = &plan.Retry{Interval: plan.Duration(12 * time.Hour)}

// outage is an action whose provider does not answer until it is lifted.
type outage struct {
	w      *world
	lifted bool
	items  []string // that it has; nil: all
}

func (o *outage) does(r activityRegistrar) {
	o.w.does(r, "test:down", func(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
		if !o.lifted && (o.items == nil || slices.Contains(o.items, in.Iteration)) {
			return activities.Outcome{}, fault.New(fault.Unavailable, "the provider does not answer")
		}
		return activities.Outcome{Output: json.RawMessage(`{"did":"it"}`)}, nil
	})
	o.w.undoes(r, "test:down", func(activities.UndoInvocation) error { return nil })
}

func down(env *testsuite.TestWorkflowEnvironment, w *world, items ...string) *outage {
	o := &outage{w: w, items: items}
	o.does(env)
	return o
}

func TestStep_RetriedNow_IsTheSameCallAgain(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	o := down(env, w)
	begun := env.Now()
	env.RegisterDelayedCallback(func() { o.lifted = true; wants(env, "a", "", activities.RetryStep) }, 90*time.Second)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, plan.Step{ID: "a", Action: "test:down", Retry: halfADay}))
	require.NoError(t, env.GetWorkflowError())
	require.Less(t, env.Now().Sub(begun), 2*time.Minute)
	require.Len(t, w.called("test:down"), 2)
	require.Equal(t, 1, w.invoked["a"].Again)
	require.Equal(t, "Tried again at once, asked for by user:default/rosa: enough", w.recordOf(t, activities.StepOverridden, "a").Message)
}

func TestStep_Aborted_FailsAsOnErrorSays(t *testing.T) {
	t.Parallel()
	for _, goesOn := range []plan.OnError{plan.FailRun, plan.Continue} {
		env, w := environment(t)
		down(env, w)
		env.RegisterDelayedCallback(func() { wants(env, "b", "", activities.AbortStep) }, time.Hour)
		env.ExecuteWorkflow("sample", undoing(plan.Sequential, plan.Step{ID: "a", Undoable: true},
			plan.Step{ID: "b", Action: "test:down", Retry: halfADay, Undoable: true, OnError: goesOn}, plan.Step{ID: "c"}))
		if goesOn == plan.Continue {
			require.NoError(t, env.GetWorkflowError())
			require.Contains(t, string(w.scopes["c"].Steps["b"]), "aborted by user:default/rosa: enough")
			continue
		}
		require.Equal(t, "aborted by user:default/rosa: enough", failure(t, env).Public)
		require.Equal(t, []string{"undo b", "undo a"}, w.called("undo"), "what it did before its answer was lost is looked up")
	}
}

func TestStep_Skipped_IfItsTemplateSaysSo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	down(env, w)
	var refused *answer
	env.RegisterDelayedCallback(func() {
		refused = wants(env, "b", "", activities.SkipStep)
		wants(env, "a", "", activities.SkipStep)
	}, time.Hour)
	env.RegisterDelayedCallback(func() { wants(env, "b", "", activities.AbortStep) }, 2*time.Hour)
	env.ExecuteWorkflow("sample", undoing(plan.DAG, plan.Step{ID: "a", Action: "test:down", Retry: halfADay, Undoable: true, Skippable: true},
		plan.Step{ID: "b", Action: "test:down", Retry: halfADay, OnError: plan.Continue}, plan.Step{ID: "c", Needs: []string{"a"}}))
	require.NoError(t, env.GetWorkflowError())
	require.True(t, refused.rejected)
	require.Equal(t, fault.Denied, fault.Unseal(refused.err).Kind)
	require.Equal(t, "Skipping step a because it was skipped by user:default/rosa: enough", w.recordOf(t, activities.StepSkipped, "a").Message)
	require.NotContains(t, w.scopes["c"].Steps, "a", "it has no output")
	require.NotContains(t, results(t, env), "a", "another attempt tries it again")
}

func TestStep_RefusedWhereItMakesNoSense(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	down(env, w)
	cases := []struct {
		step, iteration string
		then            activities.StepThen
		kind            fault.Kind
	}{
		{"nobody", "", activities.AbortStep, fault.NotFound}, {"g", "", activities.SkipStep, fault.Denied},
		{"g", "", activities.AbortStep, fault.Denied}, {"done", "", activities.AbortStep, fault.Conflict},
		{"later", "", activities.RetryStep, fault.Conflict}, {"a", "", "stop", fault.Invalid},
		{"a", "1", activities.SkipStep, fault.Invalid}, {"a", "3", activities.RetryStep, fault.Conflict},
	}
	var answers []*answer
	env.RegisterDelayedCallback(func() {
		for _, c := range cases {
			answers = append(answers, wants(env, c.step, c.iteration, c.then))
		}
	}, time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.CancelMessage, "enough") }, 2*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "done"}, gateStep("g", byApprover),
		plan.Step{ID: "a", Action: "test:down", Retry: halfADay, Each: json.RawMessage(`["1","2"]`), Skippable: true}, plan.Step{ID: "later", Needs: []string{"a"}}))
	require.Equal(t, "the run was cancelled: enough", failure(t, env).Public)
	for i, c := range cases {
		require.True(t, answers[i].rejected, "%s %s leaves no trace in history", c.then, c.step)
		require.Equal(t, c.kind, fault.Unseal(answers[i].err).Kind, "%s %s", c.then, c.step)
	}
}

func TestStep_Loop_OneItemOrAll(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	o := down(env, w, "1", "2")
	env.RegisterDelayedCallback(func() { o.items = []string{"2"}; wants(env, "a", "1", activities.RetryStep) }, 30*time.Minute)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, 1, w.invoked["a 1"].Again)
		require.Zero(t, w.invoked["a 2"].Again)
		wants(env, "a", "", activities.SkipStep)
	}, 2*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", Action: "test:down", Retry: halfADay, Undoable: true, Skippable: true, Each: json.RawMessage(`["1","2","3"]`)},
		plan.Step{ID: "b", Needs: []string{"a"}}))
	require.NoError(t, env.GetWorkflowError())
	w.recordOf(t, activities.StepSkipped, "a")
	require.Equal(t, []string{"test:do b"}, w.called("test:do "))
}

func TestStep_LongLoop_IsToldItsParts(t *testing.T) {
	t.Parallel()
	for _, then := range []activities.StepThen{activities.RetryStep, activities.SkipStep, activities.AbortStep} {
		env, w := environment(t)
		w.chunk = 2
		o := down(env, w, "3")
		a := long("a", 5)
		a.Action, a.Skippable, a.Retry = "test:down", true, halfADay
		env.RegisterDelayedCallback(func() { o.lifted = then == activities.RetryStep; wants(env, "a", "", then) }, 3*time.Hour)
		env.ExecuteWorkflow("sample", undoing(plan.Sequential, a, plan.Step{ID: "b"}))
		switch then {
		case activities.RetryStep:
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, 1, w.invoked["a 3"].Again)
		case activities.SkipStep:
			require.NoError(t, env.GetWorkflowError())
			w.recordOf(t, activities.StepSkipped, "a")
			require.NotContains(t, w.called("test:down"), "test:down a 4", "no more begin")
		default:
			require.Equal(t, "aborted by user:default/rosa: enough", failure(t, env).Public)
			require.Contains(t, w.called("undo"), "undo a 3", "it may have done something")
		}
	}
}
