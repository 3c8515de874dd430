package run

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// Evaluate says what a step's `if`, `each` and `input` come to, by Backstage's rules. What mentions
// `secrets` in the input is held back for the action's own activity.
func (r *Runner) Evaluate(ctx context.Context, in activities.EvaluateInput) (activities.Evaluated, error) {
	var out activities.Evaluated
	err := pure(ctx, func() (err error) {
		out, err = r.evaluate(ctx, in)
		return err
	})
	if err != nil {
		return activities.Evaluated{}, r.seal(ctx, err, "evaluating a step failed", "task", in.Run.Task, "step", in.Step.ID)
	}
	return out, nil
}

func (r *Runner) evaluate(ctx context.Context, in activities.EvaluateInput) (activities.Evaluated, error) {
	var out activities.Evaluated
	vars, err := variables(in.Run, in.Scope.Steps)
	if err != nil {
		return out, err
	}
	s := scope{vars: vars, failed: in.Scope.Failed}
	e := evaluation{runner: r, in: in}
	for _, part := range []struct {
		raw  json.RawMessage
		into *any
	}{{in.Step.If, &e.when}, {in.Step.Each, &e.each}, {in.Step.Input, &e.input}} {
		*part.into = expr.Undefined
		if len(part.raw) > 0 {
			if *part.into, err = expr.FromJSON(part.raw); err != nil {
				return out, fault.Wrap(fault.Internal, err, "the step %s can't be read", in.Step.ID)
			}
		}
	}
	out.Looped = e.each != any(expr.Undefined)
	switch {
	case e.when == false:
		out.Skip = true
	case out.Looped:
		out.Items, err = e.loop(ctx, &s)
	default:
		var runs bool
		if runs, err = e.runs(ctx, &s); err != nil {
			break
		}
		if out.Skip = !runs; runs {
			var item activities.Item
			item.Input, err = e.inputs(ctx, &s, nil)
			out.Items = []activities.Item{item}
		}
	}
	out.CheckedFailure = s.asked
	return out, err
}

// evaluation is a step being evaluated.
type evaluation struct {
	runner            *Runner
	in                activities.EvaluateInput
	when, each, input any
}

// runs evaluates `if`. Secrets are not in scope unless the step loops.
func (e evaluation) runs(ctx context.Context, s *scope) (bool, error) {
	if e.when == any(expr.Undefined) || e.when == nil {
		return true, nil
	}
	v, err := s.render(ctx, e.when)
	return truthy(v), err
}

func (e evaluation) loop(ctx context.Context, s *scope) ([]activities.Item, error) {
	if mentionsSecrets(e.each) {
		return nil, fault.New(fault.Invalid, "`each` of step %s reads `secrets`: what a step loops over stands in the run's history. Read the secret in `input` instead", e.in.Step.ID)
	}
	over, err := s.render(ctx, e.each)
	if err != nil {
		return nil, err
	}
	var each []*expr.Object
	switch over := over.(type) {
	case []any:
		for i, v := range over {
			each = append(each, expr.NewObject("key", strconv.Itoa(i), "value", v))
		}
	case *expr.Object:
		for k, v := range over.All() {
			each = append(each, expr.NewObject("key", k, "value", v))
		}
	default:
		return nil, fault.New(fault.Invalid, "`each` of step %s is %s; it must be an array or an object", e.in.Step.ID, kindOf(over))
	}
	vars := s.vars
	defer func() { s.vars = vars }()
	items := make([]activities.Item, 0, len(each))
	for _, one := range each {
		s.vars = vars.With("each", one)
		item, err := e.item(ctx, s, one)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (e evaluation) item(ctx context.Context, s *scope, each *expr.Object) (activities.Item, error) {
	var item activities.Item
	key, _ := each.Get("key")
	value, _ := each.Get("value")
	item.Key = key.(string)
	var err error
	if item.Value, err = expr.ToJSON(value); err != nil {
		return item, fault.Wrap(fault.Internal, err, "an item of step %s can't be written as JSON", e.in.Step.ID)
	}
	condition := *s
	if mentionsSecrets(e.when) {
		secrets, err := e.runner.secretsOf(ctx, e.in.Run.Task)
		if err != nil {
			return item, err
		}
		condition.vars = s.vars.With("secrets", secrets)
	}
	runs, err := e.runs(ctx, &condition)
	s.asked = s.asked || condition.asked
	if err != nil {
		return item, err
	}
	if item.Skip = !runs; item.Skip {
		return item, nil
	}
	item.Input, err = e.inputs(ctx, s, each)
	return item, err
}

// inputs renders `input`.
func (e evaluation) inputs(ctx context.Context, s *scope, each *expr.Object) (json.RawMessage, error) {
	if e.input == any(expr.Undefined) || e.input == nil {
		return json.RawMessage("{}"), nil
	}
	v, err := e.inputTree(ctx, s, e.input, each)
	if err != nil {
		return nil, err
	}
	raw, err := expr.ToJSON(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the input of step %s can't be written as JSON", e.in.Step.ID)
	}
	return raw, nil
}

func (e evaluation) inputTree(ctx context.Context, s *scope, tree any, each *expr.Object) (any, error) {
	switch tree := tree.(type) {
	case string:
		if mentionsSecrets(tree) {
			return hold(tree, e.in, each)
		}
		v, err := s.render(ctx, tree)
		return escape(v), err
	case []any:
		out := make([]any, len(tree))
		for i, item := range tree {
			v, err := e.inputTree(ctx, s, item, each)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case *expr.Object:
		out := &expr.Object{}
		for key, item := range tree.All() {
			v, err := e.inputTree(ctx, s, item, each)
			if err != nil {
				return nil, err
			}
			out.Set(key, v)
		}
		return out, nil
	}
	return tree, nil
}

// scope is what expressions see, and whether one asked for the run's fate.
type scope struct {
	vars   *expr.Object
	failed bool
	asked  bool // always() or failure() was called while it mattered
}

func (s *scope) render(ctx context.Context, tree any) (any, error) {
	env := &expr.Env{Vars: s.vars, Funcs: map[string]expr.Func{
		"always":  func([]any) (any, error) { s.asked = true; return true, nil },
		"failure": func([]any) (any, error) { s.asked = true; return s.failed, nil },
	}}
	v, err := expr.RenderTree(ctx, tree, env)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "there was no time to evaluate an expression")
	}
	return v, nil
}

// variables are what every expression of a run sees.
func variables(run activities.RunInfo, steps map[string]json.RawMessage) (*expr.Object, error) {
	read := func(raw json.RawMessage, absent any) (any, error) {
		if len(raw) == 0 {
			return absent, nil
		}
		v, err := expr.FromJSON(raw)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "what the run %s knows can't be read", run.Task)
		}
		return v, nil
	}
	parameters, err := read(run.Values, &expr.Object{})
	if err != nil {
		return nil, err
	}
	entity, err := read(run.Requester.Entity, expr.Undefined)
	if err != nil {
		return nil, err
	}
	done := &expr.Object{}
	for _, id := range slices.Sorted(maps.Keys(steps)) {
		step, err := read(steps[id], &expr.Object{})
		if err != nil {
			return nil, err
		}
		done.Set(id, step)
	}
	return expr.NewObject(
		"parameters", parameters,
		"steps", done,
		"user", expr.NewObject("entity", entity, "ref", run.Requester.Ref),
		"context", expr.NewObject("task", expr.NewObject("id", run.Task)),
		"environment", expr.NewObject("parameters", &expr.Object{}, "secrets", &expr.Object{}),
	), nil
}

// truthy is Backstage's rule for `if`: an array counts as true only if there is something in it.
func truthy(v any) bool {
	if list, ok := v.([]any); ok {
		return len(list) > 0
	}
	return expr.Truthy(v)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	default:
		return "undefined"
	}
}
