package run

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
)

// A lease notes its own end after its undo; of an undo by anybody else it may know nothing.
func TestUndo_SaysWhetherItsLeaseAsks(t *testing.T) {
	t.Parallel()
	key := info().Task + "/make"
	for id, says := range map[string]string{"lease/" + key: "undone " + key + " by its lease", "rollback/" + info().Task: "undone " + key} {
		b := newBench(t, nil, maker(echo, func(s *activities.Spec[thing, thing]) {
			s.Undo = func(context.Context, *activities.Call, thing, thing, string) error { return nil }
		}))
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		b.Register(env, activities.GitHubQueue)
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id})
		env.ExecuteWorkflow(func(ctx workflow.Context) error {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
			return workflow.ExecuteActivity(ctx, "test:make.undo", activities.UndoInvocation{
				Invocation: invocation(`{}`), Output: json.RawMessage(`{}`),
			}).Get(ctx, nil)
		})
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, []string{says}, b.journal.effects)
	}
}
