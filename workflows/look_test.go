package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/workflows"
)

func TestLook_AsksTheActionsQueue_AndGivesUpInTime(t *testing.T) {
	t.Parallel()
	in := activities.Look{Action: "test:make", Queue: "theirs", Call: activities.Invocation{Step: "make", StepName: "Make it"}}
	look := func(foresee func(context.Context, activities.Invocation) (activities.Foreseen, error)) (seen activities.Foreseen, err error) {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		workflows.Register(env)
		env.RegisterActivityWithOptions(foresee, activity.RegisterOptions{Name: activities.ForeseeActivity("test:make")})
		env.ExecuteWorkflow(activities.LookWorkflow, in)
		if err := env.GetWorkflowError(); err != nil {
			return seen, err
		}
		return seen, env.GetWorkflowResult(&seen)
	}
	want := activities.Foreseen{Met: []string{"find it"}, Fails: "it is taken"}
	seen, err := look(func(ctx context.Context, call activities.Invocation) (activities.Foreseen, error) {
		require.Equal(t, "theirs", activity.GetInfo(ctx).TaskQueue)
		require.Equal(t, in.Call, call)
		return want, nil
	})
	require.NoError(t, err)
	require.Equal(t, want, seen)

	tries := 0
	_, err = look(func(context.Context, activities.Invocation) (activities.Foreseen, error) {
		tries++
		return activities.Foreseen{}, fault.Seal(fault.New(fault.Unavailable, "it does not answer"))
	})
	require.Error(t, err)
	require.Greater(t, tries, 1)
	var failed *temporal.WorkflowExecutionError
	require.ErrorAs(t, err, &failed)
}
