package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/store"
)

// catchUp is how late a time of a schedule is made up for, after everything was down.
const catchUp = 24 * time.Hour

// overlaps are the ways in which a schedule treats a time at which its task before goes on.
var overlaps = map[string]enumspb.ScheduleOverlapPolicy{
	"skip":       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
	"buffer-one": enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	"allow-all":  enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
}

const pausedNote = "paused in Gildway"

func (e *TemporalEngine) schedule(ctx context.Context, id string) client.ScheduleHandle {
	return e.client.ScheduleClient().GetHandle(ctx, activities.ScheduledID(id))
}

// KeepSchedule implements Engine. Nothing of a schedule changes but whether it is paused.
func (e *TemporalEngine) KeepSchedule(ctx context.Context, c store.Schedule) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	paused := c.PausedAt != nil
	options := client.ScheduleOptions{
		ID: activities.ScheduledID(c.ID), Spec: client.ScheduleSpec{CronExpressions: []string{c.Cron}, TimeZoneName: c.TimeZone},
		Action: &client.ScheduleWorkflowAction{
			ID: activities.ScheduledID(c.ID), Workflow: activities.ScheduledWorkflow, Args: []any{activities.ScheduledInput{Schedule: c.ID}},
			TaskQueue: activities.MainQueue, StaticSummary: truncated(fmt.Sprintf("%s runs %s regularly", c.Owner, c.Template), 200),
			TypedSearchAttributes: temporal.NewSearchAttributes(requesterAttribute.ValueSet(c.Owner)),
		},
		Overlap: overlaps[c.Overlap], CatchupWindow: catchUp, Paused: paused,
	}
	if paused {
		options.Note = pausedNote
	}
	_, err := e.client.ScheduleClient().Create(ctx, options)
	switch {
	case !errors.Is(err, temporal.ErrScheduleAlreadyRunning):
		return engineFault(err)
	case paused:
		return engineFault(e.schedule(ctx, c.ID).Pause(ctx, client.SchedulePauseOptions{Note: pausedNote}))
	default:
		return engineFault(e.schedule(ctx, c.ID).Unpause(ctx, client.ScheduleUnpauseOptions{Note: "resumed in Gildway"}))
	}
}

// DropSchedule implements Engine.
func (e *TemporalEngine) DropSchedule(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := e.schedule(ctx, id).Delete(ctx)
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return nil
	}
	return engineFault(err)
}

// RunSchedule implements Engine. Whatever the schedule does about its own times, one that somebody asks for is not skipped.
func (e *TemporalEngine) RunSchedule(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return engineFault(e.schedule(ctx, id).Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL}))
}

// NextTimes implements Engine.
func (e *TemporalEngine) NextTimes(ctx context.Context, id string) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	described, err := e.schedule(ctx, id).Describe(ctx)
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown): // not yet
		return nil, nil
	case err != nil:
		return nil, engineFault(err)
	case described.Schedule.State != nil && described.Schedule.State.Paused:
		return nil, nil
	}
	return described.Info.NextActionTimes, nil
}

// scheduler tells the engine what was promised about schedules.
type scheduler struct {
	*loop.Loop
	store  scheduleStore
	engine Engine
}

func newScheduler(s scheduleStore, e Engine, log *slog.Logger) *scheduler {
	r := &scheduler{store: s, engine: e}
	r.Loop = loop.New(reconcileEvery, r.pass, func(err error, again any) { log.Warn("schedules can't be changed yet", "error", err, "again", again) })
	return r
}

func (r *scheduler) pass(ctx context.Context) (more bool, err error) {
	return r.store.TakeSchedule(ctx, func(ctx context.Context, c store.Schedule) error {
		if c.DeletedAt != nil {
			return r.engine.DropSchedule(ctx, c.ID)
		}
		return r.engine.KeepSchedule(ctx, c)
	})
}
