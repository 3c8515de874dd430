package run

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// Outputs renders what a run shows at its end. Links and texts whose `if` is not true are left out.
func (r *Runner) Outputs(ctx context.Context, in activities.OutputsInput) (activities.Outputs, error) {
	var raw json.RawMessage
	err := pure(ctx, func() (err error) {
		if raw, err = r.outputs(ctx, in); err == nil {
			raw, err = r.offload(ctx, raw, largestOutput)
		}
		return err
	})
	if err != nil {
		return activities.Outputs{}, r.seal(ctx, err, "rendering the outputs failed", "task", in.Run.Task)
	}
	return activities.Outputs{Output: raw}, nil
}

func (r *Runner) outputs(ctx context.Context, in activities.OutputsInput) (json.RawMessage, error) {
	if len(in.Output) == 0 {
		return json.RawMessage("{}"), nil
	}
	tree, err := expr.FromJSON(in.Output)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the outputs of the template can't be read")
	}
	vars, err := r.variables(ctx, in.Run, named(in.Scope.Steps, "steps", references(tree)))
	if err != nil {
		return nil, err
	}
	s := scope{runner: r, vars: vars, failed: in.Scope.Failed}
	rendered, err := s.render(ctx, tree)
	if err != nil {
		return nil, err
	}
	out, ok := rendered.(*expr.Object)
	if !ok {
		return json.RawMessage("{}"), nil
	}
	for _, list := range []string{"links", "text"} {
		if entries, ok := out.Get(list); ok {
			out = out.With(list, wanted(entries))
		}
	}
	raw, err := expr.ToJSON(out)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the outputs can't be written as JSON")
	}
	return raw, nil
}

// wanted drops the entries whose `if` is not true, and the `if` of the others.
func wanted(entries any) any {
	list, ok := entries.([]any)
	if !ok {
		return entries
	}
	out := []any{}
	for _, entry := range list {
		fields, ok := entry.(*expr.Object)
		if !ok {
			out = append(out, entry)
			continue
		}
		kept := &expr.Object{}
		keep := true
		for key, value := range fields.All() {
			if key == "if" {
				keep = truthy(value)
			} else {
				kept.Set(key, value)
			}
		}
		if keep {
			out = append(out, kept)
		}
	}
	return out
}
