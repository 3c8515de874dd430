package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/loop"
)

// Checking is how far a look at what was granted has come.
type Checking struct {
	State   string // never, running, done or failed
	Started *time.Time
	Ended   *time.Time
	Found   activities.CheckedAccess // when it is done
}

// Check implements Engine.
func (e *TemporalEngine) Check(ctx context.Context, by string, in activities.CheckInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: activities.CheckID(in.User), TaskQueue: activities.MainQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            truncated("Asked for by "+by, 200),
	}, activities.CheckWorkflow, in)
	if isStarted(err) {
		return nil
	}
	return engineFault(err)
}

// Checking implements Engine.
func (e *TemporalEngine) Checking(ctx context.Context, user string) (c Checking, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	id := activities.CheckID(user)
	described, err := e.client.DescribeWorkflowExecution(ctx, id, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return Checking{State: "never"}, nil
	}
	if err != nil {
		return c, engineFault(err)
	}
	info := described.GetWorkflowExecutionInfo()
	if at := info.GetStartTime(); at != nil {
		c.Started = new(time.Time)
		*c.Started = at.AsTime()
	}
	if at := info.GetCloseTime(); at != nil {
		c.Ended = new(time.Time)
		*c.Ended = at.AsTime()
	}
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		c.State = "running"
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		c.State = "done"
		err = e.client.GetWorkflow(ctx, id, info.GetExecution().GetRunId()).Get(ctx, &c.Found)
	default:
		c.State = "failed"
	}
	return c, engineFault(err)
}

// roundsMemo holds what rounds do, as JSON: no other way tells which of two replicas' wishes they follow.
const roundsMemo = "gildwayRounds"

// Keep implements Engine.
func (e *TemporalEngine) Keep(ctx context.Context, in activities.RoundsInput, change bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	wanted, err := json.Marshal(in)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "what is to be done again and again can't be written down")
	}
	running, as, err := e.rounds(ctx, in.ID)
	switch {
	case err != nil:
		return engineFault(err)
	case running && (!change || as == string(wanted)):
		return nil
	case in.Every <= 0 && running:
		return engineFault(e.client.TerminateWorkflow(ctx, in.ID, "", "switched off in the configuration"))
	case in.Every <= 0:
		return nil
	}
	_, err = e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: in.ID, TaskQueue: activities.MainQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            "Every " + in.Every.String(),
		Memo:                     map[string]any{roundsMemo: string(wanted)},
	}, activities.RoundsWorkflow, in)
	return engineFault(err)
}

func (e *TemporalEngine) rounds(ctx context.Context, id string) (running bool, as string, err error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, id, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return false, "", nil
	}
	if err != nil {
		return false, "", err
	}
	info := described.GetWorkflowExecutionInfo()
	if memo, ok := info.GetMemo().GetFields()[roundsMemo]; ok {
		err = converter.GetDefaultDataConverter().FromPayload(memo, &as)
	}
	return info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, as, err
}

// rounder sees to it that what is done again and again goes on: as this server's configuration says when it starts, and after
// that as it is. Two servers with different ones don't quarrel for ever; the one that started last has its way.
type rounder struct {
	*loop.Loop
	engine Engine
	rounds []activities.RoundsInput
	said   map[string]bool
}

func newRounder(rounds []activities.RoundsInput, e Engine, log *slog.Logger) *rounder {
	r := &rounder{engine: e, rounds: rounds, said: map[string]bool{}}
	r.Loop = loop.New(reconcileEvery, r.pass, func(err error, again any) { log.Warn("access can't be looked after yet", "error", err, "again", again) })
	return r
}

func (r *rounder) pass(ctx context.Context) (more bool, err error) {
	for _, in := range r.rounds {
		if err := r.engine.Keep(ctx, in, !r.said[in.ID]); err != nil {
			return false, err
		}
		r.said[in.ID] = true
	}
	return false, nil
}
