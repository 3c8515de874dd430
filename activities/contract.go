package activities

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/gildway/gildway/internal/plan"
)

// Names of the activities that every run uses, beside those named after their action.
const (
	EvaluateActivity      = "gildway:evaluate"       // local; EvaluateInput -> Evaluated
	OutputsActivity       = "gildway:outputs"        // local; OutputsInput -> Outputs
	RecordActivity        = "gildway:record"         // local; Record -> nothing
	OpenGateActivity      = "approval:request"       // GateInvocation -> OpenedGate
	CheckGateActivity     = "gildway:check-gate"     // CheckGate -> CheckedGate
	ItemsActivity         = "gildway:items"          // local; Chunk -> []ItemKey
	GatherActivity        = "gildway:gather"         // local; GatherInput -> Gathered
	DecideActivity        = "gildway:decide"         // DecideInput -> Decided
	RemindGateActivity    = "gildway:remind-gate"    // local; GateNews -> nothing
	EscalateGateActivity  = "gildway:escalate-gate"  // local; GateNews -> nothing
	CloseGateActivity     = "gildway:close-gate"     // local; CloseGate -> nothing
	OpenLeaseActivity     = "gildway:open-lease"     // local; LeaseRecord -> nothing
	CloseLeaseActivity    = "gildway:close-lease"    // local; LeaseEnded -> nothing
	RemindLeaseActivity   = "gildway:remind-lease"   // local; LeaseReminder -> nothing
	VerifyRenewalActivity = "gildway:verify-renewal" // RenewalClaim -> who renews
	RenewedActivity       = "gildway:renewed"        // local; LeaseRenewed -> nothing
	EffectsActivity       = "gildway:effects"        // task -> []Effect, in the order to undo them; of workflows that began before there were pages
	EffectsPageActivity   = "gildway:effects-page"   // EffectsQuery -> EffectsPage
	LeftoverActivity      = "gildway:leftover"       // Leftover -> nothing
	AttemptActivity       = "gildway:attempt"        // local; Attempt -> bool: nothing is left to do
)

// Task queues. A provider has its own, so that its rate limit holds back nobody else.
const (
	MainQueue    = "gildway"
	GitHubQueue  = "gildway-github"
	OktaQueue    = "gildway-okta"
	VaultQueue   = "gildway-vault"
	ITSMQueue    = "gildway-itsm"
	CatalogQueue = "gildway-catalog"
)

// UndoActivity is the activity type that undoes an action.
func UndoActivity(action string) string { return action + ".undo" }

// RenewActivity is the activity type that prolongs what an action granted with an end of its own: UndoInvocation,
// whose LeaseEnds is the new end, -> the new output.
func RenewActivity(action string) string { return action + ".renew" }

// ForeseeActivity is the activity type that looks at what an action would meet: Invocation -> Foreseen.
func ForeseeActivity(action string) string { return action + ".foresee" }

// LookWorkflow is the workflow type that has an action foresee for a dry run, which has no credentials of its own: Look is
// its input, Foreseen its result.
const LookWorkflow = "gildway:look"

// Look asks what a call would meet.
type Look struct {
	Action string     `json:"action"`
	Queue  string     `json:"queue"`
	Call   Invocation `json:"call"`
}

// ID is the id of the workflow that looks.
func (l Look) ID() string { return "look/" + l.Call.Key() }

// Foreseen is what a call would meet.
type Foreseen struct {
	Met   []string `json:"met,omitempty"`   // a sentence each: "find kim in the group already"
	Fails string   `json:"fails,omitempty"` // why it would fail
}

// RunInfo is what of a run every activity is told.
type RunInfo struct {
	Task      string          `json:"task"`
	Template  plan.Template   `json:"template"`
	Requester plan.Person     `json:"requester"`
	Values    json.RawMessage `json:"values,omitempty"`  // for evaluation only
	Secrets   bool            `json:"secrets,omitempty"` // it was submitted with secrets: whatever is said is searched for them
	Attempt   int             `json:"attempt,omitempty"` // how often the task was retried
}

// Attempt is one run of a task.
type Attempt struct {
	Task   string `json:"task"`
	Number int    `json:"number"` // 0 is the first
}

// This is the attempt that the run is.
func (r RunInfo) This() Attempt { return Attempt{r.Task, r.Attempt} }

// InAttempt makes the key of what happens once in each attempt at a task. Effects have no such key: a later attempt
// adopts what an earlier one made.
func InAttempt(key string, attempt int) string {
	if attempt == 0 {
		return key
	}
	return key + "@" + strconv.Itoa(attempt)
}

// Scope is what expressions can see beside the run itself.
type Scope struct {
	Steps  map[string]json.RawMessage `json:"steps,omitempty"` // id -> {"output": …} of every step that ran
	Failed bool                       `json:"failed,omitempty"`
}

// EvaluateInput asks what a step's `if`, `each` and `input` come to.
type EvaluateInput struct {
	Run   RunInfo   `json:"run"`
	Step  plan.Step `json:"step"`
	Scope Scope     `json:"scope"`
}

// Evaluated is what they came to. It stands in history, so that it never changes for this run.
type Evaluated struct {
	Skip           bool   `json:"skip,omitempty"`
	CheckedFailure bool   `json:"checkedFailure,omitempty"` // `if` called always() or failure(): an earlier failure does not skip the step
	Looped         bool   `json:"looped,omitempty"`         // the step has `each`
	Items          []Item `json:"items,omitempty"`          // one without `each`
	Branch         string `json:"branch,omitempty"`         // of a switch: the branch chosen, "" if none is

	// Says is, of a loop none of whose items run, what the log says after "Beginning step": Record.Says of StepBegan.
	Says []string `json:"says,omitempty"`

	// Chunks stand instead of Items when there are more than an event of the history should hold.
	Chunks []Chunk `json:"chunks,omitempty"`
}

// Chunk is a part of a long loop. Its items stand in a blob whose digest, their content, history holds.
type Chunk struct {
	Blob  string `json:"blob"`  // sha256:<hex> of a JSON array of Item
	First int    `json:"first"` // number of the first item, from 0
	Count int    `json:"count"`
}

// ItemKey is what the workflow knows of an item in a chunk.
type ItemKey struct {
	Key  string `json:"key"`
	Skip bool   `json:"skip,omitempty"`
}

// InBlob is a value in a blob that holds a JSON array.
type InBlob struct {
	Blob  string `json:"blob"`
	Index int    `json:"index"`
}

// GatherInput asks to put together what the items of a loop gave: outcomes of calls, or parts that were gathered
// before, in the order of the loop.
type GatherInput struct {
	Outcomes []Outcome  `json:"outcomes,omitempty"`
	Parts    []Gathered `json:"parts,omitempty"`
	Keep     bool       `json:"keep,omitempty"` // store the outcomes for undo
}

// Gathered is what a loop, or a part of one, gave.
type Gathered struct {
	Output   json.RawMessage `json:"output"`             // for every output name the array of what the items gave; may be a BlobRef
	Layer    string          `json:"layer,omitempty"`    // one workspace layer that does what those of the items do
	Outcomes string          `json:"outcomes,omitempty"` // blob of a JSON array of Outcome, if they were to be kept
}

// BlobRef stands for a JSON value too large for history: {"$gildway:blob":"sha256:<hex>"}. Whoever evaluates
// expressions or shows outputs puts the value in its place.
const BlobRef = "$gildway:blob"

// Item is one iteration of a step, or the step itself.
type Item struct {
	Key   string          `json:"key,omitempty"` // each.key
	Skip  bool            `json:"skip,omitempty"`
	Says  []string        `json:"says,omitempty"`  // what the log says of the iteration before the action does: Invocation.Says
	Input json.RawMessage `json:"input,omitempty"` // strings that mention secrets still hold their expression; may be a BlobRef
}

// Invocation is the input of an action's activity.
type Invocation struct {
	Run       RunInfo         `json:"run"`
	Step      string          `json:"step"`
	StepName  string          `json:"stepName"`
	Iteration string          `json:"iteration,omitempty"` // each.key
	Says      []string        `json:"says,omitempty"`      // Item.Says
	Input     json.RawMessage `json:"input,omitempty"`
	Item      *InBlob         `json:"item,omitempty"`   // where the Item with the input stands, if not in Input
	Layers    []string        `json:"layers,omitempty"` // workspace layers this step sees, oldest first
	LeaseEnds *time.Time      `json:"leaseEnds,omitempty"`
	Again     int             `json:"again,omitempty"` // how often people had it tried anew
	First     bool            `json:"first,omitempty"` // says "Beginning step"
	Last      bool            `json:"last,omitempty"`  // says "Finished step"; false for all but the last of a loop
}

// Key is the idempotency key of the effect: task/step/iteration.
func (i Invocation) Key() string {
	k := i.Run.Task + "/" + i.Step
	if i.Iteration != "" {
		k += "/" + i.Iteration
	}
	return k
}

// LeaseID is the id of the workflow that ends the effect of a call: one for every effect.
func LeaseID(call Invocation) string { return "lease/" + call.Key() }

// Outcome is what an action's activity gives back.
type Outcome struct {
	Output json.RawMessage `json:"output"`          // an object
	Layer  string          `json:"layer,omitempty"` // digest of what it changed in the workspace
}

// UndoInvocation is the input of an action's undo activity.
type UndoInvocation struct {
	Invocation
	Output json.RawMessage `json:"output,omitempty"`
	From   *InBlob         `json:"from,omitempty"`  // where the Outcome with the output stands, if not in Output
	Why    string          `json:"why"`             // shown to people: "the run failed: …", "the lease ended"
	Force  bool            `json:"force,omitempty"` // also what is no longer only ours, such as a repository with new work in it
}

// Effect is a call that has changed something, or may have, and is not undone.
type Effect struct {
	Action string          `json:"action"`
	Queue  string          `json:"queue"`
	Call   Invocation      `json:"call"`
	Output json.RawMessage `json:"output,omitempty"` // nil: nobody knows what it did
}

// EffectsQuery asks for what a task has done and not undone, in the order to undo it.
type EffectsQuery struct {
	Task  string        `json:"task"`
	After *EffectCursor `json:"after,omitempty"` // Next of the page before
}

// EffectsPage is a part of that.
type EffectsPage struct {
	Effects []Effect      `json:"effects,omitempty"`
	Next    *EffectCursor `json:"next,omitempty"` // nil: there are no more
}

// EffectCursor is a place among the effects of a task. What is undone or done meanwhile does not shift it.
type EffectCursor struct {
	Done  *time.Time `json:"done,omitempty"` // when the last one seen ended; nil if nobody knows that
	Seq   int64      `json:"seq"`            // of the last one seen
	Until int64      `json:"until"`          // the last one that there was when the first page was asked for
}

// Leftover is an effect that could not be undone: somebody has to look at it.
type Leftover struct {
	Call    Invocation `json:"call"`
	Problem string     `json:"problem"`
	Of      string     `json:"of"` // execution that tried; the same again is told once
}

// RollbackWorkflow is the workflow type that undoes what a task has done, RollbackInput its input, RolledBack its result.
const RollbackWorkflow = "gildway:rollback"

// RollbackID is the id of the workflow that undoes a task.
func RollbackID(task string) string { return "rollback/" + task }

// RollbackInput asks for everything that a task has done to be undone.
type RollbackInput struct {
	Task  string `json:"task"`
	By    string `json:"by"` // canonical ref of who asked
	Why   string `json:"why,omitempty"`
	Force bool   `json:"force,omitempty"`

	After *EffectCursor `json:"after,omitempty"` // where the execution before has come to
	SoFar RolledBack    `json:"soFar,omitzero"`  // and what has become of that
}

// RolledBack tells what became of that.
type RolledBack struct {
	Undone int      `json:"undone"`
	Left   []string `json:"left,omitempty"` // what could not be undone, and why
	More   int      `json:"more,omitempty"` // how much else could not be undone
}

// OutputsInput asks for the run's outputs.
type OutputsInput struct {
	Run    RunInfo         `json:"run"`
	Output json.RawMessage `json:"output,omitempty"`
	Scope  Scope           `json:"scope"`
}

// Outputs are the rendered outputs of a run.
type Outputs struct {
	Output json.RawMessage `json:"output"`
}

// RecordKind is something that happened to a run and that people are told.
type RecordKind string

const (
	RunStarted    RecordKind = "run-started"
	StepSkipped   RecordKind = "step-skipped"
	StepFailed    RecordKind = "step-failed"
	StepUndone    RecordKind = "step-undone"
	UndoFailed    RecordKind = "undo-failed"
	RunCompleted  RecordKind = "run-completed"
	RunFailed     RecordKind = "run-failed"
	RunCancelled  RecordKind = "run-cancelled"  // cancel was asked for
	StepCompleted RecordKind = "step-completed" // for steps that no action activity finishes: gates and empty loops
	StepBegan     RecordKind = "step-began"
	RunPaused     RecordKind = "run-paused"
	RunResumed    RecordKind = "run-resumed"

	StepOverridden RecordKind = "step-overridden" // people want something else of a step than what it is at
)

// Record tells the read model what happened. The same record twice is one.
type Record struct {
	Task    string     `json:"task"`
	Attempt int        `json:"attempt,omitempty"`
	Kind    RecordKind `json:"kind"`
	Step    string     `json:"step,omitempty"`
	Name    string     `json:"name,omitempty"` // the step's name
	Message string     `json:"message,omitempty"`
	Says    []string   `json:"says,omitempty"`  // step-began: lines that follow
	Error   string     `json:"error,omitempty"` // kind of the fault
	Named   string     `json:"named,omitempty"` // the fault's Name, if it has one

	Continues  bool            `json:"continues,omitempty"`  // step-failed: the run goes on, because of onError
	Additional bool            `json:"additional,omitempty"` // step-failed: the run had failed before
	Output     json.RawMessage `json:"output,omitempty"`
	Steps      int             `json:"steps,omitempty"`     // run-started: how many there are
	Number     int             `json:"number,omitempty"`    // run-paused, run-resumed, step-overridden: how often
	Iteration  string          `json:"iteration,omitempty"` // step-overridden: which item, if one
}

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

// LeaseRecord tells the read model about a grant with an end.
type LeaseRecord struct {
	ID        string          `json:"id"`
	Task      string          `json:"task"`
	Step      string          `json:"step"`
	Action    string          `json:"action"`
	Requester string          `json:"requester"`
	Template  string          `json:"template"`
	Expires   time.Time       `json:"expires"`
	Output    json.RawMessage `json:"output,omitempty"`

	Lease *plan.Lease `json:"lease,omitempty"` // what it allows; nil in leases of older releases
}

// LeaseEnded tells the read model how a grant ended: expired or revoked.
type LeaseEnded struct {
	ID    string    `json:"id"`
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// LeaseWorkflow is the workflow type of a lease, LeaseInput its input, and "lease/<task>/<step>[/<iteration>]" its id.
const LeaseWorkflow = "gildway:lease"

// LeaseInput is a grant that ends by itself.
type LeaseInput struct {
	ID      string         `json:"id"`
	Lease   plan.Lease     `json:"lease"`
	Expires time.Time      `json:"expires"`
	Queue   string         `json:"queue"`
	Undo    UndoInvocation `json:"undo"`
	Action  string         `json:"action"`

	Granted  *time.Time `json:"granted,omitempty"`  // the first time; leases of older releases, without it, remind nobody
	Renews   bool       `json:"renews,omitempty"`   // the action has something to do when the lease is renewed
	Reminded *time.Time `json:"reminded,omitempty"` // the end that people were reminded of
}

// LeaseReminder tells people that access ends soon.
type LeaseReminder struct {
	ID        string        `json:"id"`
	Task      string        `json:"task"`
	StepName  string        `json:"stepName"`
	Template  plan.Template `json:"template"`
	Requester string        `json:"requester"`
	Expires   time.Time     `json:"expires"`
	Lease     plan.Lease    `json:"lease"`
	Last      bool          `json:"last,omitempty"` // it can't be renewed
}

// RenewLease is the argument of the update `renew`.
type RenewLease struct {
	Statement string `json:"statement"` // compact JWS; its digest is RenewalOf the lease's present end
}

// RenewedLease is what it answers.
type RenewedLease struct {
	Expires time.Time `json:"expires"`
}

// RenewalOf is what a statement that renews a lease is about: one end of it, as Postgres keeps it, so that it renews once.
func RenewalOf(expires time.Time) string {
	return "renews " + expires.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// RenewVerdict is the verdict of such a statement. It is none that a gate takes.
const RenewVerdict = "renew"

// RenewalClaim asks who renews a lease, and whether they may.
type RenewalClaim struct {
	ID        string     `json:"id"`
	Task      string     `json:"task"`
	Requester string     `json:"requester"`
	Owner     string     `json:"owner,omitempty"` // of the template
	Lease     plan.Lease `json:"lease"`
	Expires   time.Time  `json:"expires"`
	Statement string     `json:"statement"`
}

// LeaseRenewed tells the read model that a grant lasts longer.
type LeaseRenewed struct {
	ID      string          `json:"id"`
	Task    string          `json:"task"`
	Step    string          `json:"step"`
	By      string          `json:"by"`
	Before  time.Time       `json:"before"`
	Expires time.Time       `json:"expires"`
	Output  json.RawMessage `json:"output,omitempty"` // if the action gave another one
}

// EachWorkflow is the workflow type of a part of a long loop, EachInput its input and EachResult its result.
// Its id is "<task>/<step>/each/<number of its first item>", with "/undo" behind it when it takes back.
const EachWorkflow = "gildway:each"

// EachInput asks to do the items of a chunk, or to take back what was done of them.
type EachInput struct {
	Run         RunInfo   `json:"run"`
	Step        plan.Step `json:"step"` // what it takes to call the action: neither If, Each, Input nor Needs
	Chunk       Chunk     `json:"chunk"`
	OneByOne    bool      `json:"oneByOne,omitempty"` // each item sees the workspace that the one before it left
	Concurrency int       `json:"concurrency"`        // at most so many items at once; no matter if OneByOne
	Layers      []string  `json:"layers,omitempty"`   // the workspace that the chunk sees, oldest first
	Version     int       `json:"version,omitempty"`  // of the plan; 0 in runs of older releases
	Undo        *EachUndo `json:"undo,omitempty"`     // take back instead
}

// EachUndo says what of a chunk was done.
type EachUndo struct {
	Done     []int  `json:"done"`           // as in EachResult
	Outcomes string `json:"outcomes"`       // blob of the outcomes of Done, in the order of the loop
	Lost     []int  `json:"lost,omitempty"` // as in EachResult
	Why      string `json:"why"`
}

// EachResult is what became of a chunk. An item that fails is no failure of the workflow, so that what the
// others did is known.
type EachResult struct {
	Gathered
	Done     []int       `json:"done,omitempty"`     // what can be undone: places in the chunk, in order of completion
	Lost     []int       `json:"lost,omitempty"`     // what failed and may have done something all the same: places in the chunk
	Failure  *EachFailed `json:"failure,omitempty"`  // of the first item that failed; of an undo: none
	Left     int         `json:"left,omitempty"`     // how many could not be undone
	Problems []string    `json:"problems,omitempty"` // why, the first few
}

// EachFailed is a fault as history holds it.
type EachFailed struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Name    string `json:"name,omitempty"`
}

// Names of the messages a run understands.
const (
	DecideMessage        = "decide"          // update and signal; argument DecideMessageInput
	CancelMessage        = "cancel"          // signal; argument: reason
	PauseMessage         = "pause"           // signal; argument: why, with who
	ResumeMessage        = "resume"          // signal; argument: who
	CancelAndUndoMessage = "cancel-and-undo" // signal; argument: reason
	RevokeMessage        = "revoke"          // signal to a lease; argument: reason
	RenewMessage         = "renew"           // update to a lease; argument RenewLease
	ReviewMessage        = "review"          // update to an access review; argument DecideReview
	StateQuery           = "state"
	ResultsQuery         = "results" // []plan.Kept: what a later attempt could take over
)

// Names of the messages between a run, the parts of its long loops, and their leases.
const (
	StopMessage          = "stop"            // signal to a part of a loop: what is under way finishes, nothing new begins
	RevokeAndTellMessage = "revoke-and-tell" // signal to a lease; argument RevokeAndTell
	LeaseEndedMessage    = "lease-ended"     // signal to whoever asked to be told; argument LeaseReport
)

// RevokeAndTell ends a lease, and asks it to tell a workflow when the grant is gone.
type RevokeAndTell struct {
	Why  string `json:"why"`
	Tell string `json:"tell"` // workflow id
}

// LeaseReport says how a lease ended.
type LeaseReport struct {
	ID      string `json:"id"`
	Problem string `json:"problem,omitempty"` // why the grant was left alone
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
