package workflows

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
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
	requester string
	step      *step
	digest    string // of what is approved; read once, so that an approver and the check mean the same
	approval  plan.Approval
	shown     string // digest of what approvers see
	automatic string // why nobody has to be asked
	again     bool   // it was approved in an earlier attempt, and what approvers see is the same

	asked     activities.GateInvocation // how it was opened
	foreseen  bool                      // approvers see what the steps behind would do, which may change
	arrived   int                       // decisions that came, each of which has its turn in this order
	turn      int                       // whose turn it is; workflow.Mutex would let the last one in first
	decisions []plan.Decision
	said      []plan.Said // with their proofs
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
	if g.automatic != "" {
		s.output, s.note = g.output(), "approved by itself: "+g.automatic
		r.complete(ctx, s)
		return
	}
	if g.again {
		s.output, s.note = g.output(), "approved in an earlier attempt by "+people(g.approvedBy())
		r.complete(ctx, s)
		return
	}
	s.state = Awaiting
	s.note = "waits for " + people(g.waitsFor())
	r.gates[g.id] = g
	r.showGates(ctx)
	r.show(ctx)

	var why string
	r.places.without(func() { why, err = r.awaitApproval(ctx, s, g) })

	r.showGates(ctx)
	told := g.outcome
	if why == failedElsewhere || why == runCancelled {
		told = plan.Pending // nobody said no
	}
	r.closeGate(ctx, s, g.id, told, why)
	switch {
	case g.outcome == plan.Approved:
		s.output, s.note = g.output(), "approved by "+people(g.approvedBy())
		if why != "" {
			s.note = "approved " + why
		}
		r.complete(ctx, s)
	case r.cancelled:
		r.fail(ctx, s, temporal.NewCanceledError())
	case err != nil:
		r.fail(ctx, s, err)
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
	in := activities.GateInvocation{Invocation: call, Digest: g.digest}
	if r.version >= gatesShow {
		in.Behind, in.Written, in.Done = r.behind(s), s.Input, r.done(s)
	}
	if kept := r.kept(s); kept != nil {
		in.Said = kept.Said
	}
	g.asked = in
	err = workflow.ExecuteActivity(ctx, activities.OpenGateActivity, in).Get(ctx, &opened)
	g.id, g.approval, g.shown, g.automatic, g.foreseen = opened.ID, opened.Approval, opened.Shown, opened.Automatic, opened.Foreseen
	g.requester = r.in.Requester.Ref
	if opened.Again {
		g.approvedAgain(in.Said)
	}
	s.gate = g
	return g, err
}

// awaitDecision returns when the gate is decided, and why it is not approved if it isn't. A decision
// that is being checked when the time runs out still counts.
func (r *run) awaitDecision(ctx workflow.Context, s *step, g *gate) (why string) {
	decided := func() bool { return g.outcome != plan.Pending || r.failure != nil }
	if g.approval.RemindEvery > 0 {
		reminding, stop := workflow.WithCancel(ctx)
		defer stop()
		workflow.Go(reminding, func(ctx workflow.Context) { r.remindOfGate(ctx, s, g) })
	}
	inTime := r.awaitInTime(ctx, s, g, decided)
	if !inTime && g.approval.OnTimeout == plan.EscalateLate {
		g.approval = g.approval.Escalated()
		r.tellOfGate(ctx, activities.EscalateGateActivity, "Escalate the approval "+s.Name, r.news(s, g))
		r.showGates(ctx)
		inTime = r.awaitInTime(ctx, s, g, decided)
	}

	defer g.takeTurn(ctx)()
	g.closed = true
	switch {
	case g.outcome == plan.Rejected:
		return g.rejection()
	case g.outcome == plan.Approved:
		return ""
	case !r.cancelled && !inTime && g.approval.OnTimeout == plan.ApproveLate:
		g.outcome = plan.Approved
		return "because nobody objected within " + g.approval.Timeout.String()
	}
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

// awaitInTime waits for a decision, for as long as the gate says, and tells if it was in time. A cancelled wait is not a
// late one.
func (r *run) awaitInTime(ctx workflow.Context, s *step, g *gate, decided func() bool) bool {
	timeout := g.approval.Timeout.Std()
	if timeout <= 0 {
		_ = workflow.Await(ctx, decided)
		return true
	}
	ok, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      timeout,
		TimerOptions: workflow.TimerOptions{Summary: truncated("Waits for the approval "+s.Name, summaryLimit)},
	}, decided)
	if !ok && err == nil && r.coming[g.id] > 0 && workflow.GetVersion(ctx, "decisions-in-time-count", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		// Where no worker was there when the time ran out, what was said until then arrives together with the end of it.
		_ = workflow.Await(detached(ctx), func() bool { return r.coming[g.id] == 0 })
		ok = decided()
	}
	return ok || err != nil
}

// mostReminders bounds what a gate that nobody decides writes to history.
const mostReminders = 100

// remindOfGate tells those who have not decided, from time to time, until its context ends or it has done so often enough.
func (r *run) remindOfGate(ctx workflow.Context, s *step, g *gate) {
	for number := 1; ; number++ {
		if number > mostReminders && workflow.GetVersion(ctx, "reminders-end", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
			return
		}
		timer := workflow.NewTimerWithOptions(ctx, g.approval.RemindEvery.Std(),
			workflow.TimerOptions{Summary: truncated("Until people are reminded of the approval "+s.Name, summaryLimit)})
		if timer.Get(ctx, nil) != nil {
			return
		}
		news := r.news(s, g)
		news.Number = number
		r.tellOfGate(ctx, activities.RemindGateActivity, "Remind of the approval "+s.Name, news)
	}
}

func (r *run) news(s *step, g *gate) activities.GateNews {
	return activities.GateNews{
		Task: r.in.Task, Gate: g.id, Step: s.ID, StepName: s.Name, Approval: g.approval, Before: g.decisions, Requester: r.in.Requester.Ref,
		Shown: g.shown,
	}
}

// tellOfGate writes news of a gate down. Losing it would not change what the gate comes to.
func (r *run) tellOfGate(ctx workflow.Context, activity, summary string, news activities.GateNews) {
	ctx = bookkeeping(ctx, summary)
	if err := workflow.ExecuteLocalActivity(ctx, activity, news).Get(ctx, nil); err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Error("news of an approval were refused", "gate", news.Gate, "error", err)
	}
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
	err = workflow.ExecuteActivity(ctx, activities.DecideActivity, r.decideInput(g, in)).Get(ctx, &decided)
	if err != nil {
		return activities.Decided{}, err
	}
	g.decisions = append(g.decisions, decided.Decision)
	g.said = append(g.said, plan.Said{Decision: decided.Decision, Statement: in.Statement})
	g.outcome = decided.Outcome // as recorded: a later rule must not decide an earlier gate anew
	if g.outcome == plan.Pending {
		g.step.note = g.progress()
		r.showGates(ctx)
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

func (r *run) decideInput(g *gate, in activities.DecideMessageInput) activities.DecideInput {
	return activities.DecideInput{
		Task: r.in.Task, Gate: g.id, Step: g.step.ID, Digest: g.digest, Requester: r.in.Requester.Ref,
		Approval: g.approval, Statement: in.Statement, Before: g.decisions, Shown: g.shown,
	}
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
			approvers = append(approvers, g.waitsFor()...)
		}
	}
	slices.Sort(approvers)
	phase := phaseRunning
	if waiting {
		phase = phaseWaiting
	}
	if r.paused {
		phase = phasePaused
	}
	r.publish(ctx, phase, slices.Compact(approvers))
}

// stage is the number of the stage that waits.
func (g *gate) stage() int { return g.approval.Stage(g.requester, g.decisions) }

// waitsFor are the refs that may decide now.
func (g *gate) waitsFor() []string { return g.approval.InStages()[g.stage()].Approvers }

func (g *gate) progress() string {
	stage := g.stage()
	yes, needed := g.approval.Approvals(stage, g.requester, g.decisions)
	said := fmt.Sprintf("%d of %d have approved", yes, needed)
	if stages := g.approval.Stages; len(stages) > 0 {
		said += ", stage " + cmp.Or(stages[stage].Name, strconv.Itoa(stage+1))
	}
	return said
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
	Automatic string         `json:"automatic,omitempty"`
}

type gateDecision struct {
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
}

func (g *gate) output() json.RawMessage {
	out := gateOutput{Approved: true, Approvers: append([]string{}, g.approvedBy()...), Decisions: []gateDecision{}, Automatic: g.automatic}
	for _, d := range g.decisions {
		if d.Verdict == plan.Delegate {
			continue
		}
		out.Decisions = append(out.Decisions, gateDecision{By: d.By, Comment: d.Comment, At: d.At})
	}
	return encoded(out)
}
