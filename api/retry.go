package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// RetryTask runs an ended task again, with the plan and the values that it had. The secrets of the run before are
// gone; those it needs come again, and are checked against the template as it is now.
func (h handlers) RetryTask(ctx context.Context, r RetryTaskRequestObject) (RetryTaskResponseObject, error) {
	var secrets map[string]string
	if r.Body != nil {
		secrets = r.Body.Secrets
	}
	task := askedIn(ctx).task
	if _, err := h.retry(ctx, recoverStrategy(task), secrets, fromTheStart); err != nil {
		return nil, err
	}
	return RetryTask201JSONResponse{Id: task.ID}, nil
}

// fromTheStart runs every step again.
func fromTheStart(context.Context, *templates.Version, *attempt) error { return nil }

// attempt is another attempt at a task while it is put together.
type attempt struct {
	run     plan.Run
	spec    json.RawMessage // Backstage's task spec, if it changes
	changed []string        // the parameters that have another value
	audited map[string]any
}

// retry opens an ended task again. shape says in what the new attempt, which has the plan and the values of the one before,
// differs from it.
func (h handlers) retry(ctx context.Context, strategy string, secrets map[string]string,
	shape func(context.Context, *templates.Version, *attempt) error) (plan.Run, error) {
	a := askedIn(ctx)
	if !a.task.Ended() {
		return plan.Run{}, fault.New(fault.Conflict, "Task with taskId %s cannot be retried", a.task.ID)
	}
	version, err := h.runnable(ctx, a.task.TemplateRef, identity.Run) // as in Backstage: who may not run it any more may not run it again
	if err != nil {
		return plan.Run{}, err
	}
	if wrong := version.Template.CheckSecrets(secrets); len(wrong) > 0 {
		return plan.Run{}, valuesRefused(wrong)
	}
	if err := h.takesSecrets(secrets); err != nil {
		return plan.Run{}, err
	}
	next := attempt{audited: map[string]any{}}
	if next.run, err = runOf(a.task); err != nil {
		return plan.Run{}, err
	}
	if err := h.getsAll(ctx, &next.run.Plan, version); err != nil {
		return plan.Run{}, err
	}
	secrets = h.secretsFor(ctx, &next.run.Plan, secrets)
	next.run.Attempt, next.run.Secrets, next.run.Kept = a.task.Attempt+1, slices.Sorted(maps.Keys(secrets)), nil
	if err := shape(ctx, version, &next); err != nil {
		return plan.Run{}, err
	}
	raw, err := json.Marshal(next.run)
	if err != nil {
		return plan.Run{}, err
	}
	if len(raw) > maxRun {
		return plan.Run{}, fault.New(fault.Invalid, "what the steps gave is too large to be taken over: %d bytes, at most %d; start over", len(raw), maxRun)
	}
	n := store.NewAttempt{
		Task: a.task.ID, Attempt: next.run.Attempt, Run: raw, Strategy: strategy, By: a.caller.Ref,
		Quotas: h.Limits.quotas(a.caller.Ref, a.caller.Groups, a.task.TemplateRef), Spec: next.spec, Audited: next.audited,
		Lent: len(secrets) > 0,
	}
	if next.spec != nil {
		var read plan.Run // as the workflow will read it
		if err := json.Unmarshal(raw, &read); err != nil {
			return plan.Run{}, err
		}
		n.Digest = read.Digest()
	}
	if n.Lent {
		if err := h.Store.LendSecrets(ctx, n.Task, n.Attempt); err != nil {
			return plan.Run{}, err
		}
	}
	if err := h.Store.Retry(ctx, n, func(ctx context.Context) error { return h.lend(ctx, next.run, secrets) }); err != nil {
		return plan.Run{}, err
	}
	h.starter.Hurry()
	return next.run, nil
}

// getsAll refuses a plan with steps that the caller doesn't get, however it came by them: somebody else may have submitted it,
// or what they may do has changed since. now is its template as it is today.
func (s *Server) getsAll(ctx context.Context, p *plan.Plan, now *templates.Version) error {
	whole, err := s.planned(ctx, p)
	if err != nil {
		return err
	}
	caller := callerOf(ctx)
	if err := s.learnGroups(ctx, &caller); err != nil {
		return err
	}
	withheld := whole.Withheld(p, func(tags []string) bool { return s.Policy.Shows(caller, tags, resourceOf(now)) })
	if len(withheld) > 0 {
		return fault.New(fault.Denied, "%s may not run the whole of %s: not its steps %s; submit a new task, which leaves them out",
			caller.Ref, p.Template.Ref, strings.Join(withheld, ", "))
	}
	return nil
}

// planned is the whole template, pages and steps of all tags, that a plan was made of.
func (s *Server) planned(ctx context.Context, p *plan.Plan) (*templates.Template, error) {
	if now, ok := s.Templates.Get(p.Template.Ref); ok && now.Digest == p.Template.Digest {
		return now.Template, nil
	}
	lost := func(cause error) error {
		return fault.Wrap(fault.Conflict, cause, "the version of %s that this task runs is not known any more; submit a new task", p.Template.Ref)
	}
	kept, err := s.Store.TemplateByDigest(ctx, p.Template.Digest)
	switch {
	case errors.Is(err, fault.NotFound):
		return nil, lost(err)
	case err != nil:
		return nil, err
	}
	whole, problems := templates.Parse(p.Template.Ref, []byte(kept.Source))
	if whole == nil {
		return nil, lost(fault.WithProblems("it can't be read", problems))
	}
	return whole, nil
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
		return keepsLog
	}
	return spec.Recovery.Strategy
}

// keepsLog is the strategy that shows what earlier attempts have said.
const keepsLog = "none"
