package workflows_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// evaluate understands as much as the plans here need.
func (w *world) evaluate(_ context.Context, in activities.EvaluateInput) (activities.Evaluated, error) {
	var out activities.Evaluated
	w.mu.Lock()
	w.scopes[in.Step.ID] = in.Scope
	w.timeline = append(w.timeline, in.Step.ID)
	w.mu.Unlock()
	switch string(in.Step.If) {
	case `false`:
		out.Skip = true
	case `"always()"`:
		out.CheckedFailure = true
	case `"failure()"`:
		out.CheckedFailure, out.Skip = true, !in.Scope.Failed
	case `"broken"`:
		return out, fault.Seal(&fault.Error{Kind: fault.Invalid, Public: "the expression is broken", Name: "Error"})
	}
	for _, b := range in.Step.Branches {
		if b.If == nil || string(b.If) == `true` {
			out.Branch = b.Name
			break
		}
	}
	if in.Step.Each == nil {
		out.Items = []activities.Item{{Input: in.Step.Input}}
		return out, nil
	}
	out.Looped = true
	keys, err := loopKeys(in.Step.Each)
	if err != nil {
		return out, err
	}
	for _, k := range keys {
		skip := strings.HasPrefix(k, "skip")
		if skip {
			out.Says = append(out.Says, "Skipping step each: "+k)
		}
		out.Items = append(out.Items, activities.Item{Key: k, Input: in.Step.Input, Skip: skip, Says: []string{"item " + k}})
	}
	if len(out.Items) <= w.chunk {
		return out, nil
	}
	for first := 0; first < len(out.Items); first += w.chunk {
		part := out.Items[first:min(first+w.chunk, len(out.Items))]
		out.Chunks = append(out.Chunks, activities.Chunk{Blob: w.keep(part), First: first, Count: len(part)})
	}
	out.Items, out.Says = nil, nil
	return out, nil
}

// loopKeys reads the keys of a loop: a list, or how many there are.
func loopKeys(each json.RawMessage) (keys []string, err error) {
	count, err := strconv.Atoi(string(each))
	if err != nil {
		return keys, json.Unmarshal(each, &keys)
	}
	for i := range count {
		keys = append(keys, strconv.Itoa(i))
	}
	return keys, nil
}

func (w *world) keep(v any) string {
	raw, _ := json.Marshal(v)
	sum := sha256.Sum256(raw)
	id := "sha256:" + hex.EncodeToString(sum[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blobs[id] = raw
	return id
}

func (w *world) read(id string, into any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return json.Unmarshal(w.blobs[id], into)
}

func (w *world) items(_ context.Context, in activities.Chunk) (keys []activities.ItemKey, err error) {
	var items []activities.Item
	err = w.read(in.Blob, &items)
	for _, i := range items {
		keys = append(keys, activities.ItemKey{Key: i.Key, Skip: i.Skip})
	}
	return keys, err
}

func (w *world) gather(_ context.Context, in activities.GatherInput) (out activities.Gathered, err error) {
	w.mu.Lock()
	w.gathers = append(w.gathers, in)
	w.mu.Unlock()
	all := map[string][]any{}
	var layers []string
	add := func(output json.RawMessage, layer string, parts bool) error {
		var values map[string]any
		if err := json.Unmarshal(output, &values); err != nil {
			return err
		}
		for name, v := range values {
			if list, ok := v.([]any); ok && parts {
				all[name] = append(all[name], list...)
				continue
			}
			all[name] = append(all[name], v)
		}
		if layer != "" {
			layers = append(layers, layer)
		}
		return nil
	}
	for _, o := range in.Outcomes {
		if err := add(o.Output, o.Layer, false); err != nil {
			return out, err
		}
	}
	for _, p := range in.Parts {
		if err := add(p.Output, p.Layer, true); err != nil {
			return out, err
		}
	}
	if len(layers) > 0 {
		out.Layer = layers[0] + "…" + layers[len(layers)-1]
	}
	if in.Keep {
		out.Outcomes = w.keep(in.Outcomes)
	}
	out.Output, err = json.Marshal(all)
	return out, err
}
