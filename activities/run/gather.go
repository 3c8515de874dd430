package run

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// Items says which items a part of a loop has.
func (r *Runner) Items(ctx context.Context, in activities.Chunk) ([]activities.ItemKey, error) {
	var keys []activities.ItemKey
	err := pure(ctx, func() error {
		raw, err := workspace.Get(ctx, r.blobs, in.Blob)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &keys); err != nil || len(keys) != in.Count {
			return fault.Wrap(fault.Internal, err, "a part of a loop can't be read")
		}
		return nil
	})
	if err != nil {
		return nil, r.seal(ctx, err, "reading a part of a loop failed", "first", in.First)
	}
	return keys, nil
}

// Gather puts together what the items of a loop gave, or parts of them.
func (r *Runner) Gather(ctx context.Context, in activities.GatherInput) (activities.Gathered, error) {
	var out activities.Gathered
	err := pure(ctx, func() (err error) {
		out, err = r.gather(ctx, in)
		return err
	})
	if err != nil {
		return activities.Gathered{}, r.seal(ctx, err, "gathering what a loop gave failed")
	}
	return out, nil
}

func (r *Runner) gather(ctx context.Context, in activities.GatherInput) (out activities.Gathered, err error) {
	all := &expr.Object{}
	var layers []string
	add := func(raw json.RawMessage, layer string, merge func(so, now any) any) error {
		if layer != "" {
			layers = append(layers, layer)
		}
		output, err := r.outputFields(ctx, raw)
		if err != nil {
			return err
		}
		for name, value := range output.All() {
			so, _ := all.Get(name)
			all.Set(name, merge(so, value))
		}
		return nil
	}
	for _, o := range in.Outcomes {
		if err := add(o.Output, o.Layer, appended); err != nil {
			return out, err
		}
	}
	for _, p := range in.Parts {
		if err := add(p.Output, p.Layer, joined); err != nil {
			return out, err
		}
	}
	raw, err := expr.ToJSON(all)
	if err != nil {
		return out, fault.Wrap(fault.Internal, err, "the output of a loop can't be written as JSON")
	}
	limit := largestOutput
	if len(in.Outcomes) > 0 {
		limit = largestPart
	}
	if out.Output, err = r.offload(ctx, raw, limit); err != nil {
		return out, err
	}
	if len(layers) > 0 {
		if out.Layer, err = workspace.Squash(ctx, r.blobs, layers); err != nil {
			return out, err
		}
	}
	if in.Keep && len(in.Outcomes) > 0 {
		out.Outcomes, err = r.put(ctx, in.Outcomes)
	}
	return out, err
}

// outputFields reads an output; one that is absent has none.
func (r *Runner) outputFields(ctx context.Context, raw json.RawMessage) (*expr.Object, error) {
	if len(raw) == 0 {
		return &expr.Object{}, nil
	}
	raw, err := r.whole(ctx, raw)
	if err != nil {
		return nil, err
	}
	v, err := expr.FromJSON(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the output of an item can't be read")
	}
	switch v := v.(type) {
	case *expr.Object:
		return v, nil
	case nil:
		return &expr.Object{}, nil
	}
	return nil, fault.New(fault.Internal, "the output of an item is not an object")
}

func appended(so, now any) any {
	list, _ := so.([]any)
	return append(list, now)
}

func joined(so, now any) any {
	list, _ := so.([]any)
	more, _ := now.([]any)
	return append(list, more...)
}
