package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// consider decides whether a step runs, and runs it. The step has ended when it returns.
func (r *run) consider(ctx workflow.Context, s *step) {
	if kept := r.kept(s); kept != nil && s.Kind != plan.GateStep {
		r.takeOver(ctx, s, kept)
		return
	}
	if s.Branch != nil && !s.chosen() {
		r.skipUnchosen(ctx, s)
		return
	}
	var evaluated activities.Evaluated
	for {
		failed := r.failure != nil
		if r.cancelled || failed && !s.RunsAfterFailure {
			r.skipAfterFailure(ctx, s)
			return
		}
		var err error
		evaluated, err = r.evaluate(ctx, s)
		if r.cancelled {
			r.skipAfterFailure(ctx, s)
			return
		}
		if err != nil {
			r.begin(ctx, s)
			r.fail(ctx, s, err)
			return
		}
		if failed && !evaluated.CheckedFailure {
			r.skipAfterFailure(ctx, s)
			return
		}
		if failed == (r.failure != nil) {
			break // nothing has failed meanwhile
		}
	}
	switch {
	case evaluated.Skip:
		r.begun(ctx, s) // the record of the skip says so to people
		r.skip(ctx, s, ifWasFalse)
	case s.Kind == plan.SwitchStep:
		r.choose(ctx, s, evaluated.Branch)
	case s.Kind == plan.GateStep:
		r.decideGate(ctx, s, evaluated)
	case len(evaluated.Chunks) > 0:
		r.actInParts(ctx, s, evaluated.Chunks)
	default:
		r.act(ctx, s, evaluated)
	}
}

func (r *run) evaluate(ctx workflow.Context, s *step) (evaluated activities.Evaluated, err error) {
	ctx = bookkeeping(ctx, "Evaluate "+s.Name)
	err = workflow.ExecuteLocalActivity(ctx, activities.EvaluateActivity, activities.EvaluateInput{
		Run: r.evaluationInfo(), Step: s.Step, Scope: r.scope(),
	}).Get(ctx, &evaluated)
	return evaluated, err
}

// begin tells people that a step has begun, for steps that no action activity announces, and what there is
// to say about it.
func (r *run) begin(ctx workflow.Context, s *step, says ...string) {
	r.begun(ctx, s)
	r.record(ctx, activities.Record{Kind: activities.StepBegan, Step: s.ID, Name: s.Name, Says: says})
}

// complete ends a step that no action activity ends.
func (r *run) complete(ctx workflow.Context, s *step) {
	r.record(ctx, activities.Record{Kind: activities.StepCompleted, Step: s.ID, Name: s.Name, Output: s.output})
	r.end(ctx, s, Completed, s.note)
}

func (r *run) skip(ctx workflow.Context, s *step, why string) {
	r.record(ctx, activities.Record{
		Kind: activities.StepSkipped, Step: s.ID, Name: s.Name, Message: "Skipping step " + s.ID + " because " + why,
	})
	r.end(ctx, s, Skipped, why)
}

// Why a step is skipped that another attempt would skip, too.
const (
	ifWasFalse      = "its if condition was false"
	branchNotChosen = "its branch was not chosen"
)

func (r *run) skipAfterFailure(ctx workflow.Context, s *step) {
	r.skip(ctx, s, "a previous step failed")
}

// fail ends a step and, if it is the first to fail, decides the run, unless the step's onError lets that go
// on. What waits for the step learns of it after the people did.
func (r *run) fail(ctx workflow.Context, s *step, err error) {
	f, cancelled := r.faultOf(s, err)
	told := activities.Record{
		Kind: activities.StepFailed, Step: s.ID, Name: s.Name, Message: f.Public, Error: string(f.Kind), Named: f.Name,
	}
	switch {
	case s.mayFail() && !cancelled:
		s.fault, told.Continues = f, true
	case r.failure == nil:
		r.failure = f
	default:
		if told.Additional = !cancelled; told.Additional {
			r.also = append(r.also, s.Name+": "+f.Public)
		}
	}
	r.record(ctx, told)
	r.end(ctx, s, Failed, f.Public)
}

// act runs an action step: once, or for every item of its loop.
func (r *run) act(ctx workflow.Context, s *step, evaluated activities.Evaluated) {
	layers := r.layersBefore(s)
	var calls []activities.Invocation
	for _, item := range evaluated.Items {
		if !item.Skip {
			calls = append(calls, r.invocation(s, item, layers))
		}
	}
	if len(calls) == 0 {
		r.begin(ctx, s, evaluated.Says...)
		s.output = emptyObject
		r.complete(ctx, s)
		return
	}
	var outcomes []activities.Outcome
	var err error
	parallel := len(calls) > 1 && r.in.Plan.Execution == plan.DAG
	asTask := s.Kind == plan.ChildStep // which ends after its activity
	switch {
	case parallel:
		r.begin(ctx, s)
		outcomes, err = r.iterate(ctx, s, calls)
	case asTask:
		r.begin(ctx, s)
		r.places.without(func() { outcomes, err = r.oneByOne(ctx, &s.Step, calls) })
	default:
		r.begun(ctx, s)
		calls[0].First, calls[len(calls)-1].Last = true, true
		outcomes, err = r.oneByOne(ctx, &s.Step, calls)
	}
	if err == nil {
		err = r.take(ctx, s, outcomes, evaluated.Looped)
	}
	if err == nil {
		err = r.inSpiteOfCancel(ctx)
	}
	if why, skipped := skippedByPeople(err); skipped {
		r.skip(ctx, s, why)
		return
	}
	switch {
	case err != nil:
		r.fail(ctx, s, err)
	case parallel || asTask:
		r.complete(ctx, s)
	default:
		r.end(ctx, s, Completed, "")
	}
}

// iterate makes the calls of a loop side by side: within the bound that the step sets, else in the places
// of the run.
func (r *run) iterate(ctx workflow.Context, s *step, calls []activities.Invocation) (outcomes []activities.Outcome, err error) {
	never := false
	if s.Concurrency > 0 {
		return r.sideBySide(ctx, &s.Step, calls, &places{limit: s.Concurrency}, &never)
	}
	r.places.without(func() {
		outcomes, err = r.sideBySide(ctx, &s.Step, calls, r.places, &never)
	})
	return outcomes, err
}

// take makes the output of a step, and what it did to the workspace, of what its calls gave.
func (r *run) take(ctx workflow.Context, s *step, outcomes []activities.Outcome, looped bool) error {
	if looped && large(ctx, outcomes) {
		gathered, err := gather(ctx, s.Name, activities.GatherInput{Outcomes: outcomes})
		s.takeGathered(gathered)
		return err
	}
	for _, o := range outcomes {
		if o.Layer != "" {
			s.layers = append(s.layers, o.Layer)
		}
	}
	s.output = outcomes[0].Output
	if !looped {
		return nil
	}
	var err error
	s.output, err = collect(s.Action, outcomes)
	return err
}

// layersBefore gives the workspace that a step sees: what the steps that it comes after made of it.
func (r *run) layersBefore(s *step) (layers []string) {
	if s.Workspace == plan.NoAccess {
		return nil
	}
	for i, is := range s.before {
		if is && r.steps[i].state == Completed {
			layers = append(layers, r.steps[i].layers...)
		}
	}
	return layers
}

func (r *run) invocation(s *step, item activities.Item, layers []string) activities.Invocation {
	return activities.Invocation{
		Run: r.info, Step: s.ID, StepName: s.Name, Iteration: item.Key, Says: item.Says, Input: item.Input, Layers: layers,
	}
}

// encoded writes what came out of JSON, or is only strings and times, as JSON, with sorted keys.
func encoded(v any) json.RawMessage {
	raw, _ := json.Marshal(v) //workflowcheck:ignore // the same value gives the same text
	return raw
}
