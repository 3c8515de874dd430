package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

func TestAttempt_SupersededOrEnded_DoesNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.attempt = 2
	in := runOf(plan.Sequential, plan.Step{ID: "a"})
	in.Attempt = 1
	env.ExecuteWorkflow("sample", in)
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, w.called(""))
	require.Empty(t, w.told())
}

func TestAttempt_Current_TellsEverybodyItsNumber(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.attempt = 1
	in := runOf(plan.Sequential, plan.Step{ID: "a"}, gateStep("g", byApprover))
	in.Attempt = 1
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(activities.DecideMessage, activities.DecideMessageInput{
			Gate: activities.GateID(task, 1, "g"), Statement: statement(approver, plan.Approve, "", "n"),
		})
	}, time.Minute)
	env.ExecuteWorkflow("sample", in)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, w.invoked["a"].Run.Attempt)
	require.NotEmpty(t, w.records)
	for _, r := range w.records {
		require.Equal(t, 1, r.Attempt)
	}
	require.NotEqual(t, activities.GateID(task, 0, "g"), w.decides[0].Gate, "the approval of an earlier attempt is not this one's")
}

func TestAttempt_LeasedStep_GrantsAnew(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.attempt = 1
	in := runOf(plan.Sequential, leased("a", time.Hour))
	in.Attempt = 1
	var revoked bool
	env.OnSignalExternalWorkflow(mock.Anything, "lease/"+task+"/a", "", activities.RevokeAndTellMessage, mock.Anything).
		Return(func(_, _, _, _ string, arg any) error {
			revoked = true
			require.Empty(t, w.called("test:do"), "the grant before ends first")
			env.SignalWorkflow(activities.LeaseEndedMessage, activities.LeaseReport{ID: "lease/" + task + "/a"})
			return nil
		}).Once()
	env.ExecuteWorkflow("sample", in)
	require.NoError(t, env.GetWorkflowError())
	require.True(t, revoked)
	require.Len(t, w.opened, 1)
	require.Equal(t, "expired", w.ended[0].State)
}

func TestAttempt_LeaseBeforeDoesNotEnd_StepFails(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.attempt = 1
	in := runOf(plan.Sequential, leased("a", time.Hour))
	in.Attempt = 1
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil).Once()
	env.ExecuteWorkflow("sample", in)
	require.Contains(t, failure(t, env).Public, "has not ended yet")
	require.Empty(t, w.called("test:do"))
}

// A lease tells that it has ended just before it does, and the one of the next attempt has the same id.
func TestRetry_LeaseOfTheAttemptBeforeStillEnding_IsWaitedFor(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	in := runOf(plan.Sequential, leased("a", time.Hour))
	in.Task = task
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error { return workflow.Sleep(ctx, 3*time.Second) }, workflow.RegisterOptions{Name: "test:ending"})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		before := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: "lease/" + task + "/a"}), "test:ending")
		if err := before.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return err
		}
		return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: task}), "sample", in).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "test:both"})
	env.ExecuteWorkflow("test:both")
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, w.opened, 1)
}
