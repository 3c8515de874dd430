package api

import (
	"context"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

type lostStore interface {
	startStore
	effectStore
	Task(ctx context.Context, id string) (store.Task, error)
	// Going lists tasks that were started and have not ended, without their Run, by their ids, after one.
	Going(ctx context.Context, after string, limit int) ([]store.Task, error)
	Approvals(ctx context.Context, f store.ApprovalFilter) ([]store.Approval, error)
	CloseApproval(ctx context.Context, gate, outcome, why string) error
}

// lookedAt is how many tasks are looked at in one pass: thousands that wait for people cost a few calls a second, and
// have their turn within an hour.
const lookedAt = 50

// finder ends the tasks whose runs have ended without a word: somebody has terminated the workflow in Temporal, or Temporal
// doesn't know it any more. Several may run side by side: a task ends once.
type finder struct {
	*loop.Loop
	store   lostStore
	engine  Engine
	secrets SecretVault // nil: no run has any
	log     *slog.Logger
	after   string               // the task that was looked at last
	unknown map[string]time.Time // since when Temporal doesn't know the run of a task, as far as this finder has seen
}

func newFinder(s lostStore, e Engine, secrets SecretVault, log *slog.Logger) *finder {
	f := &finder{store: s, engine: e, secrets: secrets, log: log, unknown: map[string]time.Time{}}
	f.Loop = loop.New(reconcileEvery, f.pass, func(err error, again any) {
		log.Warn("runs that have ended without a word can't be looked for", "error", err, "again", again)
	})
	return f
}

func (f *finder) pass(ctx context.Context) (more bool, err error) {
	tasks, err := f.store.Going(ctx, f.after, lookedAt)
	if err != nil {
		return false, err
	}
	for _, t := range tasks {
		how, err := f.engine.Lost(ctx, t.ID, t.Attempt)
		yet := false
		switch {
		case how == unknownRun:
			yet, err = f.mayComeYet(ctx, t)
		case err == nil:
			delete(f.unknown, t.ID)
		}
		if err == nil && how != "" && !yet {
			if err = f.end(ctx, t.ID, t.Attempt, how); err == nil {
				delete(f.unknown, t.ID)
			}
		}
		if err != nil {
			return false, err
		}
		f.after = t.ID
	}
	if len(tasks) < lookedAt {
		f.after = "" // from the first one again
	}
	return false, nil
}

// toCome is how long a worker may be away while Temporal doesn't know the task of a schedule: its firing starts it.
const toCome = 24 * time.Hour

// unknownFor is how long Temporal must have said that it doesn't know a run before that is believed: it may be an empty
// namespace that answers, or one that is being restored, and no run shall end for that.
const unknownFor = time.Hour

// mayComeYet reports whether a run that Temporal doesn't know may still be there: whoever had it accepted may start it, or
// Temporal may find it again.
func (f *finder) mayComeYet(ctx context.Context, t store.Task) (bool, error) {
	if _, seen := f.unknown[t.ID]; !seen {
		f.unknown[t.ID] = time.Now()
	}
	if time.Since(f.unknown[t.ID]) < unknownFor {
		return true, nil
	}
	switch {
	case t.Schedule != "" && t.Attempt == 0:
		return time.Since(*t.StartedAt) < toCome, nil
	case t.Parent != "":
		above, err := f.store.Task(ctx, t.Parent)
		return err == nil && !above.Ended(), err
	default:
		return false, nil
	}
}

// end does for a run what it can't do any more: its approvals close, what it has done is undone if its template wants
// that, and people are told how it ended.
func (f *finder) end(ctx context.Context, id string, attempt int, how string) error {
	f.log.Error("a run has ended without a word", "task", id, "attempt", attempt, "how", how)
	task, err := f.store.Task(ctx, id)
	if err != nil || task.Attempt != attempt || task.Ended() {
		return err
	}
	run, err := runOf(task)
	if err != nil {
		return err
	}
	open, err := f.store.Approvals(ctx, store.ApprovalFilter{Task: id, State: string(plan.Pending), Limit: mostShown})
	if err != nil {
		return err
	}
	for _, a := range open {
		if err := f.store.CloseApproval(ctx, a.ID, string(plan.Pending), how); err != nil {
			return err
		}
	}
	if run.Plan.OnFailure == plan.Undo {
		done, err := f.store.Effects(ctx, store.EffectFilter{Task: id, Limit: 1})
		if err == nil && len(done) > 0 {
			err = f.engine.Rollback(ctx, activities.RollbackInput{Task: id, By: "gildway", Why: how})
		}
		if err != nil {
			return err
		}
	}
	if f.secrets != nil && len(run.Secrets) > 0 {
		if err := f.secrets.Forget(ctx, activities.InAttempt(id, attempt)); err != nil {
			return err
		}
	}
	return f.store.Complete(ctx, id, attempt, store.StatusFailed, "", nil, fault.New(fault.Conflict, "%s", how))
}

// lastWords is how long after the end of a workflow its activities may still be at work: they learn of it when they say
// that they are alive.
const lastWords = 30 * time.Second

const unknownRun = "Temporal doesn't know the run of this task any more"

// Lost implements Engine.
func (e *TemporalEngine) Lost(ctx context.Context, task string, attempt int) (how string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	newest, info, err := e.newest(ctx, task)
	switch {
	case err != nil:
		return "", engineFault(err)
	case info == nil:
		return unknownRun, nil
	case newest > attempt || info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || time.Since(info.GetCloseTime().AsTime()) < lastWords:
		return "", nil
	case newest < attempt: // whoever was to start it did not live to
		return unknownRun, nil
	}
	events := e.client.GetWorkflowHistory(ctx, task, info.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	if !events.HasNext() {
		return "the run has ended in Temporal, nobody knows how", nil
	}
	last, err := events.Next()
	if err != nil {
		return "", engineFault(err)
	}
	switch {
	case last.GetWorkflowExecutionTerminatedEventAttributes() != nil:
		how = "the run was terminated in Temporal"
		if reason := last.GetWorkflowExecutionTerminatedEventAttributes().GetReason(); reason != "" {
			how += ": " + truncated(reason, 200)
		}
	case last.GetWorkflowExecutionTimedOutEventAttributes() != nil:
		how = "the run took longer than Temporal lets a workflow take"
	case last.GetWorkflowExecutionFailedEventAttributes() != nil:
		how = "the run failed in Temporal: " + truncated(last.GetWorkflowExecutionFailedEventAttributes().GetFailure().GetMessage(), 200)
	default:
		how = "the run has ended in Temporal without a word"
	}
	return how, nil
}
