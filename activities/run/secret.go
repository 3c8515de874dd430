package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// A string of a step's input that reads secrets goes through history as {secretMark: held}: its
// text and what it can see. Data that happens to look like that is wrapped as {dataMark: data}, so that
// nobody can make the runner evaluate an expression by submitting it as a value.
const (
	markPrefix = "$gildway:"
	secretMark = markPrefix + "secret"
	dataMark   = markPrefix + "data"
)

// held is an expression that waits for its secrets.
type held struct {
	Source     string                     `json:"source"`
	Parameters map[string]json.RawMessage `json:"parameters,omitempty"`
	Steps      map[string]json.RawMessage `json:"steps,omitempty"`
	Each       json.RawMessage            `json:"each,omitempty"` // the item: key and value
	Over       json.RawMessage            `json:"over,omitempty"` // in place of Each: the `each` that gives the item, made with secrets
	Key        string                     `json:"key,omitempty"`  // with Over: which of its items
	Failed     bool                       `json:"failed,omitempty"`
}

// reading is what an expression reads that matters here.
type reading struct {
	secrets bool
	item    bool // each.value, or each in a way that can't be told
}

func (e *evaluation) reading(src string) reading {
	known, ok := e.reads[src]
	if ok {
		return known
	}
	for _, ref := range referencesIn(src) {
		known.secrets = known.secrets || readsSecrets(ref)
		known.item = known.item || ref.Path[0] == "each" && (len(ref.Path) == 1 || ref.Path[1] != "key")
	}
	e.reads[src] = known
	return known
}

// readsSecrets reports whether any string of the tree is an expression that reads secrets.
func (e *evaluation) readsSecrets(tree any) bool {
	return slices.ContainsFunc(references(tree), readsSecrets)
}

// waits reports whether what a string comes to must not stand in history.
func (e *evaluation) waits(src string, of *item) bool {
	reads := e.reading(src)
	return reads.secrets || reads.item && of != nil && of.loop.secret
}

// hold keeps an expression for later, with those parameters and steps that it names.
func (e *evaluation) hold(src string, of *item) (any, error) {
	if e.values == nil && len(e.in.Run.Values) > 0 {
		if err := json.Unmarshal(e.in.Run.Values, &e.values); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "the parameters of the run can't be read")
		}
	}
	h := held{Source: src, Failed: e.in.Scope.Failed}
	refs := referencesIn(src)
	switch {
	case of == nil:
	case of.loop.secret && e.reading(src).item:
		refs = append(slices.Clip(refs), references(e.each)...)
		h.Over, h.Key = e.in.Step.Each, of.key
	default:
		seen := of.variable()
		if of.loop.secret { // only the key is read
			seen = expr.NewObject("key", of.key)
		}
		raw, err := expr.ToJSON(seen)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "an item of step %s can't be written as JSON", e.in.Step.ID)
		}
		h.Each = raw
	}
	h.Parameters, h.Steps = named(e.values, "parameters", refs), named(e.in.Scope.Steps, "steps", refs)
	value, err := expr.FromGo(h)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "an expression of step %s can't be kept", e.in.Step.ID)
	}
	return expr.NewObject(secretMark, value), nil
}

// escape makes data safe to stand in an input beside held expressions.
func escape(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, part := range v {
			out[i] = escape(part)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for key, part := range v.All() {
			if reserved(key) {
				return expr.NewObject(dataMark, v)
			}
			out.Set(key, escape(part))
		}
		return out
	}
	return v
}

// reveal evaluates the expressions that were held back for their secrets, and says what must not be shown of a call.
// An undo can come when the run has ended, and its secrets with it; then it sees none.
func (r *Runner) reveal(ctx context.Context, in activities.Invocation, undo bool) (json.RawMessage, redactor, error) {
	marked := bytes.Contains(in.Input, []byte(markPrefix))
	secrets := &expr.Object{}
	if marked || in.Run.Secrets {
		var err error
		secrets, err = r.secretsOf(ctx, in.Run)
		if undo && errors.Is(err, fault.NotFound) {
			secrets, err = &expr.Object{}, nil
		}
		if err != nil {
			return nil, redactor{}, err
		}
	}
	hide := hides(secrets, r.environment.secrets)
	if !marked {
		return in.Input, hide, nil
	}
	tree, err := expr.FromJSON(in.Input)
	if err != nil {
		return nil, hide, fault.Wrap(fault.Internal, err, "the input of step %s can't be read", in.Step)
	}
	v := &revelation{runner: r, run: in.Run, secrets: secrets, hide: &hide, strict: in.Run.Template.Strict() && !undo}
	if tree, err = v.tree(ctx, tree); err != nil {
		return nil, hide, hide.error(err)
	}
	raw, err := expr.ToJSON(tree)
	if err != nil {
		return nil, hide, fault.Wrap(fault.Internal, err, "the input of step %s can't be written", in.Step)
	}
	return raw, hide, nil
}

// revelation is an input whose secrets are put in.
type revelation struct {
	runner  *Runner
	run     activities.RunInfo
	secrets *expr.Object
	hide    *redactor
	strict  bool
}

func (v *revelation) tree(ctx context.Context, tree any) (any, error) {
	switch tree := tree.(type) {
	case []any:
		out := make([]any, len(tree))
		for i, part := range tree {
			revealed, err := v.tree(ctx, part)
			if err != nil {
				return nil, err
			}
			out[i] = revealed
		}
		return out, nil
	case *expr.Object:
		if data, ok := tree.Get(dataMark); ok {
			return data, nil
		}
		if waiting, ok := tree.Get(secretMark); ok {
			return v.one(ctx, waiting)
		}
		out := &expr.Object{}
		for key, part := range tree.All() {
			revealed, err := v.tree(ctx, part)
			if err != nil {
				return nil, err
			}
			out.Set(key, revealed) // undefined is dropped when it is written as JSON
		}
		return out, nil
	}
	return tree, nil
}

// one evaluates an expression with its secrets. What would be different without them is a secret, too.
func (v *revelation) one(ctx context.Context, waiting any) (any, error) {
	var h held
	raw, err := expr.ToJSON(waiting)
	if err == nil {
		err = json.Unmarshal(raw, &h)
	}
	if err == nil {
		v.run.Values, err = json.Marshal(h.Parameters)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
	}
	vars, err := v.runner.variables(ctx, v.run, h.Steps)
	if err != nil {
		return nil, err
	}
	none := &expr.Object{}
	without, err := v.render(ctx, h, v.runner.secretive(vars, none, none), false)
	if err != nil {
		return nil, err
	}
	with, err := v.render(ctx, h, v.runner.secretive(vars, v.secrets, v.runner.environment.secrets), v.strict)
	v.hide.differences(with, without)
	return with, err
}

func (v *revelation) render(ctx context.Context, h held, vars *expr.Object, strict bool) (any, error) {
	s := scope{runner: v.runner, vars: vars, failed: h.Failed, strict: strict, private: true}
	switch {
	case len(h.Over) > 0:
		tree, err := expr.FromJSON(h.Over)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
		}
		over, err := s.render(ctx, tree)
		if err != nil {
			return nil, err
		}
		each := item{key: h.Key, value: expr.Undefined}
		for _, one := range (&loop{}).itemsOf(over) {
			if one.key == h.Key {
				each = *one
			}
		}
		s.vars = vars.With("each", each.variable())
	case len(h.Each) > 0:
		each, err := expr.FromJSON(h.Each)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
		}
		s.vars = vars.With("each", each)
	}
	return s.render(ctx, h.Source)
}
