package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const floorQueue = "bench-floor"

// floor is what a run is held against: a workflow, written by hand, that does nothing as often. It
// writes no log, no audit and no task, evaluates no expression and can undo nothing.
type floor struct {
	Steps   int
	Local   bool // local activities
	Chained bool // one after the other
}

func newFloorWorker(temporal client.Client) worker.Worker {
	w := worker.New(temporal, floorQueue, worker.Options{})
	w.RegisterWorkflow(runFloor)
	w.RegisterActivity(noOp)
	return w
}

func runFloor(ctx workflow.Context, f floor) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	execute := workflow.ExecuteActivity
	if f.Local {
		execute = workflow.ExecuteLocalActivity
	}
	var begun []workflow.Future
	for range f.Steps {
		step := execute(ctx, noOp)
		if !f.Chained {
			begun = append(begun, step)
			continue
		}
		if err := step.Get(ctx, nil); err != nil {
			return err
		}
	}
	for _, step := range begun {
		if err := step.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func noOp(context.Context) error { return nil }

// run starts the workflow and waits for its end.
func (f floor) run(ctx context.Context, temporal client.Client) error {
	started, err := temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: uuid.NewString(), TaskQueue: floorQueue}, runFloor, f)
	if err != nil {
		return err
	}
	return started.Get(ctx, nil)
}
