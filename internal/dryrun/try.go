package dryrun

import (
	"context"
	"encoding/json"
	"time"

	"gocloud.dev/blob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// try is a dry run under way. Its rules are those of the run workflow, one step after the other.
type try struct {
	Request
	registry *activities.Registry
	world    *stage // nil unless offline
	runner   *run.Runner
	journal  *journal
	blobs    *blob.Bucket
	result   Result

	outputs map[string]json.RawMessage // what expressions see of the steps, by id
	chosen  map[string]string          // the branch of every switch that has run
	layers  []string                   // of the workspace, in the order they were made
	made    [][]string                 // the layers of each step
	before  [][]bool                   // the steps that each step comes after, directly or not
	at      map[string]int             // the place of a step in the plan, by id
	current string
	told    int // how many calls of the world are among the effects
}

func (t *try) do(ctx context.Context) error {
	t.result.Task = t.Run.Task
	steps := t.Run.Plan.Steps
	t.made, t.before = make([][]string, len(steps)), make([][]bool, len(steps))
	// One more, as in Backstage: there the last step collects the files.
	if err := t.record(ctx, activities.Record{Kind: activities.RunStarted, Steps: len(steps) + 1}); err != nil {
		return err
	}
	for i, s := range steps {
		t.current = s.ID
		if err := t.arrange(i, s); err != nil {
			return err
		}
		if err := t.consider(ctx, s); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if t.result.Failure == nil {
		out, err := t.runner.Outputs(ctx, activities.OutputsInput{Run: t.info(), Output: t.Run.Plan.Output, Scope: t.scope()})
		if err != nil {
			return faultOf(err)
		}
		t.result.Output = out.Output
	}
	var err error
	t.result.Log = t.journal.lines
	if t.world != nil {
		t.result.Calls = t.world.calls
	}
	t.result.Files, err = contents(ctx, t.blobs, t.layers)
	return err
}

// arrange notes which steps a step comes after.
func (t *try) arrange(i int, s plan.Step) error {
	t.at[s.ID] = i
	t.before[i] = make([]bool, i)
	for _, id := range s.Needs {
		need, there := t.at[id]
		if !there || need == i {
			return fault.New(fault.Invalid, "step %s needs %q, which the plan doesn't have before it", s.ID, id)
		}
		t.before[i][need] = true
		for j, is := range t.before[need] {
			t.before[i][j] = t.before[i][j] || is
		}
	}
	return nil
}

// consider decides whether a step runs, and runs it.
func (t *try) consider(ctx context.Context, s plan.Step) error {
	failed := t.result.Failure != nil
	switch {
	case failed && !s.RunsAfterFailure:
		return t.skip(ctx, s, afterFailure)
	case s.Branch != nil && t.chosen[s.Branch.Switch] != s.Branch.Name:
		return t.skip(ctx, s, "its branch was not chosen")
	}
	if output, done := t.Done[s.ID]; done && !t.triesAgain(s) {
		return t.complete(ctx, s, output, "")
	}
	evaluated, err := t.evaluate(ctx, s)
	switch {
	case err != nil:
		return t.fail(ctx, s, err)
	case failed && !evaluated.CheckedFailure:
		return t.skip(ctx, s, afterFailure)
	case evaluated.Skip:
		return t.skip(ctx, s, "its if condition was false")
	}
	switch s.Kind {
	case plan.SwitchStep:
		return t.choose(ctx, s, evaluated)
	case plan.GateStep:
		return t.ask(ctx, s, evaluated)
	default:
		return t.act(ctx, s, evaluated)
	}
}

// triesAgain tells if a step that has really completed has to be tried: it leaves files, or chooses a branch.
func (t *try) triesAgain(s plan.Step) bool {
	action, known := t.registry.Get(s.Action)
	return s.Kind == plan.SwitchStep || known && action.Info().DryRun
}

// evaluate asks what a step's expressions come to. Of one that is left out only whether it is reached, as of a switch
// without branches: Backstage asks neither what goes into it nor, of a loop, which items run.
func (t *try) evaluate(ctx context.Context, s plan.Step) (activities.Evaluated, error) {
	if action, known := t.registry.Get(s.Action); known && s.Kind == plan.ActionStep && t.skips(action.Info()) {
		if len(s.Each) > 0 && string(s.If) != "false" {
			s.If = nil
		}
		s.Kind, s.Each, s.Input = plan.SwitchStep, nil, nil
	}
	return t.runner.Evaluate(ctx, t.asked(s))
}

func (t *try) asked(s plan.Step) activities.EvaluateInput {
	return activities.EvaluateInput{Run: t.info(), Step: s, Scope: t.scope()}
}

func (t *try) choose(ctx context.Context, s plan.Step, evaluated activities.Evaluated) error {
	if err := t.record(ctx, activities.Record{Kind: activities.StepBegan, Step: s.ID, Name: s.Name}); err != nil {
		return err
	}
	t.chosen[s.ID] = evaluated.Branch
	branch, note := json.RawMessage("null"), "no branch"
	if evaluated.Branch != "" {
		branch, note = encoded(evaluated.Branch), "branch "+evaluated.Branch
	}
	return t.complete(ctx, s, encoded(map[string]json.RawMessage{"branch": branch}), note)
}

func (t *try) info() activities.RunInfo {
	return activities.RunInfo{
		Task: t.Run.Task, Template: t.Run.Plan.Template, Requester: t.Run.Requester, Values: t.Run.Values, Secrets: len(t.Secrets) > 0,
	}
}

func (t *try) scope() activities.Scope {
	return activities.Scope{Steps: t.outputs, Failed: t.result.Failure != nil}
}

// sees gives the workspace of a step: what the steps that it comes after made of it.
func (t *try) sees(s plan.Step) (layers []string) {
	for i, is := range t.before[t.at[s.ID]] {
		if is {
			layers = append(layers, t.made[i]...)
		}
	}
	return layers
}

func (t *try) keep(s plan.Step, layer string) {
	if layer != "" {
		t.layers = append(t.layers, layer)
		t.made[t.at[s.ID]] = append(t.made[t.at[s.ID]], layer)
	}
}

const afterFailure = "a previous step failed"

func (t *try) skip(ctx context.Context, s plan.Step, why string) error {
	t.ended(s, Skipped, why)
	return t.record(ctx, activities.Record{
		Kind: activities.StepSkipped, Step: s.ID, Name: s.Name, Message: "Skipping step " + s.ID + " because " + why,
	})
}

func (t *try) complete(ctx context.Context, s plan.Step, output json.RawMessage, note string) error {
	t.outputs[s.ID] = encoded(map[string]json.RawMessage{"output": output})
	t.ended(s, Completed, note)
	return t.record(ctx, activities.Record{Kind: activities.StepCompleted, Step: s.ID, Name: s.Name, Output: output})
}

// fail ends a step. Time that ran out is not the step's failure.
func (t *try) fail(ctx context.Context, s plan.Step, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := faultOf(err)
	t.ended(s, Failed, f.Public)
	goesOn := s.OnError == plan.Continue
	if err := t.record(ctx, activities.Record{
		Kind: activities.StepFailed, Step: s.ID, Name: s.Name, Message: f.Public, Error: string(f.Kind), Named: f.Name,
		Continues: goesOn, Additional: t.result.Failure != nil,
	}); err != nil {
		return err
	}
	switch {
	case goesOn:
		t.outputs[s.ID] = encoded(map[string]any{"error": map[string]string{"kind": string(f.Kind), "message": f.Public}})
	case t.result.Failure == nil:
		t.result.Failure = f
	}
	return nil
}

func (t *try) ended(s plan.Step, state State, note string) {
	t.result.Steps = append(t.result.Steps, Step{ID: s.ID, Name: s.Name, Action: s.Action, State: state, Note: note})
}

func (t *try) would(s plan.Step, iteration string, what run.Would) {
	if len(what.Do) > 0 || what.Fails != "" {
		t.result.Effects = append(t.result.Effects, Effect{Step: s.ID, Iteration: iteration, Action: s.Action, Would: what})
	}
}

func (t *try) record(ctx context.Context, what activities.Record) error {
	what.Task = t.Run.Task
	if err := t.runner.Record(ctx, what); err != nil {
		return faultOf(err)
	}
	return nil
}

func (t *try) leaseEnds(s plan.Step) *time.Time {
	if s.Lease == nil {
		return nil
	}
	ends := time.Now().Add(s.Lease.TTL.Std()).UTC()
	return &ends
}

// faultOf reads an error of the runner, which seals its own.
func faultOf(err error) *fault.Error {
	f := fault.From(err)
	if f.Kind == fault.Internal && f.Cause == err { // not a fault as it came
		return fault.Unseal(err)
	}
	return f
}

// encoded writes what always can be written as JSON.
func encoded(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}
