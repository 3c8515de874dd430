package templatetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

// Report says how a test ended.
type Report struct {
	File   string        `json:"file"`
	Name   string        `json:"name"`
	Passed bool          `json:"passed"`
	Diff   string        `json:"diff,omitempty"` // from what is expected to what would happen
	Took   time.Duration `json:"tookNs"`
}

// Run runs the tests of a file against the template beside it, with the actions and settings of runs. The
// problems are all that is wrong with the two files; with any, nothing is run. With update, what the tests expect is
// rewritten to what would happen, and they pass.
func Run(ctx context.Context, name string, runs run.Options, update bool) ([]Report, []fault.Problem, error) {
	f, problems := read(name)
	if f == nil {
		return nil, problems, nil
	}
	template, found := load(strings.TrimSuffix(name, Suffix)+".yaml", runs.Registry)
	problems = append(problems, found...)
	if template != nil {
		problems = append(problems, f.check(template.Plan, runs.Registry)...)
	}
	if len(problems) > 0 {
		return nil, problems, nil
	}
	reports := make([]Report, 0, len(f.tests))
	var expects []*yaml.Node
	for _, t := range f.tests {
		begun := time.Now()
		happened, err := t.run(ctx, template, runs)
		if err != nil {
			return reports, nil, fmt.Errorf("%s: %s: %w", name, t.name, err)
		}
		report := Report{File: name, Name: t.name, Took: time.Since(begun)}
		if update {
			expects = append(expects, t.update(happened))
		} else {
			report.Diff = t.expect.diff(happened)
		}
		report.Passed = report.Diff == ""
		reports = append(reports, report)
	}
	if update {
		return reports, nil, f.write(expects)
	}
	return reports, nil, nil
}

func load(name string, registry *activities.Registry) (*templates.Version, []fault.Problem) {
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		return nil, []fault.Problem{{File: name, Rule: "no-template", Says: "there is no template " + name + " beside its tests"}}
	}
	actions := templates.Actions{}
	for _, info := range registry.Infos() {
		actions[info.ID] = info
	}
	versions, problems := templates.LoadPath(name, actions)
	if len(versions) == 0 {
		return nil, problems
	}
	return versions[0], nil // what remains is advice, and lint's to give
}

// check finds names in the tests that the plan doesn't have.
func (f *file) check(p *plan.Plan, registry *activities.Registry) []fault.Problem {
	r := &reader{file: f.name}
	var steps, callable []string
	for _, s := range p.Steps {
		steps = append(steps, s.ID)
		callable = append(callable, s.ID, s.Action)
	}
	for _, t := range f.tests {
		r.names(t.node, "given", callable, "step or action")
		r.outputs(t.node, p, registry)
		if t.expectNode == nil {
			continue
		}
		r.names(t.expectNode, skipped, steps, "step")
		r.names(t.expectNode, failed, steps, "step")
	}
	return r.problems
}

// names reports the keys or items of a field that are not among the known ones.
func (r *reader) names(parent *yaml.Node, field string, known []string, what string) {
	n := child(parent, field)
	if n == nil {
		return
	}
	for _, name := range namesIn(n) {
		if !slices.Contains(known, name.Value) {
			r.report(name, field, "unknown-step", fmt.Sprintf("the template has no %s %q", what, name.Value), nearest.Name(name.Value, known))
		}
	}
}

// outputs reports what the answers of a test name that the actions never give.
func (r *reader) outputs(test *yaml.Node, p *plan.Plan, registry *activities.Registry) {
	given := child(test, "given")
	if given == nil || given.Kind != yaml.MappingNode {
		return
	}
	for _, answered := range namesIn(given) {
		id := answered.Value
		if i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == id }); i >= 0 {
			id = p.Steps[i].Action
		}
		action, known := registry.Get(id)
		output := child(child(given, answered.Value), "output")
		if !known || output == nil {
			continue
		}
		var schema struct {
			Properties map[string]json.RawMessage `json:"properties"`
			Additional json.RawMessage            `json:"additionalProperties"`
		}
		if json.Unmarshal(action.Info().Output, &schema) != nil || string(schema.Additional) != "false" {
			continue
		}
		names := slices.Sorted(maps.Keys(schema.Properties))
		for _, name := range namesIn(output) {
			if !slices.Contains(names, name.Value) {
				r.report(name, "given."+answered.Value+".output", "unknown-output", fmt.Sprintf("%s has no output %q", id, name.Value), nearest.Name(name.Value, names))
			}
		}
	}
}

// run gives what would happen.
func (t test) run(ctx context.Context, template *templates.Version, runs run.Options) (happened, error) {
	values, err := json.Marshal(orEmpty(t.values))
	if err != nil {
		return happened{}, fmt.Errorf("the values can't be written as JSON: %w", err)
	}
	h := happened{plan: template.Plan}
	if h.result.Failure = refusal(template.Template, values, t.secrets); h.result.Failure != nil {
		return h, nil
	}
	requester := plan.Person{Ref: t.user.ref}
	if t.user.entity != nil {
		if requester.Entity, err = json.Marshal(t.user.entity); err != nil {
			return happened{}, fmt.Errorf("the user's entity can't be written as JSON: %w", err)
		}
	}
	engine := dryrun.New(dryrun.Options{Runs: runs})
	h.result, err = engine.Run(ctx, dryrun.Request{
		Run:     plan.Run{Task: "dry-run-test", Plan: *template.Plan, Values: values, Requester: requester},
		Secrets: t.secrets, Offline: true, Answer: t.answer,
	})
	if err != nil {
		h.result.Failure = fault.From(err)
	}
	return h, ctx.Err()
}

// answer is what the test gives to a call; a step's own answer counts before that of its action.
func (t test) answer(step, action string) (dryrun.Answer, bool) {
	a, there := t.given[step]
	if !there {
		a, there = t.given[action]
	}
	return a, there
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

// refusal is what the API would answer to these values.
func refusal(t *templates.Template, values json.RawMessage, secrets map[string]string) *fault.Error {
	wrong := t.CheckValues(values)
	if len(wrong) == 0 {
		wrong = t.CheckSecrets(secrets)
	}
	if len(wrong) == 0 {
		return nil
	}
	var says []string
	for _, w := range wrong {
		says = append(says, strings.TrimPrefix(w.Stack, "instance."))
	}
	return fault.New(fault.Invalid, "the values are refused: %s", strings.Join(says, ", "))
}
