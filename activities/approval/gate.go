// Package approval lets people decide in the middle of a run. A decision counts only with a proof that
// the database and Temporal can't make, and only if its author may decide at that moment.
package approval

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

// Opened is a gate as its approvers see it.
type Opened struct {
	ID        string
	Task      string
	Step      string
	Title     string
	Digest    string // of the plan and its values
	Requester string
	Template  string
	Approval  plan.Approval
	Expires   *time.Time
	Shown     string          // digest of Seen; "" at gates of plans of version 1
	Seen      json.RawMessage // what approvers are shown and decide about
}

// Approvals is the read model of gates and the register of used proofs.
type Approvals interface {
	// OpenApproval shows a gate to its approvers; the same id again changes nothing.
	OpenApproval(ctx context.Context, o Opened) error
	// EscalateApproval lets those decide whom the approval names now, until another time.
	EscalateApproval(ctx context.Context, gate string, a plan.Approval, expires *time.Time) error
	// RecordDecision keeps a decision; the same again is no error, its nonce in another one is a Conflict fault.
	RecordDecision(ctx context.Context, gate string, d plan.Decision) error
	// Decisions are those that a gate has counted, without the ones about something else than it shows now; how each approver
	// proved who they are is not told.
	Decisions(ctx context.Context, gate string) ([]plan.Decision, error)
	// ReopenApproval shows something else to the approvers of an open gate, whose decisions about what was shown before
	// no longer count.
	ReopenApproval(ctx context.Context, gate, before, shown string, seen json.RawMessage, expires *time.Time) error
	// CloseApproval ends a gate; the first outcome stays.
	CloseApproval(ctx context.Context, gate, outcome, why string) error
}

// Notifier tells people. The same key again is nothing.
type Notifier interface {
	Notify(ctx context.Context, n notice.Notice) error
}

// Directory knows who is in which group. A catalog implements it.
type Directory interface {
	// Groups gives the canonical refs of a user's groups, parent groups included.
	Groups(ctx context.Context, userRef string) ([]string, error)
}

// Verifier tells a genuine statement from any other. identity.StatementVerifier implements it.
type Verifier interface {
	Verify(token string, now time.Time) (identity.Statement, error)
}

// Journal tells the run's readers, and the audit log.
type Journal interface {
	Log(ctx context.Context, task, key, step, status, message string) error
	Audit(ctx context.Context, task, key, kind, actor string, data map[string]any) error
}

// Gate serves approval gates.
type Gate struct {
	Approvals  Approvals
	Directory  Directory
	Verifier   Verifier
	Journal    Journal
	Notifier   Notifier
	Forecaster Forecaster
	PublicURL  string // where people reach the API; without it links are paths
	Log        *slog.Logger
}

// Activity is a function under the activity type that the workflow calls it by.
type Activity struct {
	Name string
	Func any
}

// Activities lists what a worker has to register.
func (g *Gate) Activities() []Activity {
	return []Activity{
		{activities.OpenGateActivity, g.Open},
		{activities.DecideActivity, g.Decide},
		{activities.CheckGateActivity, g.Check},
		{activities.RemindGateActivity, g.Remind},
		{activities.EscalateGateActivity, g.Escalate},
		{activities.CloseGateActivity, g.Close},
	}
}

// Open makes a gate visible to its approvers. It is a Temporal activity; so are Decide and Close.
func (g *Gate) Open(ctx context.Context, in activities.GateInvocation) (activities.OpenedGate, error) {
	opened, err := g.open(ctx, in)
	return opened, g.sealed(ctx, "open", err)
}

// Decide verifies one decision and says what the gate has come to with it.
func (g *Gate) Decide(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
	decided, err := g.decide(ctx, in, time.Now())
	return decided, g.sealed(ctx, "decide", err)
}

// Check compares what was approved with what would be done now.
func (g *Gate) Check(ctx context.Context, in activities.CheckGate) (activities.CheckedGate, error) {
	checked, err := g.check(ctx, in)
	return checked, g.sealed(ctx, "check", err)
}

// Remind tells those who may still decide that the gate waits for them.
func (g *Gate) Remind(ctx context.Context, in activities.GateNews) error {
	return g.sealed(ctx, "remind", g.remind(ctx, in))
}

// Escalate lets more people decide.
func (g *Gate) Escalate(ctx context.Context, in activities.GateNews) error {
	return g.sealed(ctx, "escalate", g.escalate(ctx, in, time.Now()))
}

// Close ends a gate in the read model.
func (g *Gate) Close(ctx context.Context, in activities.CloseGate) error {
	return g.sealed(ctx, "close", g.Approvals.CloseApproval(ctx, in.Gate, string(in.Outcome), in.Why))
}

// sealed logs the cause, which must not reach Temporal's history.
func (g *Gate) sealed(ctx context.Context, what string, err error) error {
	if err != nil {
		f := fault.From(err)
		g.Log.WarnContext(ctx, "approval failed", "at", what, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
	}
	return fault.Seal(err)
}

// Output is the output of an approval step, which the run workflow makes.
type Output struct {
	Approved  bool             `json:"approved"`
	Approvers []string         `json:"approvers" jsonschema_description:"User refs of those who approved."`
	Decisions []DecisionOutput `json:"decisions"`
	Automatic string           `json:"automatic,omitempty" jsonschema_description:"Why nobody had to be asked, if so."`
}

// DecisionOutput is what one approver said.
type DecisionOutput struct {
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
}

// Actions declares approval:request, which people carry out and not a function.
func Actions() []activities.Action {
	return []activities.Action{activities.Define(activities.Spec[activities.ApprovalInput, Output]{
		ID:          activities.OpenGateActivity,
		Description: "Waits until people approve. What comes after it in the template waits too. A rejection fails the run.",
		Kind:        plan.GateStep,
		Examples: []plan.Example{{Description: "The owners of a model decide within two weeks", YAML: `steps:
  - id: approve
    name: Approval by the model's owner
    action: approval:request
    input:
      approvers:
        - ${{ steps.model.output.entity.spec.owner }}
      reason: ${{ parameters.useCase }}
      timeout: 14d
`}, {Description: "The team lead first, then security; nobody approves twice", YAML: `steps:
  - id: approve
    name: Approval by two sides
    action: approval:request
    input:
      distinctApprovers: true
      stages:
        - name: Team
          approvers: [group:default/team-leads]
        - name: Security
          approvers: [group:default/security]
          rule: majority
          of: 3
      timeout: 3d
      onTimeout: escalate
      escalateTo: [group:default/directors]
      remindEvery: 1d
`}, {Description: "Small requests need nobody", YAML: `steps:
  - id: approve
    name: Approval of larger budgets
    action: approval:request
    input:
      approvers: [group:default/finance]
      autoApprove:
        if: ${{ parameters.budget < 1000 }}
        because: budgets below 1,000 are the team's own
`}},
		Valid:     func(in activities.ApprovalInput) error { return Check(in, "") },
		WhyNoUndo: "A decision is a record; what it allowed is undone by the steps that did it.",
	})}
}
