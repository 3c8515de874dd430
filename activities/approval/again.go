package approval

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

// saidAgain tells whether what was said in an earlier attempt at the task approves this gate: each decision was made about
// the same step of the same task, the same plan with the same values, and exactly what is shown now. Whoever starts an attempt
// is nobody who approves. So the proofs are checked again, and the decisions are made anew by the rules of a first time; they
// must come to those that the gate counted then, no more and no fewer. Of these alone is known who was in which group.
func (g *Gate) saidAgain(ctx context.Context, in activities.GateInvocation, o Opened) (bool, error) {
	statements := make([]identity.Statement, len(in.Said))
	for i, was := range in.Said {
		said, bad := g.Verifier.Verify(was.Statement, was.Decision.At)
		if bad != nil {
			return false, nil
		}
		statements[i] = said
	}
	gate := statements[0].Gate
	if !earlier(in, gate) {
		return false, nil
	}
	counted, err := g.Approvals.Decisions(ctx, gate)
	if err != nil || len(counted) != len(statements) {
		return false, err
	}
	then := activities.DecideInput{Task: o.Task, Gate: gate, Digest: o.Digest, Shown: o.Shown, Requester: o.Requester, Approval: o.Approval}
	for i, said := range statements {
		d, refused := taken(then, said)
		at := slices.IndexFunc(counted, func(c plan.Decision) bool { return c.Nonce == said.Nonce })
		if refused != nil || at < 0 {
			return false, nil
		}
		d.As, d.For = counted[at].As, counted[at].For
		counted[at].Via = d.Via // which the register doesn't have
		if !same(d, counted[at]) || !same(d, in.Said[i].Decision) || !admissible(d, then) || unheard(d, then) != nil {
			return false, nil
		}
		then.Before = append(then.Before, d)
	}
	return o.Approval.Decide(o.Requester, then.Before) == plan.Approved, nil
}

func same(a, b plan.Decision) bool {
	simultaneous := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return simultaneous && a == b
}

// admissible tells whether the gate could have admitted somebody in the role that they had: who is in a group is not asked.
func admissible(d plan.Decision, in activities.DecideInput) bool {
	stage := in.Approval.Escalated().InStages()[d.Stage]
	lent := slices.ContainsFunc(in.Before, func(b plan.Decision) bool {
		return b.Stage == d.Stage && b.Verdict == plan.Delegate && b.By == d.For && b.To == d.By
	})
	return slices.Contains(stage.Approvers, d.As) && (d.For == "" || lent) &&
		(d.As == cmp.Or(d.For, d.By) || !strings.HasPrefix(d.As, "user:"))
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
