package run

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// scope is what expressions see, and whether one asked for the run's fate.
type scope struct {
	runner  *Runner
	vars    *expr.Object
	failed  bool
	strict  bool // what does not evaluate fails the step
	private bool // it sees secrets, and why an expression has no value could tell parts of them
	asked   bool // always() or failure() was called while it mattered
}

func (s *scope) render(ctx context.Context, tree any) (any, error) {
	env := &expr.Env{
		Vars: s.vars, Hosts: s.runner.hosts, LegacyTyping: s.runner.legacyTyping, Strict: s.strict,
		Funcs: map[string]expr.Func{
			"always":  func([]any) (any, error) { s.asked = true; return true, nil },
			"failure": func([]any) (any, error) { s.asked = true; return s.failed, nil },
		},
	}
	v, err := expr.RenderTree(ctx, tree, env)
	var wrong *expr.ValueError
	switch {
	case errors.As(err, &wrong) && s.private:
		return nil, fault.New(fault.Invalid, "an expression with secrets has no value: %s", wrong.Quoted())
	case errors.As(err, &wrong):
		return nil, fault.New(fault.Invalid, "an expression has no value: %s", wrong)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "there was no time to evaluate an expression")
	}
	return v, nil
}

// environment is what the configuration gives to every run.
type environment struct{ parameters, secrets *expr.Object }

func environmentOf(e Environment) environment {
	out := environment{&expr.Object{}, &expr.Object{}}
	for _, name := range slices.Sorted(maps.Keys(e.Parameters)) {
		out.parameters.Set(name, e.Parameters[name])
	}
	for _, name := range slices.Sorted(maps.Keys(e.Secrets)) {
		out.secrets.Set(name, e.Secrets[name].Reveal())
	}
	return out
}

// variables are what every expression of a run sees.
func (r *Runner) variables(ctx context.Context, run activities.RunInfo, steps map[string]json.RawMessage) (*expr.Object, error) {
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
		step, err := r.stepOutput(ctx, steps[id])
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
		"environment", expr.NewObject("parameters", r.environment.parameters, "secrets", &expr.Object{}),
	), nil
}

// secretive adds what only some expressions see: the run's secrets and those of the environment.
func (r *Runner) secretive(vars, secrets, environment *expr.Object) *expr.Object {
	return vars.With("secrets", secrets).
		With("environment", expr.NewObject("parameters", r.environment.parameters, "secrets", environment))
}

// secretsOf gives the run's secrets, by name.
func (r *Runner) secretsOf(ctx context.Context, run activities.RunInfo) (*expr.Object, error) {
	secrets := &expr.Object{}
	if r.secrets == nil {
		return secrets, nil
	}
	given, err := r.secrets.Get(ctx, activities.InAttempt(run.Task, run.Attempt))
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		secrets.Set(name, given[name])
	}
	return secrets, nil
}

// hides makes a redactor of secrets.
func hides(secrets ...*expr.Object) redactor {
	var r redactor
	for _, some := range secrets {
		for _, value := range some.All() {
			if text, ok := value.(string); ok {
				r.add(text)
			}
		}
	}
	return r
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

// references are what the expressions in a tree read.
func references(trees ...any) (all []expr.Reference) {
	for _, tree := range trees {
		expr.WalkTree(tree, func(_ []string, src string) { all = append(all, referencesIn(src)...) })
	}
	return all
}

func referencesIn(src string) []expr.Reference {
	t, err := expr.Parse(src, expr.Options{})
	if err != nil {
		return nil // the raw text is the value
	}
	return t.References()
}

// readsSecrets reports whether a reference is to secrets.
func readsSecrets(ref expr.Reference) bool {
	switch ref.Path[0] {
	case "secrets":
		return true
	case "environment":
		return len(ref.Path) == 1 || ref.Path[1] == "secrets"
	}
	return false
}

// truthy is Backstage's rule for `if`: an array counts as true only if there is something in it.
func truthy(v any) bool {
	if list, ok := v.([]any); ok {
		return len(list) > 0
	}
	return expr.Truthy(v)
}
