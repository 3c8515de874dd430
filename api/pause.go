package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// PauseTask implements the route. A run that has ended can't be held.
func (h handlers) PauseTask(ctx context.Context, r PauseTaskRequestObject) (PauseTaskResponseObject, error) {
	reason := ""
	if r.Body != nil {
		reason = r.Body.Reason
	}
	id, err := h.tell(ctx, "task-pause-asked", activities.PauseMessage, reason)
	return PauseTask202JSONResponse{Id: id}, err
}

// ResumeTask implements the route.
func (h handlers) ResumeTask(ctx context.Context, _ ResumeTaskRequestObject) (ResumeTaskResponseObject, error) {
	id, err := h.tell(ctx, "task-resume-asked", activities.ResumeMessage, "")
	return ResumeTask202JSONResponse{Id: id}, err
}

// StopTask is CancelTask with a reason, and with undo if asked.
func (h handlers) StopTask(ctx context.Context, r StopTaskRequestObject) (StopTaskResponseObject, error) {
	message, reason := activities.CancelMessage, ""
	if r.Body != nil {
		reason = r.Body.Reason
		if r.Body.Undo {
			message = activities.CancelAndUndoMessage
		}
	}
	a := askedIn(ctx)
	if !a.task.Ended() {
		if err := h.Store.RequestCancel(ctx, a.task.ID, a.task.Attempt, a.caller.Ref); err != nil {
			return nil, err
		}
	}
	id, err := h.tell(ctx, "task-cancel-asked", message, reason)
	return StopTask202JSONResponse{Id: id}, err
}

// tell hands a message of the caller to the run, which must not have ended.
func (h handlers) tell(ctx context.Context, kind, message, reason string) (string, error) {
	a := askedIn(ctx)
	if a.task.Ended() {
		return "", fault.New(fault.Conflict, "the task has ended already")
	}
	if a.task.StartedAt == nil {
		if err := h.starter.start(ctx, a.task); err != nil {
			return "", err
		}
	}
	says := "asked for by " + a.caller.Ref
	if reason != "" {
		says += ": " + reason
	}
	err := h.Store.Audit(ctx, a.task.ID, kind+"/"+uuid.NewString(), kind, a.caller.Ref, map[string]any{"reason": reason, "message": message})
	if err != nil {
		return "", err
	}
	return a.task.ID, h.Engine.Tell(ctx, a.task.ID, message, says)
}
