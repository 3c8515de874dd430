package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

// census counts what would be events of each workflow's history.
type census struct {
	mu     sync.Mutex
	events map[string]int // by workflow id
	parts  []string       // ids of parts of loops
}

// Events: scheduled, started, completed, and the workflow task that follows, which is scheduled, started
// and completed too; a local activity is one marker.
const (
	activityEvents = 6
	localEvents    = 1
	childEvents    = 9 // initiated, started, completed, and two workflow tasks
)

func counted(env *testsuite.TestWorkflowEnvironment) *census {
	c := &census{events: map[string]int{}}
	add := func(id string, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events[id] += n
	}
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		add(info.WorkflowExecution.ID, activityEvents)
	})
	env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) {
		add(info.WorkflowExecution.ID, localEvents)
	})
	env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
		add(info.ParentWorkflowExecution.ID, childEvents)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.parts = append(c.parts, info.WorkflowExecution.ID)
	})
	return c
}

// withinLimits checks every history: 2,000 events for a run, 5,000 for a part of a loop.
func (c *census) withinLimits(t *testing.T) {
	t.Helper()
	for id, n := range c.events {
		if strings.HasPrefix(id, task+"/") {
			require.Less(t, n, 5000, id)
			continue
		}
		require.Less(t, n, 2000, id)
		t.Logf("%s: %d events", id, n)
	}
}

func long(id string, count int) plan.Step {
	return plan.Step{ID: id, Each: json.RawMessage(fmt.Sprint(count)), Undoable: true, Workspace: plan.Writes, Concurrency: 8}
}

func TestEach_TenThousandItems_AllDoneOnceWithinLimits(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	c := counted(env)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, long("a", 10000), plan.Step{ID: "b", Needs: []string{"a"}, Workspace: plan.Reads}))

	require.NoError(t, env.GetWorkflowError())
	done := w.called("test:do a")
	require.Len(t, done, 10000)
	slices.Sort(done)
	require.Len(t, slices.Compact(done), 10000)
	require.Len(t, c.parts, 40)
	c.withinLimits(t)
	require.Equal(t, []string{"run-started", "step-began a", "step-completed a", "run-completed"}, w.told())
	var out struct{ Did []string }
	require.NoError(t, json.Unmarshal(w.recordOf(t, activities.StepCompleted, "a").Output, &out))
	require.Len(t, out.Did, 10000)
	require.Equal(t, []string{"a0", "a1"}, out.Did[:2])
	require.Equal(t, "a9999", out.Did[9999])
	require.Len(t, w.invoked["b"].Layers, 1, "one layer does what those of the items do")
	one := w.invoked["a 600"]
	require.Empty(t, one.Input, "it stands in the blob")
	require.Equal(t, 100, one.Item.Index)
	require.Empty(t, one.Layers)
	require.Equal(t, "10000 of 10000 items", state(t, env)["a"].Note)
}

// failsAt is an action that refuses one item and can be undone.
func failsAt(env activityRegistrar, w *world, key string) {
	w.does(env, "test:at", func(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
		if in.Iteration == key {
			return activities.Outcome{}, &fault.Error{Kind: fault.Denied, Public: "this one may not", Name: "Error"}
		}
		return activities.Outcome{Output: json.RawMessage(`{"k":"` + in.Iteration + `"}`), Layer: "layer-" + in.Iteration}, nil
	})
	w.undoes(env, "test:at", func(activities.UndoInvocation) error { return nil })
}

// takenBack gives what was done and what was undone of a step, by key, in order.
func takenBack(w *world, action, step string, failing ...string) (done, undone []string) {
	for _, call := range w.called(action + " " + step + " ") {
		if key := strings.TrimPrefix(call, action+" "+step+" "); !slices.Contains(failing, key) {
			done = append(done, key)
		}
	}
	for _, call := range w.called("undo " + step + " ") {
		undone = append(undone, strings.TrimPrefix(call, "undo "+step+" "))
	}
	return done, undone
}

func TestEach_TenThousandItems_FailureInTheMiddle_ExactlyTheDoneAreUndone(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	c := counted(env)
	failsAt(env, w, "5100")
	a := long("a", 10000)
	a.Action, a.Needs = "test:at", []string{"before"}
	env.ExecuteWorkflow("sample", undoing(plan.DAG, plan.Step{ID: "before", Undoable: true}, a))

	f := failure(t, env)
	require.Equal(t, "this one may not", f.Public)
	require.Equal(t, fault.Denied, f.Kind)
	require.Equal(t, "Error", f.Name)
	done, undone := takenBack(w, "test:at", "a", "5100")
	require.Greater(t, len(done), 4000)
	require.Less(t, len(done), 6200, "after the failure nothing new begins")
	require.ElementsMatch(t, append(done, "5100"), undone, "the one that failed may have done something")
	require.Equal(t, "undo before", w.called("undo")[len(undone)], "the step before comes last")
	c.withinLimits(t)
	w.recordOf(t, activities.StepUndone, "a")
	for _, u := range w.undone[:len(undone)] { // each with its own input and output
		require.Empty(t, u.Output)
		if u.Iteration == "5100" {
			require.Nil(t, u.From)
			continue
		}
		var outcomes []activities.Outcome
		require.NoError(t, json.Unmarshal(w.blobs[u.From.Blob], &outcomes))
		require.JSONEq(t, `{"k":"`+u.Iteration+`"}`, string(outcomes[u.From.Index].Output))
		var items []activities.Item
		require.NoError(t, json.Unmarshal(w.blobs[u.Item.Blob], &items))
		require.Equal(t, u.Iteration, items[u.Item.Index].Key)
	}
	require.Equal(t, "the run failed: this one may not", w.undone[0].Why)
}

func TestEach_Sequential_OneByOneInOrderAndUndoneBackwards(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	failsAt(env, w, "399")
	a := long("a", 600)
	a.Action = "test:at"
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, plan.Step{ID: "first", Workspace: plan.Writes}, a))

	failure(t, env)
	done, undone := takenBack(w, "test:at", "a", "399")
	var all []string
	for i := range 399 {
		all = append(all, fmt.Sprint(i))
	}
	require.Equal(t, all, done)
	all = append(all, "399")
	slices.Reverse(all)
	require.Equal(t, all, undone, "the one that failed may have done something")
	require.Equal(t, []string{"layer-first", "layer-0", "layer-1"}, w.invoked["a 2"].Layers)
	require.Equal(t, []string{"layer-first", "layer-0…layer-249", "layer-250"}, w.invoked["a 251"].Layers)
	require.Equal(t, []string{"run-started", "step-began a", "step-failed a", "step-undone a", "run-failed"}, w.told())
}

func TestEach_Concurrency_BoundsAllPartsTogether(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 10} {
		for _, count := range []int{40, 1100} {
			t.Run(fmt.Sprintf("%d of %d", limit, count), func(t *testing.T) {
				t.Parallel()
				env, w := environment(t)
				var mu sync.Mutex
				now, most := 0, 0
				full := make(chan struct{})
				w.does(env, "test:count", func(context.Context, activities.Invocation) (activities.Outcome, error) {
					mu.Lock()
					if now++; now > most {
						if most = now; most == limit {
							close(full)
						}
					}
					mu.Unlock()
					<-full
					mu.Lock()
					now--
					mu.Unlock()
					return activities.Outcome{}, nil
				})
				env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{
					ID: "a", Action: "test:count", Each: json.RawMessage(fmt.Sprint(count)), Concurrency: limit,
				}))
				require.NoError(t, env.GetWorkflowError())
				require.Equal(t, limit, most)
				require.Len(t, w.called("test:count"), count)
			})
		}
	}
}

func TestEach_CancelledRun_StopsAndUndoesWhatWasDone(t *testing.T) {
	t.Parallel()
	for _, execution := range []plan.Execution{plan.Sequential, plan.DAG} {
		t.Run(string(execution), func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			w.does(env, "test:at", func(ctx context.Context, in activities.Invocation) (activities.Outcome, error) {
				if in.Iteration == "270" {
					env.CancelWorkflow()
					<-ctx.Done()
					return activities.Outcome{}, ctx.Err()
				}
				return activities.Outcome{}, nil
			})
			w.undoes(env, "test:at", func(activities.UndoInvocation) error { return nil })
			a := long("a", 10000)
			a.Action = "test:at"
			env.ExecuteWorkflow("sample", undoing(execution, a, plan.Step{ID: "b", Needs: []string{"a"}}))
			require.Equal(t, "the run was cancelled", failure(t, env).Public)
			done, undone := takenBack(w, "test:at", "a", "270")
			require.NotEmpty(t, done)
			require.Less(t, len(done), 9000)
			begun := slices.DeleteFunc(slices.Clone(undone), func(key string) bool { return slices.Contains(done, key) })
			require.LessOrEqual(t, len(begun), max(a.Concurrency, 1), "what was given up on its way may have done something")
			// The environment, unlike a server, gives up the calls under way at once, though their activities finish.
			require.LessOrEqual(t, len(done)-len(undone), a.Concurrency)
			require.Equal(t, []string{"run-started", "step-began a"}, w.told()[:2])
			require.Contains(t, w.told(), "step-skipped b")
			w.recordOf(t, activities.StepFailed, "a")
			w.recordOf(t, activities.StepUndone, "a")
		})
	}
}

func TestEach_ItemsThatCantBeUndone_AreToldAndStopNoOthers(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	failsAt(env, w, "299")
	w.undoes(env, "test:stuck", func(in activities.UndoInvocation) error {
		if strings.HasSuffix(in.Iteration, "7") {
			return fault.New(fault.Conflict, "it was changed by hand")
		}
		return nil
	})
	w.does(env, "test:stuck", nothing)
	a := long("a", 300)
	a.Action = "test:stuck"
	env.ExecuteWorkflow("sample", undoing(plan.Sequential, a, plan.Step{ID: "b", Action: "test:fail"}))
	failure(t, env)
	require.Len(t, w.called("undo"), 300)
	require.Equal(t, "Step Step a could not be undone: 5 of items 251 to 300: it was changed by hand; 25 of items 1 to 250: it was changed by hand",
		w.recordOf(t, activities.UndoFailed, "a").Message)
}

func TestEach_MorePartsThanAHistoryHolds_IsRefusedBeforeTheFirst(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.chunk = 1
	env.ExecuteWorkflow("sample", runOf(plan.DAG, long("a", 1001)))
	require.Equal(t, fault.Invalid, failure(t, env).Kind)
	require.Empty(t, w.called("test:"))
	require.Equal(t, []string{"run-started", "step-began a", "step-failed a", "run-failed"}, w.told())
}

func TestEach_AllSkipped_CompletesWithNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	keys := make([]string, 300)
	for i := range keys {
		keys[i] = fmt.Sprint("skip", i)
	}
	each, err := json.Marshal(keys)
	require.NoError(t, err)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, plan.Step{ID: "a", Each: each}))
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, w.called("test:"))
	require.JSONEq(t, `{}`, string(w.recordOf(t, activities.StepCompleted, "a").Output))
}

func TestEach_Leases_AreTheItemsOwnAndEndWithTheRun(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	a := leased("a", 90*24*time.Hour)
	a.Each = json.RawMessage(`300`)
	env.ExecuteWorkflow("sample", undoing(plan.DAG, a, plan.Step{ID: "b", Action: "test:fail", Needs: []string{"a"}}))
	failure(t, env)
	require.Len(t, w.opened, 300)
	require.Len(t, w.ended, 300)
	require.Equal(t, "revoked", w.ended[0].State)
	undone := w.called("undo")
	require.Len(t, undone, 300, "each by its lease, once")
	slices.Sort(undone)
	require.Len(t, slices.Compact(undone), 300)
	w.recordOf(t, activities.StepUndone, "a")
	require.Contains(t, w.opened[0].ID, "lease/"+task+"/a/")
	require.Equal(t, "the run failed: the name is taken", w.undone[0].Why)
}

func TestEach_LeaseNoLongerOurs_IsTold(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.does(env, "test:grant", nothing)
	w.undoes(env, "test:grant", func(in activities.UndoInvocation) error {
		if in.Iteration == "5" {
			return fault.New(fault.Conflict, "the person was added by hand")
		}
		return nil
	})
	a := leased("a", 90*24*time.Hour)
	a.Action, a.Each = "test:grant", json.RawMessage(`251`)
	env.ExecuteWorkflow("sample", undoing(plan.DAG, a, plan.Step{ID: "b", Action: "test:fail", Needs: []string{"a"}}))
	failure(t, env)
	require.Equal(t, "Step Step a could not be undone: 1 of items 1 to 250: the person was added by hand",
		w.recordOf(t, activities.UndoFailed, "a").Message)
	require.Len(t, w.ended, 250)
}

func TestEach_OnErrorContinue_TheRunGoesOn(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	failsAt(env, w, "260")
	a := long("a", 600)
	a.Action, a.OnError = "test:at", plan.Continue
	env.ExecuteWorkflow("sample", runOf(plan.DAG, a, plan.Step{ID: "b", Needs: []string{"a"}}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"test:do b"}, w.called("test:do"))
	require.JSONEq(t, `{"error":{"kind":"Denied","message":"this one may not"}}`, string(w.scopes["b"].Steps["a"]))
}

func TestEach_OutputsInBlobs_AreGatheredOutside(t *testing.T) {
	t.Parallel()
	big := json.RawMessage(`{"text":"` + strings.Repeat("x", 100<<10) + `"}`)
	for title, output := range map[string]json.RawMessage{
		"blob":  json.RawMessage(`{"` + activities.BlobRef + `":"sha256:0"}`),
		"large": big,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			w.does(env, "test:big", func(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
				return activities.Outcome{Output: output, Layer: "layer-" + in.Iteration}, nil
			})
			env.ExecuteWorkflow("sample", runOf(plan.DAG,
				plan.Step{ID: "a", Action: "test:big", Workspace: plan.Writes, Each: json.RawMessage(`["1","2","3"]`)},
				plan.Step{ID: "b", Needs: []string{"a"}, Workspace: plan.Reads}))
			require.NoError(t, env.GetWorkflowError())
			require.Len(t, w.gathers, 1)
			require.Len(t, w.gathers[0].Outcomes, 3)
			require.False(t, w.gathers[0].Keep)
			require.Equal(t, []string{"layer-1…layer-3"}, w.invoked["b"].Layers)
			require.Equal(t, workflows.Completed, state(t, env)["a"].State)
		})
	}
}
