package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

type waitStore interface {
	// Waits lists the calls of an attempt at a task that wait to be made again, the longest first.
	Waits(ctx context.Context, task string, attempt int) ([]store.Wait, error)
}

// CancelStep implements the route. The run answers whether it can do so.
func (h handlers) CancelStep(ctx context.Context, r CancelStepRequestObject) (CancelStepResponseObject, error) {
	a := askedIn(ctx)
	if a.task.Ended() {
		return nil, fault.New(fault.Conflict, "the task has ended already")
	}
	in := activities.CancelStep{Step: r.Step, Then: activities.StepThen(r.Action), By: a.caller.Ref}
	if r.Body != nil {
		in.Iteration, in.Why = r.Body.Iteration, r.Body.Reason
	}
	switch in.Then {
	case activities.RetryStep, activities.SkipStep, activities.AbortStep:
	default:
		return nil, fault.New(fault.Invalid, "a step can be retried, skipped or aborted, not %q", r.Action)
	}
	if in.Then == activities.RetryStep {
		if err := h.waitsForProvider(ctx, a.task, in); err != nil {
			return nil, err
		}
	}
	kind := "step-" + r.Action + "-asked"
	err := h.Store.Audit(ctx, a.task.ID, kind+"/"+uuid.NewString(), kind, a.caller.Ref,
		map[string]any{"step": in.Step, "iteration": in.Iteration, "reason": in.Why})
	if err != nil {
		return nil, err
	}
	return CancelStep202JSONResponse{Id: a.task.ID}, h.Engine.CancelStep(ctx, a.task.ID, in)
}

// waitsForProvider refuses to try a step now that is being tried: that would only break off the try.
func (h handlers) waitsForProvider(ctx context.Context, task store.Task, in activities.CancelStep) error {
	waits, err := h.Store.Waits(ctx, task.ID, task.Attempt)
	if err != nil {
		return err
	}
	for _, w := range waits {
		if w.Step == in.Step && (in.Iteration == "" || w.Iteration == in.Iteration) && w.Next.After(time.Now()) {
			return nil
		}
	}
	return fault.New(fault.Conflict, "%s doesn't wait to be tried again: it is at work, over, or has not begun", in.Step)
}

func (in graphing) waitsOf(step string) (list []StepWait) {
	for _, w := range in.waits {
		if w.Step == step {
			list = append(list, StepWait{Iteration: w.Iteration, Tries: w.Tries, Why: w.Why, Since: moment(w.Since), NextAt: moment(w.Next)})
		}
	}
	return list
}

// providerOf says for what a step waits that could not do its work yet; of a loop for the item that has waited longest.
func (in graphing) providerOf(step string) *WaitingFor {
	for _, w := range in.waits {
		if w.Step != step {
			continue
		}
		when := "now"
		if w.Next.After(in.now) {
			when = "at " + w.Next.UTC().Format("15:04:05 UTC")
		}
		return &WaitingFor{Kind: "provider", Id: w.Iteration, Says: fmt.Sprintf("attempt %d, %s; the last one: %s", w.Tries+1, when, w.Why)}
	}
	return nil
}

// CancelStep implements Engine. When no worker answers in time nothing is left behind: the caller can ask again.
func (e *TemporalEngine) CancelStep(ctx context.Context, task string, in activities.CancelStep) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: task, UpdateName: activities.CancelStepMessage, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return fault.Wrap(fault.Conflict, err, "the task has ended already")
	}
	return decisionFault(err)
}
