package worker

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// forecaster foresees what waits behind a gate, by a dry run of what was submitted.
type forecaster struct {
	db    *store.Store
	tries *dryrun.Engine
}

// Forecast implements approval.Forecaster. Secrets are not read for it.
func (f forecaster) Forecast(ctx context.Context, in activities.GateInvocation) (approval.Forecast, error) {
	task, err := f.db.Task(ctx, in.Run.Task)
	if err != nil {
		return approval.Forecast{}, err
	}
	var run plan.Run
	if err := json.Unmarshal(task.Run, &run); err != nil || run.Digest() != in.Digest {
		return approval.Forecast{Unforeseen: "what is kept of the run in the database is not what runs"}, nil
	}
	behind := make([]string, len(in.Behind))
	for i, b := range in.Behind {
		behind[i] = b.ID
	}
	forecast := approval.Forecast{Values: run.Values}
	if len(behind) == 0 {
		return forecast, nil
	}
	secrets := map[string]string{}
	for _, name := range run.Secrets {
		secrets[name] = "<the secret " + name + ">"
	}
	result, err := f.tries.Run(ctx, dryrun.Request{Run: run, Secrets: secrets, Done: in.Done, Tolerant: true})
	switch tried := fault.From(err); {
	case err == nil:
	case tried.Kind.Final():
		forecast.Unforeseen = tried.Public
		return forecast, nil
	default:
		return forecast, err
	}
	for _, e := range result.Effects {
		if slices.Contains(behind, e.Step) {
			forecast.Effects = append(forecast.Effects, approval.Effect{Step: e.Step, Iteration: e.Iteration, Action: e.Action, Would: e.Would.Do})
		}
	}
	if result.Failure != nil {
		forecast.Effects, forecast.Unforeseen = nil, "a dry run fails: "+result.Failure.Public
	}
	return forecast, nil
}
