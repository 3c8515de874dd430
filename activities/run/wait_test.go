package run

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

func TestPauseAfter_IsTemporals(t *testing.T) {
	t.Parallel()
	policy := &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}
	last := &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3}
	away := fault.New(fault.Unavailable, "away")
	limited := fault.New(fault.RateLimited, "slow down")
	limited.RetryAfter = 7 * time.Minute
	for name, c := range map[string]struct {
		policy  *temporal.RetryPolicy
		attempt int32
		fault   *fault.Error
		pause   time.Duration
		again   bool
	}{
		"the first":              {policy, 1, away, time.Second, true},
		"the fourth":             {policy, 4, away, 8 * time.Second, true},
		"the hundredth":          {policy, 100, away, time.Minute, true},
		"told when":              {policy, 4, limited, 7 * time.Minute, true},
		"the last one":           {last, 3, away, 0, false},
		"final":                  {policy, 1, fault.New(fault.Denied, "no"), 0, false},
		"nobody knows the rules": {nil, 1, away, 0, false},
	} {
		pause, again := pauseAfter(activity.Info{RetryPolicy: c.policy, Attempt: c.attempt}, c.fault)
		require.Equal(t, c.again, again, name)
		require.Equal(t, c.pause, pause, name)
	}
}

func TestDo_CallThatHadToWait_SaysThatItGoesOn(t *testing.T) {
	t.Parallel()
	tries := 0
	b := newBench(t, nil, maker(func(context.Context, *activities.Call, thing) (thing, error) {
		if tries++; tries < 3 {
			return thing{}, fault.New(fault.Unavailable, "the provider does not answer")
		}
		return thing{}, nil
	}))
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // the machine may be busy
	b.Register(env, activities.GitHubQueue)
	env.RegisterWorkflow(tryFiveTimes)
	in := invocation(`{}`)
	in.Again = 1
	env.ExecuteWorkflow(tryFiveTimes, in)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, wait{in.Step, 0, "", 0}, b.journal.waits[len(b.journal.waits)-1])
	require.True(t, b.journal.keys["log "+in.Run.Task+" "+in.Step+"//again/1/attempt/2"], "%v", b.journal.keys)
}
