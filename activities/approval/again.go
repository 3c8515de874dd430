package approval

import (
	"context"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// saidAgain tells whether what was said in an earlier attempt at the task approves this gate: each decision was made about
// the same step of the same task, the same plan with the same values, and exactly what is shown now. The proofs are checked
// again, for whoever starts an attempt is nobody who approves; who was admitted then is not asked once more.
func (g *Gate) saidAgain(in activities.GateInvocation, o Opened) bool {
	decisions := make([]plan.Decision, len(in.Said))
	for i, was := range in.Said {
		said, err := g.Verifier.Verify(was.Statement, was.Decision.At)
		d := was.Decision
		by, badRef := user(said.Approver)
		switch {
		case err != nil || badRef != nil || by == o.Requester || by != d.By || said.Nonce != d.Nonce || said.Verdict != string(d.Verdict):
			return false
		case said.Task != o.Task || said.Digest != o.Digest || said.Shown != o.Shown || !earlier(in, said.Gate):
			return false
		}
		decisions[i] = d
	}
	return o.Approval.Decide(o.Requester, decisions) == plan.Approved
}

// earlier tells whether a gate is that of the same step in an attempt before this one.
func earlier(in activities.GateInvocation, gate string) bool {
	for attempt := range in.Run.Attempt {
		if gate == activities.GateID(in.Run.Task, attempt, in.Step) {
			return true
		}
	}
	return false
}

// again records that nobody is asked a second time about the same thing.
func (g *Gate) again(ctx context.Context, in activities.GateInvocation, o Opened) (activities.OpenedGate, error) {
	var by []string
	for _, was := range in.Said {
		if was.Decision.Verdict == plan.Approve {
			by = append(by, was.Decision.By)
		}
	}
	data := map[string]any{"gate": o.ID, "approvedBy": by, "digest": o.Digest, "shown": o.Shown}
	err := g.Journal.Audit(ctx, o.Task, o.ID+"/again", "approval-kept", "gildway", data)
	if err == nil {
		err = g.Journal.Log(ctx, o.Task, o.ID+"/again", o.Step, "",
			"Approved in an earlier attempt by "+strings.Join(by, ", ")+"; what they were shown is the same")
	}
	return activities.OpenedGate{ID: o.ID, Approval: o.Approval, Shown: o.Shown, Again: true}, err
}
