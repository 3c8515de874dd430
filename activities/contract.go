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

// Outcome is what an action's activity gives back.
type Outcome struct {
	Output json.RawMessage `json:"output"`          // an object
	Layer  string          `json:"layer,omitempty"` // digest of what it changed in the workspace
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
