package run

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Evaluate says what a step's `if`, `each` and `input` come to, by Backstage's rules, and whether its action takes
// them. What reads secrets in the input is held back for the action's own activity.
func (r *Runner) Evaluate(ctx context.Context, in activities.EvaluateInput) (activities.Evaluated, error) {
	var out activities.Evaluated
	err := pure(ctx, func() error {
		e, err := r.evaluation(ctx, in)
		if err == nil {
			out, err = e.evaluate(ctx)
		}
		return err
	})
	if err != nil {
		return activities.Evaluated{}, r.seal(ctx, err, "evaluating a step failed", "task", in.Run.Task, "step", in.Step.ID)
	}
	return out, nil
}

// evaluation is a step being evaluated.
type evaluation struct {
	runner            *Runner
	in                activities.EvaluateInput
	action            activities.Action
	when, each, input any
	branches          []any // the `if` of each
	plain             scope // what every expression of the step sees

	values map[string]json.RawMessage // the run's, by name; read when the first expression is held
	reads  map[string]reading         // by source
}

func (r *Runner) evaluation(ctx context.Context, in activities.EvaluateInput) (*evaluation, error) {
	e := &evaluation{runner: r, in: in, branches: make([]any, len(in.Step.Branches)), reads: map[string]reading{}}
	parts := map[*any]json.RawMessage{&e.when: in.Step.If, &e.each: in.Step.Each, &e.input: in.Step.Input}
	for i, b := range in.Step.Branches {
		parts[&e.branches[i]] = b.If
	}
	for into, raw := range parts {
		*into = expr.Undefined
		if len(raw) == 0 {
			continue
		}
		v, err := expr.FromJSON(raw)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "the step %s can't be read", in.Step.ID)
		}
		*into = v
	}
	refs := references(append(slices.Clone(e.branches), e.when, e.each, e.input)...)
	vars, err := r.variables(ctx, in.Run, named(in.Scope.Steps, "steps", refs))
	e.plain = scope{runner: r, vars: vars, failed: in.Scope.Failed, strict: in.Run.Template.Strict()}
	return e, err
}

func (e *evaluation) evaluate(ctx context.Context) (out activities.Evaluated, err error) {
	out.Looped = e.each != any(expr.Undefined)
	if e.when == false {
		out.Skip = true
		return out, nil
	}
	runs, err := e.runs(ctx)
	if err != nil {
		return out, err
	}
	out.CheckedFailure = e.plain.asked
	out.Skip = !runs && !out.Looped // a loop asks for every item
	if out.Skip || e.in.Scope.Failed && !out.CheckedFailure {
		return out, nil
	}
	if e.in.Step.Kind == plan.SwitchStep {
		out.Branch, err = e.choose(ctx)
		return out, err
	}
	if e.action, err = e.runner.action(e.in.Step.Action); err != nil {
		return out, err
	}
	if out.Looped {
		return out, e.loop(ctx, &out)
	}
	var item activities.Item
	if item.Input, err = e.inputs(ctx, &e.plain, nil); err == nil {
		item.Input, err = e.runner.offload(ctx, item.Input, largestOutput)
	}
	out.Items = []activities.Item{item}
	return out, err
}

// runs evaluates `if` where neither secrets nor items are in scope. Backstage asks only what is a text.
func (e *evaluation) runs(ctx context.Context) (bool, error) {
	when, ok := e.when.(string)
	if !ok {
		return true, nil
	}
	s := e.plain
	s.strict = s.strict && e.each == any(expr.Undefined) // without its item the `if` of a loop only tells whether it asks for the run's fate
	v, err := s.render(ctx, when)
	e.plain.asked = s.asked
	return truthy(v), err
}

// choose gives the first branch whose `if` is absent or true, "" if there is none.
func (e *evaluation) choose(ctx context.Context) (string, error) {
	for i, when := range e.branches {
		if when != any(expr.Undefined) && when != nil {
			v, err := e.plain.render(ctx, when)
			if err != nil {
				return "", err
			}
			if !truthy(v) {
				continue
			}
		}
		return e.in.Step.Branches[i].Name, nil
	}
	return "", nil
}

// inputs renders `input` for an item, nil without a loop, and checks it.
func (e *evaluation) inputs(ctx context.Context, s *scope, of *item) (json.RawMessage, error) {
	var rendered any = &expr.Object{}
	if expr.Truthy(e.input) {
		var err error
		if rendered, err = e.inputTree(ctx, s, e.input, of); err != nil {
			return nil, err
		}
	}
	if err := e.action.CheckItem(of.name(), known(rendered)); err != nil {
		return nil, err
	}
	raw, err := expr.ToJSON(rendered)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the input of step %s can't be written as JSON", e.in.Step.ID)
	}
	return raw, nil
}

func (e *evaluation) inputTree(ctx context.Context, s *scope, tree any, of *item) (any, error) {
	switch tree := tree.(type) {
	case string:
		if e.waits(tree, of) {
			return e.hold(tree, of)
		}
		v, err := s.render(ctx, tree)
		return escape(v), err
	case []any:
		out := make([]any, len(tree))
		for i, part := range tree {
			v, err := e.inputTree(ctx, s, part, of)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case *expr.Object:
		out := &expr.Object{}
		for key, part := range tree.All() {
			if reserved(key) {
				return nil, fault.New(fault.Invalid, "the input of step %s has the key %q: what begins with %q is reserved", e.in.Step.ID, key, markPrefix)
			}
			v, err := e.inputTree(ctx, s, part, of)
			if err != nil {
				return nil, err
			}
			if v != any(expr.Undefined) {
				out.Set(key, v)
			}
		}
		return out, nil
	}
	return tree, nil
}

// known is a rendered input with what is known of it: what waits for its secrets is not.
func known(tree any) any {
	switch tree := tree.(type) {
	case []any:
		out := make([]any, len(tree))
		for i, part := range tree {
			out[i] = known(part)
		}
		return out
	case *expr.Object:
		if tree.Has(secretMark) {
			return conform.Unknown
		}
		if data, ok := tree.Get(dataMark); ok {
			return data
		}
		out := &expr.Object{}
		for key, part := range tree.All() {
			if part = known(part); part != any(expr.Undefined) {
				out.Set(key, part)
			}
		}
		return out
	}
	if tree == any(expr.Undefined) {
		return nil // in an array
	}
	return tree
}
