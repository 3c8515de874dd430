package workflows

import (
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// StepState is how far a step has come.
type StepState string

// The states. Completed, skipped, failed and undone are final for the steps that wait for one.
const (
	Waiting   StepState = "waiting"
	Running   StepState = "running"
	Awaiting  StepState = "awaiting approval"
	Completed StepState = "completed"
	Skipped   StepState = "skipped"
	Failed    StepState = "failed"
	Undone    StepState = "undone"
)

// step is a step of a run under way.
type step struct {
	plan.Step
	index      int
	pending    int     // needs that have not ended
	dependants []*step // steps that need this one, in plan order
	before     []bool  // by index: the steps that this one comes after, directly or not
	within     *step   // the switch whose branch it is in, if any

	state          StepState
	started, ended time.Time
	note           string
	output         json.RawMessage
	branch         string       // that a switch has chosen
	fault          *fault.Error // of a step that may fail and did
	layers         []string     // what it changed in the workspace, in order
	parts          *parts       // of a long loop that is under way
	gate           *gate        // of an approval that was opened
	leaving        bool         // what it granted is being taken back by its lease, which takes long
}

// arrange builds the graph. A plan is in topological order, which also means without cycles.
func arrange(steps []plan.Step) ([]*step, error) {
	all := make([]*step, len(steps))
	byID := make(map[string]*step, len(steps))
	for i, planned := range steps {
		s := &step{Step: planned, index: i, state: Waiting, before: make([]bool, i)}
		if _, twice := byID[s.ID]; twice {
			return nil, fault.New(fault.Invalid, "the plan has two steps with the id %q", s.ID)
		}
		if s.Lease != nil && !s.Undoable {
			return nil, fault.New(fault.Invalid, "step %s has a lease, but %s can't be undone", s.ID, s.Action)
		}
		for _, id := range s.Needs {
			need, ok := byID[id]
			if !ok {
				return nil, fault.New(fault.Invalid, "step %s needs %q, which the plan doesn't have before it", s.ID, id)
			}
			if s.before[need.index] && slices.Contains(need.dependants, s) {
				continue // named twice
			}
			need.dependants = append(need.dependants, s)
			s.pending++
			s.before[need.index] = true
			for j, is := range need.before {
				s.before[j] = s.before[j] || is
			}
		}
		if err := s.enter(byID); err != nil {
			return nil, err
		}
		all[i], byID[s.ID] = s, s
	}
	return all, nil
}

// runSteps begins every step when all it needs has ended and a place is free, and returns when all
// steps have ended. Cancelling ctx cancels what is under way.
func (r *run) runSteps(ctx workflow.Context) {
	for _, s := range r.steps {
		if s.pending == 0 {
			r.ready = append(r.ready, s)
		}
	}
	for {
		for r.goesOn() {
			s := r.ready[0]
			r.ready = r.ready[1:]
			r.open++
			r.places.taken++
			workflow.Go(ctx, func(ctx workflow.Context) {
				r.consider(ctx, s)
				r.open--
				r.places.taken--
			})
		}
		done := func() bool { return r.open == 0 && len(r.ready) == 0 }
		if done() {
			return
		}
		// On a detached context: a cancelled run still waits for what is under way.
		_ = workflow.Await(detached(ctx), func() bool { return done() || r.goesOn() })
	}
}

// goesOn reports whether a step can begin now. A paused run begins none, but goes on to its end when it has failed or was
// cancelled.
func (r *run) goesOn() bool {
	return len(r.ready) > 0 && r.places.free() && (!r.paused && !r.resuming || r.failure != nil)
}

// mayFail tells whether the run goes on when the step fails. A no of people is never passed over.
func (s *step) mayFail() bool { return s.OnError == plan.Continue && s.Kind != plan.GateStep }

// begun marks a step as under way.
func (r *run) begun(ctx workflow.Context, s *step) {
	s.state, s.started = Running, workflow.Now(ctx)
	r.show(ctx)
}

// end ends a step and frees what waited for it.
func (r *run) end(ctx workflow.Context, s *step, state StepState, note string) {
	s.state, s.note, s.ended = state, note, workflow.Now(ctx)
	for _, d := range s.dependants {
		if d.pending--; d.pending == 0 {
			at, _ := slices.BinarySearchFunc(r.ready, d, func(a, b *step) int { return a.index - b.index })
			r.ready = slices.Insert(r.ready, at, d)
		}
	}
	r.show(ctx)
}
