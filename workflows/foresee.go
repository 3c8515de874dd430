package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// gatesShow is the first version of plans whose gates show what they are about.
const gatesShow = 2

// behind are the steps that wait for a gate, directly or not.
func (r *run) behind(gate *step) (list []activities.Behind) {
	for _, s := range r.steps[gate.index+1:] {
		if s.before[gate.index] {
			list = append(list, activities.Behind{ID: s.ID, Name: s.Name, Action: s.Action})
		}
	}
	return list
}

// done are the outputs of the steps before a gate.
func (r *run) done(gate *step) map[string]json.RawMessage {
	outputs := map[string]json.RawMessage{}
	for i, s := range r.steps[:gate.index] {
		if gate.before[i] && s.state == Completed {
			outputs[s.ID] = s.output
		}
	}
	return outputs
}

// awaitApproval returns when the gate is decided about what would really be done: if that is no longer what its approvers
// saw, they are asked again, for as long as they had at first.
func (r *run) awaitApproval(ctx workflow.Context, s *step, g *gate) (why string, err error) {
	asked := g.approval
	for {
		why = r.awaitDecision(ctx, s, g)
		if !g.foreseen || g.outcome != plan.Approved || r.failure != nil {
			return why, nil
		}
		var now activities.CheckedGate
		err = workflow.ExecuteActivity(stepOptions(ctx, plan.Step{}, "Compare "+s.Name+" with what would be done now"), activities.CheckGateActivity,
			activities.CheckGate{GateInvocation: g.asked, Shown: g.shown, Approval: asked}).Get(ctx, &now)
		if err != nil {
			g.outcome = plan.Rejected
			return "although it was approved, because what would be done now is unknown", err
		}
		if now.Shown == g.shown {
			return why, nil
		}
		g.approval, g.shown, g.decisions, g.said, g.outcome, g.closed = asked, now.Shown, nil, nil, plan.Pending, false
		s.note = "has changed, and waits again for " + people(g.waitsFor())
		r.showGates(ctx)
		r.show(ctx)
	}
}
