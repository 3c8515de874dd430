package api

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// RetryTask runs an ended task again, with the plan and the values that it had. The secrets of the run before are
// gone; those it needs come again, and are checked against the template as it is now.
func (h handlers) RetryTask(ctx context.Context, r RetryTaskRequestObject) (RetryTaskResponseObject, error) {
	a := askedIn(ctx)
	var secrets map[string]string
	if r.Body != nil {
		secrets = r.Body.Secrets
	}
	if !a.task.Ended() {
		return nil, fault.New(fault.Conflict, "Task with taskId %s cannot be retried", a.task.ID)
	}
	version, err := h.runnable(ctx, a.task.TemplateRef, identity.Run) // as in Backstage: who may not run it any more may not run it again
	if err != nil {
		return nil, err
	}
	if wrong := version.Template.CheckSecrets(secrets); len(wrong) > 0 {
		return nil, valuesRefused(wrong)
	}
	if err := h.takesSecrets(secrets); err != nil {
		return nil, err
	}
	run, err := runOf(a.task)
	if err != nil {
		return nil, err
	}
	run.Attempt, run.Secrets = a.task.Attempt+1, slices.Sorted(maps.Keys(secrets))
	raw, err := json.Marshal(run)
	if err != nil {
		return nil, err
	}
	err = h.Store.Retry(ctx, store.NewAttempt{
		Task: a.task.ID, Attempt: run.Attempt, Run: raw, Strategy: recoverStrategy(a.task), By: a.caller.Ref,
		Quotas: h.Limits.quotas(a.caller.Ref, a.caller.Groups, a.task.TemplateRef),
	}, func(ctx context.Context) error { return h.lend(ctx, run, secrets) })
	if err != nil {
		return nil, err
	}
	h.starter.Hurry()
	return RetryTask201JSONResponse{Id: a.task.ID}, nil
}

// lend puts the secrets of a later attempt where its worker finds them. What was left there by a retry that came to
// nothing goes first.
func (s *Server) lend(ctx context.Context, run plan.Run, secrets map[string]string) error {
	if len(secrets) == 0 {
		return nil
	}
	attempt := activities.InAttempt(run.Task, run.Attempt)
	if err := s.Secrets.Forget(ctx, attempt); err != nil {
		return err
	}
	return s.Secrets.Put(ctx, attempt, secrets)
}

func (s *Server) takesSecrets(secrets map[string]string) error {
	if len(secrets) > 0 && s.Secrets == nil {
		return fault.New(fault.Invalid, "this installation can't take secrets; it has no vault configured for them")
	}
	return nil
}

// recoverStrategy is how Backstage's frontend shows a task that is retried: "startOver" or "none".
func recoverStrategy(t store.Task) string {
	var spec struct {
		Recovery struct {
			Strategy string `json:"EXPERIMENTAL_strategy"`
		} `json:"EXPERIMENTAL_recovery"`
	}
	_ = json.Unmarshal(t.Spec, &spec) // we wrote it
	if spec.Recovery.Strategy == "" {
		return "none"
	}
	return spec.Recovery.Strategy
}
