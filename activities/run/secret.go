package run

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// A string of a step's input that mentions `secrets` goes through history as {secretMark: held}: its
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
	Each       json.RawMessage            `json:"each,omitempty"`
	Failed     bool                       `json:"failed,omitempty"`
}

// mentionsSecrets reports whether any string of the tree is an expression that reads `secrets`.
func mentionsSecrets(tree any) bool {
	found := false
	expr.WalkTree(tree, func(_ []string, src string) {
		for _, ref := range references(src) {
			found = found || ref.Path[0] == "secrets"
		}
	})
	return found
}

func references(src string) []expr.Reference {
	if !strings.ContainsAny(src, "{") {
		return nil
	}
	t, err := expr.Parse(src, expr.Options{})
	if err != nil {
		return nil
	}
	return t.References()
}

// hold keeps an expression for later, with those parameters and steps that it names.
func hold(src string, in activities.EvaluateInput, each *expr.Object) (any, error) {
	var parameters map[string]json.RawMessage
	if len(in.Run.Values) > 0 {
		if err := json.Unmarshal(in.Run.Values, &parameters); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "the parameters of the run can't be read")
		}
	}
	refs := references(src)
	h := held{
		Source: src, Failed: in.Scope.Failed,
		Parameters: named(parameters, "parameters", refs), Steps: named(in.Scope.Steps, "steps", refs),
	}
	if each != nil {
		raw, err := expr.ToJSON(each)
		if err != nil {
			return nil, err
		}
		h.Each = raw
	}
	value, err := expr.FromGo(h)
	if err != nil {
		return nil, err
	}
	return expr.NewObject(secretMark, value), nil
}

// named gives those entries of a variable that the references name: all if one of them can't be told.
func named(all map[string]json.RawMessage, variable string, refs []expr.Reference) map[string]json.RawMessage {
	some := map[string]json.RawMessage{}
	for _, ref := range refs {
		switch {
		case ref.Path[0] != variable:
		case len(ref.Path) == 1:
			return all
		default:
			if value, there := all[ref.Path[1]]; there {
				some[ref.Path[1]] = value
			}
		}
	}
	return some
}

// escape makes data safe to stand in an input beside held expressions.
func escape(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = escape(item)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for key, item := range v.All() {
			if strings.HasPrefix(key, markPrefix) {
				return expr.NewObject(dataMark, v)
			}
			out.Set(key, escape(item))
		}
		return out
	}
	return v
}

// reveal evaluates the expressions that were held back for their secrets.
func (r *Runner) reveal(ctx context.Context, in activities.Invocation) (json.RawMessage, redactor, error) {
	if !bytes.Contains(in.Input, []byte(markPrefix)) {
		return in.Input, redactor{}, nil
	}
	tree, err := expr.FromJSON(in.Input)
	if err != nil {
		return nil, redactor{}, fault.Wrap(fault.Internal, err, "the input of step %s can't be read", in.Step)
	}
	secrets, err := r.secretsOf(ctx, in.Run.Task)
	if err != nil {
		return nil, redactor{}, err
	}
	var hide redactor
	for _, value := range secrets.All() {
		hide.add(value)
	}
	tree, err = r.revealTree(ctx, in.Run, tree, secrets)
	if err != nil {
		return nil, hide, err
	}
	raw, err := expr.ToJSON(tree)
	if err != nil {
		return nil, hide, fault.Wrap(fault.Internal, err, "the input of step %s can't be written", in.Step)
	}
	return raw, hide, nil
}

func (r *Runner) revealTree(ctx context.Context, run activities.RunInfo, tree any, secrets *expr.Object) (any, error) {
	switch tree := tree.(type) {
	case []any:
		out := make([]any, len(tree))
		for i, item := range tree {
			v, err := r.revealTree(ctx, run, item, secrets)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case *expr.Object:
		if data, ok := tree.Get(dataMark); ok {
			return data, nil
		}
		if waiting, ok := tree.Get(secretMark); ok {
			return r.revealOne(ctx, run, waiting, secrets)
		}
		out := &expr.Object{}
		for key, item := range tree.All() {
			v, err := r.revealTree(ctx, run, item, secrets)
			if err != nil {
				return nil, err
			}
			out.Set(key, v) // undefined is dropped when it is written as JSON
		}
		return out, nil
	}
	return tree, nil
}

func (r *Runner) revealOne(ctx context.Context, run activities.RunInfo, waiting any, secrets *expr.Object) (any, error) {
	var h held
	raw, err := expr.ToJSON(waiting)
	if err == nil {
		err = json.Unmarshal(raw, &h)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
	}
	s := scope{failed: h.Failed}
	if run.Values, err = json.Marshal(h.Parameters); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
	}
	if s.vars, err = variables(run, h.Steps); err != nil {
		return nil, err
	}
	s.vars.Set("secrets", secrets)
	if len(h.Each) > 0 {
		each, err := expr.FromJSON(h.Each)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "an expression with secrets can't be read back")
		}
		s.vars.Set("each", each)
	}
	return s.render(ctx, h.Source)
}

func (r *Runner) secretsOf(ctx context.Context, task string) (*expr.Object, error) {
	secrets := &expr.Object{}
	if r.secrets == nil {
		return secrets, nil
	}
	named, err := r.secrets.Get(ctx, task)
	if err != nil {
		return nil, err
	}
	for name, value := range named {
		secrets.Set(name, value)
	}
	return secrets, nil
}

// redactor replaces the values of secrets in whatever an action says.
type redactor struct{ values []string }

func (r *redactor) add(value any) {
	if text, ok := value.(string); ok && len(strings.TrimSpace(text)) > 1 {
		r.values = append(r.values, strings.TrimSpace(text))
		// The longest first: a secret that begins like another must not leave the other's end behind.
		slices.SortFunc(r.values, func(a, b string) int { return len(b) - len(a) })
	}
}

func (r redactor) text(s string) string {
	for _, value := range r.values {
		s = strings.ReplaceAll(s, value, "***")
	}
	return s
}

// json hides secrets in the strings of an output: it is going to stand in history.
func (r redactor) json(raw json.RawMessage) json.RawMessage {
	if len(r.values) == 0 {
		return raw
	}
	tree, err := expr.FromJSON(raw)
	if err != nil {
		return raw
	}
	clean, err := expr.ToJSON(r.tree(tree))
	if err != nil {
		return raw
	}
	return clean
}

func (r redactor) tree(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = r.tree(item)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for key, item := range v.All() {
			out.Set(r.text(key), r.tree(item))
		}
		return out
	}
	return v
}

// error hides secrets in what a fault says and in its cause, which is going to be logged.
func (r redactor) error(err error) error {
	if len(r.values) == 0 {
		return err
	}
	f := *fault.From(err)
	f.Public = r.text(f.Public)
	if f.Cause != nil {
		f.Cause = hidden{text: r.text(f.Cause.Error()), err: f.Cause}
	}
	return &f
}

type hidden struct {
	text string
	err  error
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.err }
