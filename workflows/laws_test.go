package workflows_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

// anyRun draws a run with switches in switches, loops, conditions and failures.
func anyRun(t *rapid.T) plan.Run {
	var steps []plan.Step
	var switches []plan.Step
	ids := []string{}
	for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
		s := plan.Step{ID: fmt.Sprint("s", i), Undoable: rapid.Bool().Draw(t, "undoable"), Kind: plan.ActionStep}
		s.Action = rapid.SampledFrom([]string{"test:do", "test:do", "test:do", "test:third", "test:fail"}).Draw(t, "action")
		s.If = maybe(t, "if", "", "", "", `false`, `"always()"`, `"failure()"`, `"broken"`)
		s.RunsAfterFailure = strings.HasSuffix(string(s.If), `()"`)
		s.OnError = rapid.SampledFrom([]plan.OnError{plan.FailRun, plan.Continue}).Draw(t, "onError")
		if rapid.IntRange(0, 3).Draw(t, "switch") == 0 {
			s.Kind, s.Action, s.Undoable = plan.SwitchStep, "", false
			for b := range rapid.IntRange(1, 3).Draw(t, "branches") {
				s.Branches = append(s.Branches, plan.Branch{Name: fmt.Sprint("b", b), If: maybe(t, "branch", "", `true`, `false`)})
			}
		} else {
			s.Each = maybe(t, "each", "", "", `[]`, `["skip"]`, `["1","2"]`, `["1","2","3","4"]`, `260`)
			s.Concurrency = rapid.IntRange(0, 3).Draw(t, "concurrency")
		}
		if len(ids) > 0 {
			s.Needs = rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, min(3, len(ids)), rapid.ID[string]).Draw(t, "needs")
		}
		if len(switches) > 0 && rapid.Bool().Draw(t, "inBranch") {
			of := rapid.SampledFrom(switches).Draw(t, "of")
			s = in(of.ID, rapid.SampledFrom(of.Branches).Draw(t, "branch").Name, s)
		}
		if s.Kind == plan.SwitchStep {
			switches = append(switches, s)
		}
		ids, steps = append(ids, s.ID), append(steps, s)
	}
	run := runOf(rapid.SampledFrom([]plan.Execution{plan.Sequential, plan.DAG}).Draw(t, "execution"), steps...)
	run.Plan.OnFailure = rapid.SampledFrom([]plan.OnFailure{plan.Keep, plan.Undo}).Draw(t, "onFailure")
	run.Plan.Parallel = rapid.IntRange(1, 4).Draw(t, "parallel")
	return run
}

func maybe(t *rapid.T, what string, of ...string) json.RawMessage {
	if text := rapid.SampledFrom(of).Draw(t, what); text != "" {
		return json.RawMessage(text)
	}
	return nil
}

func TestLaws_AnyPlan_EveryStepEndsOnceAfterItsNeedsAndInItsBranch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		env, w := environment(t)
		w.does(env, "test:third", thirdFails)
		w.undoes(env, "test:third", func(activities.UndoInvocation) error { return nil })
		run := anyRun(t)
		env.ExecuteWorkflow("sample", run)
		require.True(t, env.IsWorkflowCompleted())

		ended := state(t, env)
		for _, s := range run.Plan.Steps {
			requireOneEnd(t, w, s, ended[s.ID].State)
			first := slices.Index(w.timeline, s.ID)
			for _, need := range s.Needs {
				require.NotContains(t, w.timeline[first:], need, "%s begins when %s has ended", s.ID, need)
			}
			if s.Branch != nil && chosenBranch(t, w, s.Branch.Switch) != s.Branch.Name {
				require.Equal(t, workflows.Skipped, ended[s.ID].State)
				require.Empty(t, w.calledFor(s.ID), "its branch was not chosen")
			}
		}
		requireUndone(t, w, run, env.GetWorkflowError() != nil)
	})
}

// requireOneEnd checks that people are told once that a step has ended: by a record, or by its last call.
func requireOneEnd(t *rapid.T, w *world, s plan.Step, last workflows.StepState) {
	ends := 0
	for _, r := range w.records {
		if r.Step == s.ID && slices.Contains([]activities.RecordKind{activities.StepCompleted, activities.StepSkipped, activities.StepFailed}, r.Kind) {
			ends++
		}
	}
	for _, call := range w.invoked {
		if call.Step == s.ID && call.Last && last != workflows.Failed {
			ends++
		}
	}
	require.Equal(t, 1, ends, "%s is %s", s.ID, last)
	require.Contains(t, []workflows.StepState{workflows.Completed, workflows.Skipped, workflows.Failed, workflows.Undone}, last)
}

// chosenBranch is the branch of a switch that was told to people, "" if none was.
func chosenBranch(t *rapid.T, w *world, of string) string {
	for _, r := range w.records {
		if r.Kind == activities.StepCompleted && r.Step == of {
			var out struct{ Branch string }
			require.NoError(t, json.Unmarshal(r.Output, &out))
			return out.Branch
		}
	}
	return ""
}

// requireUndone checks that a failed run takes back what it did or may have done, all of it and once, and no other run anything.
func requireUndone(t *rapid.T, w *world, run plan.Run, failed bool) {
	var want, got []string
	for _, s := range run.Plan.Steps {
		if !failed || run.Plan.OnFailure != plan.Undo || !s.Undoable {
			continue
		}
		want = append(want, w.calledFor(s.ID)...) // one that failed may have done something
	}
	for _, u := range w.undone {
		got = append(got, strings.TrimSpace(u.Step+" "+u.Iteration))
	}
	require.ElementsMatch(t, want, got)
}

// calledFor lists the calls of a step.
func (w *world) calledFor(step string) (calls []string) {
	for key, call := range w.invoked {
		if call.Step == step {
			calls = append(calls, key)
		}
	}
	return calls
}
