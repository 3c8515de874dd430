package worker

import (
	"context"
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// rollbacks undo tasks for the steps that have run them.
type rollbacks struct{ client client.Client }

// rollbackWait is how long one attempt waits for the end of a rollback, which may take as long as a provider is away.
const rollbackWait = 5 * time.Minute

// Rollback implements child.Rollbacks.
func (r rollbacks) Rollback(ctx context.Context, in activities.RollbackInput) (result activities.RolledBack, err error) {
	goesOn, err := r.stop(ctx, in)
	if err != nil {
		return result, away(err)
	}
	if goesOn {
		return result, fault.New(fault.Unavailable, "task %s has not ended yet", in.Task)
	}
	run, err := r.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: activities.RollbackID(in.Task), TaskQueue: activities.MainQueue,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Rolled back because its parent is",
	}, activities.RollbackWorkflow, in)
	if err != nil {
		return result, away(err)
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackWait)
	defer cancel()
	err = run.Get(ctx, &result)
	var failed *temporal.WorkflowExecutionError
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &failed):
		return result, fault.Unseal(err)
	default:
		return result, fault.Wrap(fault.Unavailable, err, "the rollback of task %s has not ended yet", in.Task)
	}
}

// stop tells a task that goes on to end.
func (r rollbacks) stop(ctx context.Context, in activities.RollbackInput) (goesOn bool, err error) {
	described, err := r.client.DescribeWorkflowExecution(ctx, in.Task, "")
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown):
		return false, nil // never started, or forgotten
	case err != nil:
		return false, err
	case described.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return false, nil
	}
	err = r.client.SignalWorkflow(ctx, in.Task, "", activities.CancelMessage, in.Why)
	if errors.As(err, &unknown) {
		err = nil // it has ended meanwhile
	}
	return true, err
}

func away(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the engine does not answer; try again")
}
