package run

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// An attempt that finds half of the work done says something else than the one that did it.
func TestDo_LaterAttemptSaysSomethingElse_NoLineIsLost(t *testing.T) {
	t.Parallel()
	created := false
	b := newBench(t, nil, maker(func(_ context.Context, call *activities.Call, in thing) (thing, error) {
		call.Log("looking")
		if !created {
			created = true
			call.Log("created")
			return in, fault.New(fault.Unavailable, "gone away")
		}
		call.Log("published")
		call.Log("published")
		return in, nil
	}))
	_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
	require.Error(t, err)
	for range 2 {
		_, err = b.Do(t.Context(), "test:make", invocation(`{}`))
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"Beginning step Make it", infoMark + "looking", infoMark + "created", warnMark + "Attempt 1 did not succeed: gone away",
		infoMark + "published", infoMark + "published", "Finished step Make it",
	}, b.journal.messages())
}

// A mistake in an action's code is not tried for as long as a provider's outage.
func TestDo_ActionWithAMistake_IsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    func() error
		tries int
	}{
		"panic":         {func() error { panic("canary") }, bugAttempts},
		"no fault":      {func() error { return errors.New("canary") }, bugAttempts},
		"our own fault": {func() error { return fault.New(fault.Internal, "the journal is odd") }, 5}, // as often as the policy says
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			b := newBench(t, nil, maker(func(context.Context, *activities.Call, thing) (thing, error) {
				tries++
				return thing{}, c.do()
			}))
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			b.Register(env, activities.GitHubQueue)
			env.RegisterWorkflow(tryFiveTimes)
			env.ExecuteWorkflow(tryFiveTimes, invocation(`{}`))
			err := env.GetWorkflowError()
			require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, c.tries, tries)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
		})
	}
}

// The run asks for these for as long as it takes: a mistake of ours must not make it wait for ever.
func TestEvaluateAndOutputs_WhatCannotBeRead_IsGivenUp(t *testing.T) {
	t.Parallel()
	tries := 0
	count := func() error { tries++; return fault.New(fault.Internal, "the step can't be read") }
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	r := newBench(t, nil).Runner
	register(env, "test:make", func(ctx context.Context, _ activities.Invocation) error {
		return r.seal(ctx, pure(ctx, count), "test")
	})
	env.RegisterWorkflow(tryFiveTimes)
	env.ExecuteWorkflow(tryFiveTimes, invocation(`{}`))
	require.Equal(t, fault.Internal, fault.Unseal(env.GetWorkflowError()).Kind)
	require.Equal(t, bugAttempts, tries)

	err := pure(t.Context(), func() error { panic("canary") })
	require.ErrorIs(t, err, fault.Internal)
	require.NotContains(t, fault.From(err).Public, "canary")
	require.NoError(t, pure(t.Context(), func() error { return nil }))
	_, err = r.Evaluate(t.Context(), activities.EvaluateInput{Run: info(), Step: plan.Step{ID: "x", If: []byte("not JSON")}})
	require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
}

// tryFiveTimes runs test:make as the run workflow does.
func tryFiveTimes(ctx workflow.Context, in activities.Invocation) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 5},
	})
	return workflow.ExecuteActivity(ctx, "test:make", in).Get(ctx, nil)
}

func TestDo_SecretsThatBeginAlike_HiddenWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"a": "hunter", "b": "hunter-two", "c": "hunter-two-three"}, maker(echo))
	for range 8 { // a map is read in another order each time
		_, err := b.Do(t.Context(), "test:make", invocation(`{"name":{"$gildway:secret":{"source":"${{ secrets.c }}"}}}`))
		require.NoError(t, err)
	}
	require.Contains(t, b.journal.messages(), infoMark+"made ***")
	require.NotContains(t, b.journal.messages(), infoMark+"made ***-two-three")
	require.Len(t, b.journal.events, 3)
}
