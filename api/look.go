package api

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Look has a worker look at what a step would meet. An Unavailable fault means that nobody could look within a few seconds.
func (e *TemporalEngine) Look(ctx context.Context, in activities.Look) (seen activities.Foreseen, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	run, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: in.ID(), TaskQueue: activities.MainQueue, WorkflowExecutionTimeout: lookTime,
		StaticSummary: truncated("A dry run by "+in.Call.Run.Requester.Ref+" looks at what step "+in.Call.StepName+" would meet", 200),
	}, activities.LookWorkflow, in)
	if err == nil {
		err = run.Get(ctx, &seen)
	}
	if err != nil {
		return seen, fault.Wrap(fault.Unavailable, err, "no worker or provider has answered in time")
	}
	return seen, nil
}
