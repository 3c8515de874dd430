package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

var emptyObject = json.RawMessage("{}")

// consider decides whether a step runs, and runs it. The step has ended when it returns.
func (r *run) consider(ctx workflow.Context, s *step) {
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
			r.fail(ctx, s, fault.Unseal(err))
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
		r.skip(ctx, s, "its if condition was false")
	case s.Kind == plan.GateStep:
		r.decideGate(ctx, s, evaluated)
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

// begin tells people that a step has begun, for steps that no action activity announces.
func (r *run) begin(ctx workflow.Context, s *step) {
	r.begun(ctx, s)
	r.record(ctx, activities.Record{Kind: activities.StepBegan, Step: s.ID, Name: s.Name})
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

func (r *run) skipAfterFailure(ctx workflow.Context, s *step) {
	r.skip(ctx, s, "a previous step failed")
}

// fail ends a step and, if it is the first to fail, decides the run. What waits for the step learns
// of it after the people did.
func (r *run) fail(ctx workflow.Context, s *step, f *fault.Error) {
	if r.failure == nil {
		r.failure = f
	}
	r.record(ctx, activities.Record{
		Kind: activities.StepFailed, Step: s.ID, Name: s.Name, Message: f.Public, Error: string(f.Kind),
	})
	r.end(ctx, s, Failed, f.Public)
}

// act runs an action step: once, or for every item of its loop.
func (r *run) act(ctx workflow.Context, s *step, evaluated activities.Evaluated) {
	var items []activities.Item
	for _, item := range evaluated.Items {
		if !item.Skip {
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		r.begin(ctx, s)
		s.output = emptyObject
		r.complete(ctx, s)
		return
	}
	parallel := len(items) > 1 && r.in.Plan.Execution == plan.DAG
	if parallel {
		r.begin(ctx, s)
	} else {
		r.begun(ctx, s)
	}
	iterate := r.oneByOne
	if parallel {
		iterate = r.sideBySide
	}
	outcomes, err := iterate(ctx, s, items, r.layersBefore(s))
	if err != nil {
		r.fail(ctx, s, fault.Unseal(err))
		return
	}
	for _, o := range outcomes {
		if o.Layer != "" {
			s.layers = append(s.layers, o.Layer)
		}
	}
	s.output = outcomes[0].Output
	if evaluated.Looped {
		if s.output, err = collect(outcomes); err != nil {
			r.fail(ctx, s, fault.Wrap(fault.Internal, err, "the output of %s is not a JSON object", s.Action))
			return
		}
	}
	if parallel {
		r.complete(ctx, s)
		return
	}
	r.end(ctx, s, Completed, "")
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

// oneByOne runs the items in order; each sees the workspace that the one before it left.
func (r *run) oneByOne(ctx workflow.Context, s *step, items []activities.Item, layers []string) ([]activities.Outcome, error) {
	outcomes := make([]activities.Outcome, 0, len(items))
	for i, item := range items {
		call := r.invocation(s, item, layers)
		call.First, call.Last = i == 0, i == len(items)-1
		o, err := r.call(ctx, s, call)
		if err != nil {
			return nil, err
		}
		if o.Layer != "" && s.Workspace != plan.NoAccess {
			layers = append(layers, o.Layer)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// sideBySide runs the items within the plan's parallel places. After the first that fails none is
// begun; those under way finish.
func (r *run) sideBySide(ctx workflow.Context, s *step, items []activities.Item, layers []string) ([]activities.Outcome, error) {
	outcomes := make([]activities.Outcome, len(items))
	var first error
	r.withoutPlace(func() {
		running := 0
		for i, item := range items {
			if err := workflow.Await(ctx, func() bool { return first != nil || r.placeFree() }); err != nil && first == nil {
				first = err
			}
			if first != nil {
				break
			}
			running++
			r.busy++
			workflow.Go(ctx, func(ctx workflow.Context) {
				var err error
				if outcomes[i], err = r.call(ctx, s, r.invocation(s, item, layers)); err != nil && first == nil {
					first = err
				}
				running--
				r.busy--
			})
		}
		_ = workflow.Await(detached(ctx), func() bool { return running == 0 })
	})
	return outcomes, first
}

func (r *run) invocation(s *step, item activities.Item, layers []string) activities.Invocation {
	return activities.Invocation{
		Run: r.info, Step: s.ID, StepName: s.Name, Iteration: item.Key, Input: item.Input, Layers: layers,
	}
}

// call runs an action once and remembers how to undo it.
func (r *run) call(ctx workflow.Context, s *step, in activities.Invocation) (out activities.Outcome, err error) {
	if s.Lease != nil {
		// Before the call, so that whatever the action grants with an end of its own ends then too.
		ends := workflow.Now(ctx).Add(s.Lease.TTL.Std()).UTC()
		in.LeaseEnds = &ends
	}
	if s.Local {
		ctx = localOptions(ctx, s.Step, summary(s, in.Iteration))
		err = workflow.ExecuteLocalActivity(ctx, s.Action, in).Get(ctx, &out)
	} else {
		ctx = stepOptions(ctx, s.Step, summary(s, in.Iteration))
		err = workflow.ExecuteActivity(ctx, s.Action, in).Get(ctx, &out)
	}
	if err != nil {
		return out, err
	}
	if len(out.Output) == 0 || string(out.Output) == "null" {
		out.Output = emptyObject
	}
	if !s.Undoable {
		return out, nil
	}
	done := &effect{step: s, call: in, output: out.Output}
	r.effects = append(r.effects, done)
	if s.Lease != nil {
		err = r.startLease(ctx, done)
	}
	return out, err
}

// collect makes the output of a loop: for every output name the array of what the items gave, in
// their order.
func collect(outcomes []activities.Outcome) (json.RawMessage, error) {
	all := map[string][]json.RawMessage{}
	for _, o := range outcomes {
		var output map[string]json.RawMessage
		err := json.Unmarshal(o.Output, &output) //workflowcheck:ignore // the same text gives the same map
		if err != nil {
			return nil, err
		}
		for _, name := range workflow.DeterministicKeys(output) {
			all[name] = append(all[name], output[name])
		}
	}
	return encoded(all), nil
}

// encoded writes what came out of JSON, or is only strings and times, as JSON, with sorted keys.
func encoded(v any) json.RawMessage {
	raw, _ := json.Marshal(v) //workflowcheck:ignore // the same value gives the same text
	return raw
}

func summary(s *step, key string) string {
	if key == "" {
		return s.Name
	}
	return s.Name + " [" + key + "]"
}
