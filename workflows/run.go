package workflows

import (
	"encoding/json"
	"strings"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// run is a run under way. Its coroutines take turns, so that none of it needs a lock.
type run struct {
	caller
	in    plan.Run
	steps []*step // in plan order

	ready  []*step // everything they need has ended; in plan order
	open   int     // steps that were begun and have not ended
	places *places // the plan's parallel ones

	gates    map[string]*gate // by gate id, once they are open
	opening  map[string]bool  // by gate id; people may see the gate before its activity has answered
	late     int              // decisions that came too late and are written down
	coming   map[string]int   // by gate id: decisions that have not been looked at yet
	messages int              // signals that are being worked on

	failure    *fault.Error // the first one; nothing new begins after it
	also       []string     // what failed after it, step by step
	cancelled  bool
	paused     bool
	resuming   bool // it was paused, and people are being told that it goes on
	pauses     int  // how often it was paused or resumed
	overridden int  // how often people wanted something else of a step
	ending     bool // all steps have ended: it's too late to cancel
	phase      phase
	approvers  []string // as shown in the search attribute
}

// Run carries out a plan. It is a dynamic workflow: the type is the template's name, the argument a
// plan.Run. A failed or cancelled run ends as a failed workflow whose error has the fault's kind as
// its type and our own words as its message.
func Run(ctx workflow.Context, args converter.EncodedValues) (activities.Outputs, error) {
	var in plan.Run
	if err := args.Get(&in); err != nil {
		return activities.Outputs{}, failed(fault.Wrap(fault.Invalid, err, "the workflow's argument is not a run"))
	}
	r, err := newRun(in)
	if err != nil {
		return activities.Outputs{}, failed(fault.From(err))
	}
	return r.execute(ctx)
}

func newRun(in plan.Run) (*run, error) {
	if in.Plan.Version > plan.Version {
		return nil, fault.New(fault.Invalid, "the plan has version %d, this worker reads up to version %d", in.Plan.Version, plan.Version)
	}
	r := &run{
		in: in,
		caller: caller{version: in.Plan.Version, undoes: in.Plan.OnFailure == plan.Undo, info: activities.RunInfo{
			Task: in.Task, Template: in.Plan.Template, Requester: in.Requester, Secrets: len(in.Secrets) > 0, Attempt: in.Attempt,
		}},
		places: &places{limit: max(in.Plan.Parallel, 1)},
		gates:  map[string]*gate{}, opening: map[string]bool{}, coming: map[string]int{},
	}
	var err error
	r.steps, err = arrange(in.Plan.Steps)
	return r, err
}

func (r *run) execute(ctx workflow.Context) (activities.Outputs, error) {
	work, stop := workflow.WithCancel(ctx)
	if err := r.listen(ctx, stop); err != nil {
		return activities.Outputs{}, err
	}
	if r.in.Attempt > 0 {
		if over, err := r.isOver(ctx); err != nil || over {
			return activities.Outputs{}, sealed(err)
		}
		r.leases = listenForLeases(ctx)
	}
	r.show(ctx)
	r.publish(ctx, phaseRunning, nil)
	r.record(ctx, activities.Record{Kind: activities.RunStarted, Steps: len(r.steps)})

	r.runSteps(work)
	r.ending = true

	var outputs activities.Outputs
	if r.failure == nil {
		outputs = r.outputs(ctx)
	}
	if r.failure != nil && r.in.Plan.OnFailure == plan.Undo {
		r.undo(ctx)
	}
	r.finish(ctx, outputs)
	if r.failure != nil {
		return activities.Outputs{}, failed(r.failure)
	}
	return outputs, nil
}

// outputs renders what the run gives back. A failure to do so is the run's failure.
func (r *run) outputs(ctx workflow.Context) (out activities.Outputs) {
	ctx = bookkeeping(detached(ctx), "Render the outputs")
	err := workflow.ExecuteLocalActivity(ctx, activities.OutputsActivity, activities.OutputsInput{
		Run: r.evaluationInfo(), Output: r.in.Plan.Output, Scope: r.scope(),
	}).Get(ctx, &out)
	if err != nil {
		r.failure = fault.Unseal(err)
	}
	return out
}

func (r *run) finish(ctx workflow.Context, outputs activities.Outputs) {
	switch {
	case r.failure == nil:
		r.record(ctx, activities.Record{Kind: activities.RunCompleted, Output: outputs.Output})
		r.publish(ctx, phaseCompleted, nil)
	case r.cancelled:
		r.recordFailure(ctx)
		r.publish(ctx, phaseCancelled, nil)
	default:
		r.recordFailure(ctx)
		r.publish(ctx, phaseFailed, nil)
	}
	r.show(ctx)
	ctx = detached(ctx)
	// A message that is still being answered would be lost with the workflow.
	_ = workflow.Await(ctx, func() bool { return r.messages == 0 && workflow.AllHandlersFinished(ctx) })
}

func (r *run) recordFailure(ctx workflow.Context) {
	f := r.failure
	message := f.Public
	if len(r.also) > 0 && r.in.Plan.Template.APIVersion != backstageVersion { // Backstage tells of the first alone
		message += "; also failed: " + strings.Join(r.also, "; ")
	}
	r.record(ctx, activities.Record{Kind: activities.RunFailed, Message: message, Error: string(f.Kind), Named: f.Name})
}

// isOver asks whether there is anything left to do. A later attempt may be started twice by those who start runs;
// the second execution does nothing.
func (r *run) isOver(ctx workflow.Context) (over bool, err error) {
	ctx = bookkeeping(ctx, "Is this attempt over?")
	err = workflow.ExecuteLocalActivity(ctx, activities.AttemptActivity, activities.Attempt{Task: r.in.Task, Number: r.in.Attempt}).Get(ctx, &over)
	return over, err
}

// record tells the read model, for as long as it takes. It is not where the truth of the run is
// kept: a record that is refused for good must not change what the run does.
func (r *run) record(ctx workflow.Context, what activities.Record) {
	what.Task, what.Attempt = r.in.Task, r.in.Attempt
	ctx = bookkeeping(detached(ctx), string(what.Kind)+" "+what.Step)
	if err := workflow.ExecuteLocalActivity(ctx, activities.RecordActivity, what).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("a record was refused", "kind", what.Kind, "step", what.Step, "error", err)
	}
}

// evaluationInfo is what expressions see of the run.
func (r *run) evaluationInfo() activities.RunInfo {
	info := r.info
	info.Values = r.in.Values
	return info
}

// scope is what expressions see of the steps: the output of those that completed, the error of those that
// failed and might.
func (r *run) scope() activities.Scope {
	scope := activities.Scope{Steps: map[string]json.RawMessage{}, Failed: r.failure != nil}
	for _, s := range r.steps {
		switch {
		case s.state == Completed:
			scope.Steps[s.ID] = encoded(map[string]json.RawMessage{"output": s.output})
		case s.fault != nil:
			scope.Steps[s.ID] = encoded(map[string]stepError{"error": {Kind: string(s.fault.Kind), Message: s.fault.Public}})
		}
	}
	return scope
}

type stepError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// failed turns a fault into the end of a workflow. Its cause stays out: one that says "cancelled" would make
// Temporal show the workflow as such.
func failed(f *fault.Error) error {
	return fault.SealFinal(&fault.Error{Kind: f.Kind, Public: f.Public, Name: f.Name})
}
