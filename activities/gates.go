package activities

import (
	"encoding/json"

	"github.com/gildway/gildway/internal/plan"
)

// GateInvocation opens an approval gate.
type GateInvocation struct {
	Invocation
	Digest  string          `json:"digest"`            // of the plan that is approved
	Behind  []Behind        `json:"behind,omitempty"`  // the steps that wait for it; none in plans of version 1
	Written json.RawMessage `json:"written,omitempty"` // the step's input before its expressions were evaluated
	Said    []plan.Said     `json:"said,omitempty"`    // what approved it in an earlier attempt

	Done map[string]json.RawMessage `json:"done,omitempty"` // outputs of the steps before the gate, by id
}

// Behind is a step that waits for an approval.
type Behind struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Action string `json:"action,omitempty"` // none of a switch
}

// ApprovalInput is the input of approval:request in a template.
type ApprovalInput struct {
	Approvers []string `json:"approvers,omitempty" jsonschema:"minItems=1" jsonschema_description:"User and group refs. Any of them, or any member of them, may decide; the requester never. Not together with stages."`
	Required  int      `json:"required,omitempty" jsonschema:"minimum=1" jsonschema_description:"How many different people must approve. Default 1."`
	Rule      string   `json:"rule,omitempty" jsonschema:"enum=quorum,enum=majority,enum=all" jsonschema_description:"quorum: so many as required approve, and one rejection rejects (the default). majority: more than half of those who vote (of) approve. all: each of the approvers approves, a group through one of its members."`
	Of        int      `json:"of,omitempty" jsonschema:"minimum=1" jsonschema_description:"How many people vote, for the rule majority."`

	Stages   []StageInput `json:"stages,omitempty" jsonschema:"minItems=1,maxItems=10" jsonschema_description:"Approvals one after the other."`
	Distinct bool         `json:"distinctApprovers,omitempty" jsonschema_description:"Whoever has approved in one stage doesn't count in a later one."`

	Reason      string     `json:"reason,omitempty" jsonschema_description:"Shown to the approvers."`
	Timeout     string     `json:"timeout,omitempty" jsonschema_description:"How long to wait, e.g. 72h or 14d. Default: waits for ever."`
	OnTimeout   string     `json:"onTimeout,omitempty" jsonschema:"enum=reject,enum=approve,enum=escalate" jsonschema_description:"What nobody answering in time means. escalate: those in escalateTo may decide, too, for as long again. Default reject."`
	EscalateTo  []string   `json:"escalateTo,omitempty" jsonschema_description:"User and group refs, for onTimeout: escalate."`
	RemindEvery string     `json:"remindEvery,omitempty" jsonschema_description:"How often those who may decide are reminded, e.g. 2d."`
	Automatic   *Automatic `json:"autoApprove,omitempty" jsonschema_description:"When nobody has to be asked."`
}

// StageInput is one of several approvals in a row.
type StageInput struct {
	Name      string   `json:"name,omitempty"`
	Approvers []string `json:"approvers" jsonschema:"minItems=1"`
	Required  int      `json:"required,omitempty" jsonschema:"minimum=1"`
	Rule      string   `json:"rule,omitempty" jsonschema:"enum=quorum,enum=majority,enum=all"`
	Of        int      `json:"of,omitempty" jsonschema:"minimum=1"`
}

// Automatic approves without people. The condition, what it came to and the reason are recorded.
type Automatic struct {
	If      any    `json:"if" jsonschema_description:"An expression; true approves."`
	Because string `json:"because" jsonschema:"minLength=1" jsonschema_description:"Why that is enough, for the record."`
}

// OpenedGate is an approval that waits, or doesn't have to.
type OpenedGate struct {
	ID        string        `json:"id"`
	Approval  plan.Approval `json:"approval"`
	Shown     string        `json:"shown,omitempty"`     // digest of what approvers see; decisions are about that
	Automatic string        `json:"automatic,omitempty"` // why it is approved already
	Again     bool          `json:"again,omitempty"`     // it is approved already, by GateInvocation.Said
	Foreseen  bool          `json:"foreseen,omitempty"`  // approvers see what the steps behind would do
}

// CheckGate asks whether what was approved is still what would be done.
type CheckGate struct {
	GateInvocation
	Shown    string        `json:"shown"` // as in OpenedGate
	Approval plan.Approval `json:"approval"`
}

// CheckedGate answers with the digest of what is shown now. If it is another one, the decisions so far count for nothing.
type CheckedGate struct {
	Shown string `json:"shown"`
}

// GateNews is that people are reminded of a gate, or that more of them may decide.
type GateNews struct {
	Task      string          `json:"task"`
	Gate      string          `json:"gate"`
	Step      string          `json:"step"`
	StepName  string          `json:"stepName"`
	Approval  plan.Approval   `json:"approval"`
	Before    []plan.Decision `json:"before,omitempty"`
	Number    int             `json:"number,omitempty"` // of the reminder, from 1
	Requester string          `json:"requester"`
	Shown     string          `json:"shown,omitempty"` // as in OpenedGate
}

// DecideInput asks to verify a decision. Only what the statement proves counts.
type DecideInput struct {
	Task      string          `json:"task"`
	Gate      string          `json:"gate"`
	Step      string          `json:"step,omitempty"`
	Digest    string          `json:"digest"`
	Requester string          `json:"requester"`
	Approval  plan.Approval   `json:"approval"`
	Statement string          `json:"statement"` // compact JWS
	Before    []plan.Decision `json:"before"`
	Shown     string          `json:"shown,omitempty"` // as in OpenedGate
	Late      bool            `json:"late,omitempty"`  // the gate is decided: it is only written down
}

// Decided is a verified decision and what the gate has come to with it.
type Decided struct {
	Decision plan.Decision `json:"decision"`
	Outcome  plan.Outcome  `json:"outcome"`
}

// CloseGate ends an approval.
type CloseGate struct {
	Task    string       `json:"task"`
	Gate    string       `json:"gate"`
	Step    string       `json:"step"`
	Outcome plan.Outcome `json:"outcome"`
	Why     string       `json:"why,omitempty"`
}

// DecideMessageInput carries a decision to the run.
type DecideMessageInput struct {
	Gate      string `json:"gate"`
	Statement string `json:"statement"`
}

// GateID names a gate: the task, the attempt at it and the step.
func GateID(task string, attempt int, step string) string {
	return InAttempt(task, attempt) + "." + step
}
