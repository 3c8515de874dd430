package workflows_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

func TestGate_WhatWasApprovedHasChanged_AsksAgain(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.foreseen = func(number int) (string, error) { return "sha256:later", nil }
	steps := []plan.Step{{ID: "a"}, gateStep("g", byApprover), {ID: "b", Name: "Grant"}}
	env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement(approver, plan.Approve, "", "1"))) }, time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "has changed, and waits again for "+approver, state(t, env)["g"].Note)
		require.Empty(t, w.called("test:do b"), "nobody has approved this")
		asks(env, "2", message("g", statement(approver, plan.Approve, "", "2")))
	}, 2*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, steps...))
	require.NoError(t, env.GetWorkflowError())

	require.Len(t, w.gateChecks, 2, "what is approved at last is checked, too")
	require.Equal(t, []string{"sha256:shown", "sha256:later"}, []string{w.gateChecks[0].Shown, w.gateChecks[1].Shown})
	require.Equal(t, map[string]json.RawMessage{"a": json.RawMessage(`{"did":"a"}`)}, w.gateChecks[1].Done)
	require.Equal(t, []string{"sha256:shown", "sha256:later"}, []string{w.decides[0].Shown, w.decides[1].Shown})
	require.Empty(t, w.decides[1].Before, "earlier decisions were about something else")
	require.Len(t, w.closed, 1)
	require.Equal(t, plan.Approved, w.closed[0].Outcome)
	require.Equal(t, []string{"test:do a", "test:do b"}, w.called("test:do"))
}

func TestGate_AskedAgain_HasItsWholeTimeAndItsFirstApprovers(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.foreseen = func(int) (string, error) { return "sha256:later", nil }
	staged(w, func(a *plan.Approval) {
		a.Timeout, a.OnTimeout, a.EscalateTo = plan.Duration(24*time.Hour), plan.EscalateLate, []string{"user:default/boss"}
	})
	env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement("user:default/boss", plan.Approve, "", "1"))) }, 36*time.Hour)
	env.RegisterDelayedCallback(func() { asks(env, "2", message("g", statement(approver, plan.Approve, "", "2"))) }, 59*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"escalate"}, w.news)
	require.Equal(t, []string{approver}, w.decides[1].Approval.Approvers)
}

func TestGate_CantBeCompared_Fails(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.foreseen = func(int) (string, error) { return "", fault.Seal(fault.New(fault.NotFound, "the task is gone")) }
	env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement(approver, plan.Approve, "", "1"))) }, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
	require.True(t, errors.Is(failure(t, env), fault.NotFound))
	require.Equal(t, plan.Rejected, w.closed[0].Outcome)
	require.Empty(t, w.called("test:do"))
}

func TestGate_CancelledWhileItIsCompared_Ends(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.foreseen = func(number int) (string, error) {
		if number == 1 {
			env.SignalWorkflow(activities.CancelMessage, "enough")
		}
		return "", fault.Seal(fault.New(fault.Unavailable, "the catalog does not answer"))
	}
	env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement(approver, plan.Approve, "", "1"))) }, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
	require.ErrorContains(t, failure(t, env), "the run was cancelled: enough")
	require.Empty(t, w.called("test:do"))
}
