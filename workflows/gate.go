package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// gate is an approval that waits for people.
type gate struct {
	id        string
	step      *step
	digest    string // of what is approved; read once, so that an approver and the check mean the same
	approval  plan.Approval
	arrived   int // decisions that came, each of which has its turn in this order
	turn      int // whose turn it is; workflow.Mutex would let the last one in first
	decisions []plan.Decision
	outcome   plan.Outcome
	closed    bool
}

// decideGate opens a gate, waits for people, and closes it whatever happens.
func (r *run) decideGate(ctx workflow.Context, s *step, evaluated activities.Evaluated) {
	r.begin(ctx, s)
	if evaluated.Looped || len(evaluated.Items) != 1 {
		r.fail(ctx, s, fault.New(fault.Invalid, "an approval can't be repeated; remove each from step %s", s.ID))
		return
	}
	g, err := r.openGate(ctx, s, evaluated.Items[0])
	if err != nil {
		r.closeGate(ctx, s, activities.GateID(r.in.Task, r.in.Attempt, s.ID), plan.Rejected, fault.Unseal(err).Public)
		r.fail(ctx, s, err)
		return
	}
	s.state = Awaiting
	s.note = "waits for " + people(g.approval.Approvers)
	r.gates[g.id] = g
	r.showGates(ctx)
	r.show(ctx)

	var why string
	r.places.without(func() { why = r.awaitDecision(ctx, s, g) })

	r.showGates(ctx)
	told := g.outcome
	if why == failedElsewhere || why == runCancelled {
		told = plan.Pending // nobody said no
	}
	r.closeGate(ctx, s, g.id, told, why)
	switch {
	case g.outcome == plan.Approved:
		s.output, s.note = g.output(), "approved by "+people(g.approvedBy())
		r.complete(ctx, s)
	case r.cancelled:
		r.fail(ctx, s, temporal.NewCanceledError())
	case why == failedElsewhere:
		r.skipAfterFailure(ctx, s)
	default:
		r.fail(ctx, s, fault.New(fault.Denied, "%q was rejected %s", s.Name, why))
	}
}

// Why a gate can end without anybody's decision.
const (
	failedElsewhere = "because another step failed"
	runCancelled    = "because the run was cancelled"
)

func (r *run) openGate(ctx workflow.Context, s *step, item activities.Item) (*gate, error) {
	g := &gate{step: s, outcome: plan.Pending}
	// Recorded, because a later release may write a plan in other words, and so with another digest.
	err := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "Digest of what is approved"}, func(workflow.Context) any {
		return r.in.Digest()
	}).Get(&g.digest)
	if err != nil {
		return nil, err
	}
	id := activities.GateID(r.in.Task, r.in.Attempt, s.ID)
	r.opening[id] = true
	defer delete(r.opening, id)
	call := r.invocation(s, item, nil)
	call.First = true
	var opened activities.OpenedGate
	ctx = stepOptions(ctx, s.Step, s.Name)
	err = workflow.ExecuteActivity(ctx, activities.OpenGateActivity, activities.GateInvocation{Invocation: call, Digest: g.digest}).Get(ctx, &opened)
	g.id, g.approval = opened.ID, opened.Approval
	return g, err
}

// awaitDecision returns when the gate is decided, and why it is not approved if it isn't. A decision
// that is being checked when the time runs out still counts.
func (r *run) awaitDecision(ctx workflow.Context, s *step, g *gate) (why string) {
	decided := func() bool { return g.outcome != plan.Pending || r.failure != nil }
	inTime := true
	if timeout := g.approval.Timeout.Std(); timeout > 0 {
		// A cancelled wait is not a late one; r.failure says so below.
		if ok, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      timeout,
			TimerOptions: workflow.TimerOptions{Summary: truncated("Waits for the approval "+s.Name, summaryLimit)},
		}, decided); err == nil {
			inTime = ok
		}
	} else {
		_ = workflow.Await(ctx, decided)
	}

	defer g.takeTurn(ctx)()
	g.closed = true
	if g.outcome == plan.Pending {
		g.outcome = plan.Rejected
		switch {
		case r.cancelled:
			return runCancelled
		case inTime:
			return failedElsewhere
		default:
			return "because nobody decided within " + g.approval.Timeout.String()
		}
	}
	if g.outcome == plan.Rejected {
		return g.rejection()
	}
	return ""
}

func (r *run) closeGate(ctx workflow.Context, s *step, id string, outcome plan.Outcome, why string) {
	ctx = bookkeeping(detached(ctx), "Close the approval "+s.Name)
	err := workflow.ExecuteLocalActivity(ctx, activities.CloseGateActivity, activities.CloseGate{
		Task: r.in.Task, Gate: id, Step: s.ID, Outcome: outcome, Why: why,
	}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("the end of an approval was refused", "gate", id, "error", err)
	}
}

// decide checks one decision and counts it. Whatever is wrong with it is a fault; a gate that is not
// open is a Conflict.
func (r *run) decide(ctx workflow.Context, in activities.DecideMessageInput) (decided activities.Decided, err error) {
	if r.opening[in.Gate] {
		_ = workflow.Await(detached(ctx), func() bool { return !r.opening[in.Gate] })
	}
	if err := r.waitsForDecision(in); err != nil {
		return decided, err
	}
	g := r.gates[in.Gate]
	defer g.takeTurn(ctx)()
	if err := r.waitsForDecision(in); err != nil { // decided by the one before
		return decided, err
	}
	ctx = decisionOptions(ctx)
	err = workflow.ExecuteActivity(ctx, activities.DecideActivity, activities.DecideInput{
		Task: r.in.Task, Gate: g.id, Step: g.step.ID, Digest: g.digest, Requester: r.in.Requester.Ref,
		Approval: g.approval, Statement: in.Statement, Before: g.decisions,
	}).Get(ctx, &decided)
	if err != nil {
		return activities.Decided{}, err
	}
	g.decisions = append(g.decisions, decided.Decision)
	g.outcome = decided.Outcome // as recorded: a later rule must not decide an earlier gate anew
	if g.outcome == plan.Pending {
		g.step.note = fmt.Sprintf("%d of %d have approved", len(g.approvedBy()), max(g.approval.Required, 1))
		r.show(ctx)
	}
	return decided, nil
}

// takeTurn waits until everything that came to the gate before is done with it. The function it
// returns lets the next one in.
func (g *gate) takeTurn(ctx workflow.Context) (done func()) {
	mine := g.arrived
	g.arrived++
	// Detached: every turn before is short, and one that is given up would block those behind it.
	_ = workflow.Await(detached(ctx), func() bool { return g.turn == mine })
	return func() { g.turn++ }
}

func (r *run) waitsForDecision(in activities.DecideMessageInput) error {
	g, open := r.gates[in.Gate]
	switch {
	case r.opening[in.Gate]:
		return nil // its turn comes when the gate is open
	case !open:
		return fault.New(fault.Conflict, "this approval is not open")
	case g.closed || g.outcome != plan.Pending:
		return fault.New(fault.Conflict, "this approval is already decided")
	default:
		return nil
	}
}

// showGates keeps the search attributes true: which people the run waits for.
func (r *run) showGates(ctx workflow.Context) {
	var approvers []string
	var waiting bool
	for _, id := range workflow.DeterministicKeys(r.gates) {
		if g := r.gates[id]; !g.closed {
			waiting = true
			approvers = append(approvers, g.approval.Approvers...)
		}
	}
	slices.Sort(approvers)
	phase := phaseRunning
	if waiting {
		phase = phaseWaiting
	}
	r.publish(ctx, phase, slices.Compact(approvers))
}

func (g *gate) approvedBy() (refs []string) {
	for _, d := range g.decisions {
		if d.Verdict == plan.Approve && !slices.Contains(refs, d.By) {
			refs = append(refs, d.By)
		}
	}
	return refs
}

func (g *gate) rejection() string {
	for _, d := range g.decisions {
		if d.Verdict != plan.Reject {
			continue
		}
		if d.Comment == "" {
			return "by " + d.By
		}
		return "by " + d.By + ": " + d.Comment
	}
	return "by its rule"
}

// gateOutput is the output of an approval step.
type gateOutput struct {
	Approved  bool           `json:"approved"`
	Approvers []string       `json:"approvers"`
	Decisions []gateDecision `json:"decisions"`
}

type gateDecision struct {
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
}

func (g *gate) output() json.RawMessage {
	out := gateOutput{Approved: true, Approvers: g.approvedBy(), Decisions: []gateDecision{}}
	for _, d := range g.decisions {
		out.Decisions = append(out.Decisions, gateDecision{By: d.By, Comment: d.Comment, At: d.At})
	}
	return encoded(out)
}
