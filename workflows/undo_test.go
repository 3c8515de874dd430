package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

func undoing(execution plan.Execution, steps ...plan.Step) plan.Run {
	in := runOf(execution, steps...)
	in.Plan.OnFailure = plan.Undo
	return in
}

func TestUndo_Failure_LastCompletedFirst(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", undoing(plan.Sequential,
		plan.Step{ID: "a", Undoable: true},
		plan.Step{ID: "b"},
		plan.Step{ID: "c", Undoable: true, Each: json.RawMessage(`["1","2"]`)},
		plan.Step{ID: "d", Action: "test:fail", Undoable: true}))

	require.Equal(t, "the name is taken", failure(t, env).Public)
	require.Equal(t, []string{"undo d", "undo c 2", "undo c 1", "undo a"}, w.called("undo"))
	require.Equal(t, "the run failed: the name is taken", w.undone[0].Why)
	require.Empty(t, w.undone[0].Output, "nobody knows what a failed step did")
	require.JSONEq(t, `{"did":"a"}`, string(w.undone[3].Output))
	require.Equal(t, []string{"run-started", "step-failed d", "step-undone d", "step-undone c", "step-undone a", "run-failed"}, w.told())
	require.Equal(t, workflows.Undone, state(t, env)["a"].State)
	require.Equal(t, workflows.Completed, state(t, env)["b"].State)
}

func TestUndo_OneCantBeUndone_TheOthersAre(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	tries := 0
	w.does(env, "test:stuck", nothing)
	w.undoes(env, "test:stuck", func(activities.UndoInvocation) error {
		if tries++; tries < 5 {
			return fault.New(fault.Unavailable, "down")
		}
		return fault.New(fault.Conflict, "somebody has pushed to it")
	})
	env.ExecuteWorkflow("sample", undoing(plan.Sequential,
		plan.Step{ID: "a", Undoable: true}, plan.Step{ID: "b", Action: "test:stuck", Undoable: true}, plan.Step{ID: "c", Action: "test:fail"}))

	require.Equal(t, "the name is taken", failure(t, env).Public, "the first error stays")
	require.Equal(t, 5, tries)
	require.Equal(t, []string{"b: somebody has pushed to it"}, w.left)
	require.Equal(t, "undo a", slices.DeleteFunc(w.called("undo"), func(c string) bool { return c == "undo b" || c == "undo c" })[0])
	require.Equal(t, "Step Step b could not be undone: somebody has pushed to it", w.recordOf(t, activities.UndoFailed, "b").Message)
	w.recordOf(t, activities.StepUndone, "a")
	require.Equal(t, workflows.Completed, state(t, env)["b"].State)
}

func TestUndo_LoopThatFailedHalfway_IsUndoneToo(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:third", thirdFails)
	w.undoes(env, "test:third", func(activities.UndoInvocation) error { return nil })
	env.ExecuteWorkflow("sample", undoing(plan.Sequential,
		plan.Step{ID: "a", Action: "test:third", Undoable: true, Each: json.RawMessage(`["1","2","3","4"]`)}))

	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.Equal(t, []string{"undo a 3", "undo a 2", "undo a 1"}, w.called("undo"), "the one that failed may have done something")
	require.Empty(t, w.undone[0].Output)
	require.Equal(t, workflows.Failed, state(t, env)["a"].State)
}

// Three branches fail, one after the other, while others have done something: all of that is taken back, and the first
// failure is told first.
func TestUndo_ThreeBranchesFail_FirstIsToldFirst(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	for action, says := range map[string]string{"test:one": "the first", "test:two": "the second", "test:three": "the third"} {
		w.does(env, action, func(context.Context, activities.Invocation) (activities.Outcome, error) {
			return activities.Outcome{}, fault.New(fault.Denied, "%s", says)
		})
		w.undoes(env, action, func(activities.UndoInvocation) error { return nil })
	}
	in := undoing(plan.DAG,
		plan.Step{ID: "a", Undoable: true}, plan.Step{ID: "b", Undoable: true, Needs: []string{"a"}}, plan.Step{ID: "c", Undoable: true},
		plan.Step{ID: "x", Action: "test:one", Undoable: true, Needs: []string{"b", "c"}},
		plan.Step{ID: "y", Action: "test:two", Undoable: true, Needs: []string{"b", "c"}},
		plan.Step{ID: "z", Action: "test:three", Undoable: true, Needs: []string{"b", "c"}})
	in.Plan.Template.APIVersion = "scaffolder.backstage.io/v3"
	env.ExecuteWorkflow("sample", in)

	first := failure(t, env).Public
	told := w.recordOf(t, activities.RunFailed, "").Message
	require.True(t, strings.HasPrefix(told, first+"; also failed: "), told)
	for _, says := range []string{"the first", "the second", "the third"} {
		require.Equal(t, 1, strings.Count(told, says), told)
	}
	var failed []string
	for _, line := range w.told() {
		if id, ok := strings.CutPrefix(line, "step-failed "); ok {
			failed = append(failed, id)
		}
	}
	require.Len(t, failed, 3)
	require.Equal(t, first, w.recordOf(t, activities.StepFailed, failed[0]).Message)
	undone := w.called("undo")
	require.ElementsMatch(t, []string{"undo a", "undo b", "undo c", "undo x", "undo y", "undo z"}, undone)
	require.Less(t, slices.Index(undone, "undo b"), slices.Index(undone, "undo a"), "the last first")
	require.Less(t, slices.Index(undone, "undo x"), slices.Index(undone, "undo b"))
}

func TestUndo_KeepIsAsked_NothingIsUndone(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, plan.Step{ID: "a", Undoable: true}, plan.Step{ID: "b", Action: "test:fail"}))
	failure(t, env)
	require.Empty(t, w.called("undo"))
}

func leased(id string, ttl time.Duration) plan.Step {
	return plan.Step{ID: id, Undoable: true, Lease: &plan.Lease{TTL: plan.Duration(ttl)}}
}

func TestLease_Expires_OnTheDay(t *testing.T) {
	t.Parallel()
	const days90 = 90 * 24 * time.Hour
	env, w := environment(t)
	start := env.Now()
	env.ExecuteWorkflow("sample", runOf(plan.DAG, leased("a", days90)))

	require.NoError(t, env.GetWorkflowError())
	ends := start.Add(days90)
	require.WithinDuration(t, ends, *w.invoked["a"].LeaseEnds, time.Minute)
	require.Len(t, w.opened, 1)
	require.Equal(t, "lease/"+task+"/a", w.opened[0].ID)
	require.Equal(t, requester, w.opened[0].Requester)
	require.Equal(t, []string{"undo a"}, w.called("undo"))
	require.Equal(t, "the lease ended", w.undone[0].Why)
	require.JSONEq(t, `{"did":"a"}`, string(w.undone[0].Output))
	require.Equal(t, "expired", w.ended[0].State)
	require.WithinDuration(t, ends, w.ended[0].At, time.Minute)
}

func TestLease_Revoked_EndsNow(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	start := env.Now()
	env.RegisterDelayedCallback(func() {
		require.NoError(t, env.SignalWorkflowByID("lease/"+task+"/a/2", activities.RevokeMessage, "the person has left"))
	}, 24*time.Hour)
	a := leased("a", 90*24*time.Hour)
	a.Each = json.RawMessage(`["1","2"]`)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, a))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"undo a 2", "undo a 1"}, w.called("undo"))
	require.Equal(t, "the person has left", w.undone[0].Why)
	require.Equal(t, "revoked", w.ended[0].State)
	require.WithinDuration(t, start.Add(24*time.Hour), w.ended[0].At, time.Minute)
	require.Equal(t, "expired", w.ended[1].State)
}

func TestLease_RunUndone_IsEndedByItsLeaseOnce(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, leased("a", 90*24*time.Hour), plan.Step{ID: "b", Action: "test:fail"}))

	failure(t, env)
	require.Equal(t, []string{"undo a"}, w.called("undo"))
	require.Equal(t, "revoked", w.ended[0].State)
	require.Equal(t, "the run failed: the name is taken", w.undone[0].Why)
	w.recordOf(t, activities.StepUndone, "a")
}

func TestLease_UndoRefused_IsTriedAgainUntilDone(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	tries := 0
	w.does(env, "test:grant", nothing)
	w.undoes(env, "test:grant", func(activities.UndoInvocation) error {
		if tries++; tries < 10 {
			return fault.New(fault.Denied, "our credential may not")
		}
		return nil
	})
	a := leased("a", time.Hour)
	a.Action = "test:grant"
	env.ExecuteWorkflow("sample", runOf(plan.DAG, a))

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 10, tries)
	require.Len(t, w.ended, 1)
}

func TestLease_NoLongerOurs_StaysListed(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:grant", nothing)
	w.undoes(env, "test:grant", func(activities.UndoInvocation) error {
		return fault.New(fault.Conflict, "the person was added by hand")
	})
	a := leased("a", time.Hour)
	a.Action = "test:grant"
	env.ExecuteWorkflow("sample", runOf(plan.DAG, a))

	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, w.ended)
	err := env.GetWorkflowErrorByID("lease/" + task + "/a")
	require.Equal(t, "the person was added by hand", fault.Unseal(err).Public)
}

// A rollback goes on as far as it can, and says what stays.
func TestRollback_LastFirst_TellsWhatStays(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.undoes(env, "test:stuck", func(activities.UndoInvocation) error { return fault.New(fault.Conflict, "somebody has pushed to it") })
	effect := func(step, action, output string) activities.Effect {
		return activities.Effect{Action: action, Queue: activities.MainQueue, Output: json.RawMessage(output),
			Call: activities.Invocation{Run: activities.RunInfo{Task: task}, Step: step, StepName: "Step " + step}}
	}
	w.effects = []activities.Effect{effect("c", "test:do", "null"), effect("b", "test:stuck", `{"b":1}`), effect("a", "test:do", `{"a":1}`)}
	env.ExecuteWorkflow(activities.RollbackWorkflow, activities.RollbackInput{Task: task, By: requester, Why: "not needed", Force: true})

	require.NoError(t, env.GetWorkflowError())
	var result activities.RolledBack
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, activities.RolledBack{Undone: 2, Left: []string{"Step Step b could not be undone: somebody has pushed to it"}}, result)
	require.Equal(t, []string{"undo c", "undo b", "undo a"}, w.called("undo"))
	require.True(t, w.undone[0].Force)
	require.Equal(t, "rolled back by user:default/guest: not needed", w.undone[0].Why)
	require.Equal(t, []string{"step-undone c", "undo-failed b", "step-undone a"}, w.told())
	require.Equal(t, []string{"b: somebody has pushed to it"}, w.left)
}

// What a leased call may have granted before it failed has no step that ends it: its lease does, at once.
func TestLease_FailedCall_IsTakenBackWhereNothingElseDoes(t *testing.T) {
	t.Parallel()
	fails := leased("a", 90*24*time.Hour)
	fails.Action = "test:fail"
	continues := fails
	continues.OnError = plan.Continue
	for name, c := range map[string]struct {
		run   plan.Run
		lease bool
	}{
		"the run keeps what it did": {runOf(plan.DAG, fails), true},
		"the run goes on":           {undoing(plan.DAG, continues, plan.Step{ID: "b"}), true},
		"the run undoes it":         {undoing(plan.DAG, fails), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			w.undoes(env, "test:fail", func(activities.UndoInvocation) error { return nil })
			env.ExecuteWorkflow("sample", c.run)
			require.Equal(t, []string{"undo a"}, w.called("undo"))
			require.Empty(t, w.undone[0].Output, "nobody knows what it gave")
			if !c.lease {
				require.Empty(t, w.opened)
				return
			}
			require.Len(t, w.opened, 1)
			require.Empty(t, w.opened[0].Output)
			require.Equal(t, "revoked", w.ended[0].State)
		})
	}
}

func TestLease_SkippedCall_IsTakenBack(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	down(env, w)
	env.RegisterDelayedCallback(func() { wants(env, "a", "", activities.SkipStep) }, time.Hour)
	a := leased("a", 90*24*time.Hour)
	a.Action, a.Retry, a.Skippable = "test:down", halfADay, true
	env.ExecuteWorkflow("sample", undoing(plan.DAG, a, plan.Step{ID: "b"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"undo a"}, w.called("undo"))
	require.Equal(t, "revoked", w.ended[0].State)
}

// A provider that was away when something was granted does not shorten it, unless what it gives has an end of its own.
func TestLease_SlowGrant_LastsFromWhenItIsThere(t *testing.T) {
	t.Parallel()
	for _, ownEnd := range []bool{false, true} {
		env, w := environment(t)
		begun := env.Now()
		o := down(env, w)
		env.RegisterDelayedCallback(func() { o.lifted = true; wants(env, "a", "", activities.RetryStep) }, 9*time.Hour)
		a := leased("a", 8*time.Hour)
		a.Action, a.Retry, a.Renews = "test:down", halfADay, ownEnd
		env.ExecuteWorkflow("sample", runOf(plan.DAG, a))
		require.NoError(t, env.GetWorkflowError())
		ends := begun.Add(17 * time.Hour)
		if ownEnd {
			ends = begun.Add(8 * time.Hour)
		}
		require.WithinDuration(t, ends, w.opened[0].Expires, 10*time.Minute)
	}
}

// Who was told of a grant that stays by its lease is not told again by the run.
func TestLease_RunUndone_WhatStaysIsToldOnce(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:grant", nothing)
	w.undoes(env, "test:grant", func(activities.UndoInvocation) error {
		return fault.New(fault.Conflict, "the person was added by hand")
	})
	a := leased("a", 90*24*time.Hour)
	a.Action = "test:grant"
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, a, plan.Step{ID: "b", Action: "test:fail"}))
	failure(t, env)
	require.Equal(t, []string{"a: the person was added by hand"}, w.left)
	w.recordOf(t, activities.UndoFailed, "a")
}

// What a lease is still taking back is nothing that another attempt can take over.
func TestLease_RunUndone_WhatIsStillEndingIsNotKept(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:grant", nothing)
	begun := env.Now()
	w.undoes(env, "test:grant", func(activities.UndoInvocation) error {
		if env.Now().Sub(begun) > time.Hour {
			return nil
		}
		return fault.New(fault.Unavailable, "the provider does not answer")
	})
	a := leased("a", 90*24*time.Hour)
	a.Action = "test:grant"
	b := leased("b", 90*24*time.Hour)
	b.Undoable, b.Lease = false, nil
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, a, b, plan.Step{ID: "c", Action: "test:fail"}))
	failure(t, env)
	require.Empty(t, w.left, "the lease goes on trying")
	kept := results(t, env)
	require.NotContains(t, kept, "a")
	require.Contains(t, kept, "b")
}

// A long rollback goes on in one execution after the other, and each knows what the ones before have done.
func TestRollback_ThousandsOfEffects_OnceEach(t *testing.T) {
	t.Parallel()
	const many = 3000
	in := activities.RollbackInput{Task: task, By: requester}
	undone := map[string]int{}
	var result activities.RolledBack
	executions := 0
	for done := false; !done; executions++ {
		env, w := environment(t)
		w.undoes(env, "test:thing", func(u activities.UndoInvocation) error {
			undone[u.Iteration]++
			if i, err := strconv.Atoi(u.Iteration); err != nil || i%500 == 0 {
				return fault.New(fault.Conflict, "%s is somebody's", u.Iteration)
			}
			return nil
		})
		for i := range many {
			e := effectOf("a", nil)
			e.Action, e.Call.Iteration = "test:thing", strconv.Itoa(i)
			w.effects = append(w.effects, e)
		}
		env.ExecuteWorkflow(activities.RollbackWorkflow, in)
		var again *workflow.ContinueAsNewError
		if errors.As(env.GetWorkflowError(), &again) {
			in = activities.RollbackInput{}
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
			continue
		}
		require.NoError(t, env.GetWorkflowError())
		require.NoError(t, env.GetWorkflowResult(&result))
		done = true
	}
	require.Equal(t, 10, executions)
	require.Len(t, undone, many)
	for i, times := range undone {
		require.Equal(t, 1, times, i)
	}
	require.Equal(t, many-6, result.Undone)
	require.Len(t, result.Left, 6)
	require.Contains(t, result.Left[1], "500 is somebody's")
}

// One that began before there were pages goes on as it began.
func TestRollback_OfAnOlderRelease_AsksForAllAtOnce(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.OnGetVersion("effects-by-page", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	for range 150 {
		w.effects = append(w.effects, effectOf("a", nil))
	}
	env.ExecuteWorkflow(activities.RollbackWorkflow, activities.RollbackInput{Task: task, By: requester})
	require.NoError(t, env.GetWorkflowError())
	var result activities.RolledBack
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, 150, result.Undone)
}
