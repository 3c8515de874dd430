package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"go.temporal.io/api/serviceerror"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// ResumeFailedTask runs an ended task again, from the step that failed unless it is asked to start over. Backstage's route
// always starts over.
func (h handlers) ResumeFailedTask(ctx context.Context, r ResumeFailedTaskRequestObject) (ResumeFailedTaskResponseObject, error) {
	var body NewRetry
	if r.Body != nil {
		body = *r.Body
	}
	task := askedIn(ctx).task
	strategy := recoverStrategy(task)
	shape := func(ctx context.Context, v *templates.Version, next *attempt) error {
		if err := h.correct(ctx, v, next, body.Values); err != nil || len(next.changed) == 0 {
			return err
		}
		return h.startOverCorrected(ctx, next)
	}
	if body.From != "start" {
		strategy = keepsLog
		shape = func(ctx context.Context, v *templates.Version, next *attempt) error {
			if err := h.correct(ctx, v, next, body.Values); err != nil {
				return err
			}
			return h.goOn(ctx, next)
		}
	}
	run, err := h.retry(ctx, strategy, body.Secrets, shape)
	if err != nil {
		return nil, err
	}
	return ResumeFailedTask202JSONResponse{Id: task.ID, Attempt: run.Attempt, Kept: keptSteps(run)}, nil
}

func keptSteps(run plan.Run) []string {
	steps := []string{}
	for _, k := range run.Kept {
		steps = append(steps, k.Step)
	}
	return steps
}

// correct gives an attempt other values, which must be what the template asks for. The task stays its creator's, whose request
// approvers decide about: nobody else says what it asks for, or they could approve what they want themselves.
func (h handlers) correct(ctx context.Context, v *templates.Version, next *attempt, corrected json.RawMessage) error {
	if len(corrected) == 0 {
		return nil
	}
	var given, values map[string]json.RawMessage
	if err := json.Unmarshal(corrected, &given); err != nil {
		return fault.Wrap(fault.Invalid, err, "request/body/values must be an object")
	}
	if err := json.Unmarshal(next.run.Values, &values); err != nil || values == nil {
		values = map[string]json.RawMessage{}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if before, there := values[name]; !there || !sameJSON(before, given[name]) {
			next.changed = append(next.changed, name)
			values[name] = given[name]
		}
	}
	if len(next.changed) == 0 {
		return nil
	}
	if a := askedIn(ctx); a.caller.Ref != a.task.CreatedBy {
		return fault.New(fault.Denied, "only %s, whose task this is, may correct its values; submit a task of your own", a.task.CreatedBy)
	}
	if v.Digest != next.run.Plan.Template.Digest {
		return fault.New(fault.Conflict, "the template has changed since: its form is another one now; submit a new task with the corrected values")
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return err
	}
	whole, err := h.planned(ctx, &next.run.Plan)
	if err != nil {
		return err
	}
	wrong := v.Template.CheckValues(raw)
	if len(wrong) == 0 {
		wrong = whole.CheckCorrection(next.run.Values, raw)
	}
	if len(wrong) > 0 {
		return valuesRefused(wrong)
	}
	next.run.Values, next.audited["corrected"] = raw, next.changed
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	return plan.Run{Values: a}.Digest() == plan.Run{Values: b}.Digest()
}

// startOverCorrected lets an attempt with other values begin only where nothing is left of those before: what a step finds
// there it adopts, and it was made with other values.
func (h handlers) startOverCorrected(ctx context.Context, next *attempt) error {
	left, err := h.Store.Effects(ctx, store.EffectFilter{Task: next.run.Task, Limit: 1})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fault.New(fault.Conflict, "step %s has done something with the values as they were; roll the task back first", left[0].Step)
	}
	return h.respecify(ctx, next)
}

// goOn lets an attempt take over what its predecessor completed.
func (h handlers) goOn(ctx context.Context, next *attempt) error {
	task := askedIn(ctx).task
	if task.Status == store.StatusCompleted {
		return fault.New(fault.Conflict, "no step has failed: the task has completed; it can only start over")
	}
	results, err := h.Engine.Results(ctx, task.ID)
	if err != nil {
		return err
	}
	undone, err := h.Store.UndoneSteps(ctx, task.ID)
	if err != nil {
		return err
	}
	resumed := templates.Resume(next.run.Plan, results, undone)
	for _, parameter := range next.changed {
		if step := resumed.Using(next.run.Plan, parameter); step != "" {
			return fault.New(fault.Conflict, "step %s has used the parameter %s, or may have, and is kept; roll the task back first, or start over with a new task",
				step, parameter)
		}
	}
	next.run.Kept = resumed.Kept
	next.audited["from"], next.audited["kept"] = "failed", keptSteps(next.run)
	if len(next.changed) == 0 {
		return nil
	}
	return h.respecify(ctx, next)
}

// respecify shows the corrected values to Backstage's clients.
func (h handlers) respecify(ctx context.Context, next *attempt) (err error) {
	var spec taskSpec
	if err := json.Unmarshal(askedIn(ctx).task.Spec, &spec); err != nil {
		return fault.Wrap(fault.Internal, err, "the specification of the task can't be read")
	}
	spec.Parameters = next.run.Values
	next.spec, err = json.Marshal(spec)
	return err
}

// Results implements Engine. A run that has ended answers, too, for as long as Temporal keeps its history.
func (e *TemporalEngine) Results(ctx context.Context, task string) (results []plan.Kept, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	switch undoing, err := e.rollingBack(ctx, task); {
	case err != nil:
		return nil, engineFault(err)
	case undoing:
		return nil, fault.New(fault.Conflict, "what the task has done is being undone; it can only start over")
	}
	answer, err := e.client.QueryWorkflow(ctx, task, "", activities.ResultsQuery)
	if err == nil {
		err = answer.Get(&results)
	}
	var gone *serviceerror.NotFound
	var refused *serviceerror.QueryFailed
	switch {
	case errors.As(err, &gone):
		return nil, fault.Wrap(fault.Conflict, err, "what the steps gave is not known any more: the run is too long ago; it can only start over")
	case errors.As(err, &refused):
		return nil, fault.Wrap(fault.Conflict, err, "what the steps gave can't be found out; it can only start over")
	}
	return results, engineFault(err)
}
