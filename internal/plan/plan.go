// Package plan is the intermediate representation of a run: plain, versioned data that the compiler
// writes, the run workflow executes and an auditor can read.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Version is the schema version of the plans that this code writes. It reads every older one. Version 2 added what an older
// worker would get wrong by leaving it out: stages and rules of approvals, reminders, skippable steps.
const Version = 2

// Execution says how the steps of a template follow each other.
type Execution string

const (
	Sequential Execution = "sequential" // one after the other in file order, as Backstage runs v1beta3
	DAG        Execution = "dag"        // a step starts when everything it needs is there
)

// OnFailure says what becomes of the finished steps of a run that fails.
type OnFailure string

const (
	Keep OnFailure = "keep" // they stay, as in Backstage
	Undo OnFailure = "undo" // they are undone in reverse order of completion
)

// Plan is a compiled template. It travels in the workflow's input, so that a later version of the
// template can't change a run under way.
type Plan struct {
	Version   int             `json:"version"`
	Template  Template        `json:"template"`
	Execution Execution       `json:"execution"`
	OnFailure OnFailure       `json:"onFailure"`
	Parallel  int             `json:"parallel"` // at most so many steps run at once
	Steps     []Step          `json:"steps"`    // topological order; file order among equals
	Edges     []Edge          `json:"edges,omitempty"`
	Output    json.RawMessage `json:"output,omitempty"` // as written, with its expressions

	// Children are the templates that its steps run, and that those run, as far as their refs are written down: sorted by
	// ref. They were pinned when the run was submitted, so that what is approved is approved with them.
	Children []Child `json:"children,omitempty"`
}

// Template says which template a plan was compiled from.
type Template struct {
	Ref         string          `json:"ref"` // canonical entity ref, e.g. template:default/nodejs-microservice
	Name        string          `json:"name"`
	APIVersion  string          `json:"apiVersion"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Owner       string          `json:"owner,omitempty"`   // canonical entity ref
	Digest      string          `json:"digest"`            // sha256:<hex> over the template and the files beside it
	Stored      bool            `json:"stored,omitempty"`  // those files are kept under the digest: relative URLs name them
	BaseURL     string          `json:"baseUrl,omitempty"` // what other relative URLs resolve against; of a repository, at a commit
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// Strict reports whether a step fails where one of its expressions has no value. In Backstage's own version of the language
// the expression's text is its value then, and an `if` of that kind is true.
func (t Template) Strict() bool { return t.APIVersion == "scaffolder.backstage.io/v3" }

// Kind tells the workflow who does a step.
type Kind string

const (
	ActionStep Kind = "action" // an activity does it
	GateStep   Kind = "gate"   // people decide it
	SwitchStep Kind = "switch" // it chooses one of its branches
	ChildStep  Kind = "child"  // another template does it, as a task of its own
)

// Step is one node of the graph. Expressions stand in If, Each and Input as written; what they come
// to is evaluated once, when the step is about to start, and recorded.
type Step struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Action string          `json:"action"`
	Kind   Kind            `json:"kind"`
	If     json.RawMessage `json:"if,omitempty"`
	Each   json.RawMessage `json:"each,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`

	Needs     []string `json:"needs,omitempty"`     // ids of the steps that must have ended first
	Workspace Access   `json:"workspace,omitempty"` // what the action does with the workspace
	Local     bool     `json:"local,omitempty"`     // no effect outside the run: a local activity
	Queue     string   `json:"queue,omitempty"`     // task queue of the activity
	Undoable  bool     `json:"undoable,omitempty"`
	Renews    bool     `json:"renews,omitempty"` // renewing its lease takes an activity

	// RunsAfterFailure is true when If calls always() or failure(): the step is considered even if
	// something it needs has failed.
	RunsAfterFailure bool `json:"runsAfterFailure,omitempty"`

	Branches []Branch  `json:"branches,omitempty"` // of a SwitchStep, in the order they are asked
	Branch   *InBranch `json:"branch,omitempty"`   // the step only runs if that branch is chosen

	// Concurrency bounds how many items of Each run at once; 0 = the plan's Parallel. A sequential plan runs them one by one.
	Concurrency int     `json:"concurrency,omitempty"`
	OnError     OnError `json:"onError,omitempty"`
	Skippable   bool    `json:"skippable,omitempty"` // people may go on without it

	Timeout Duration `json:"timeout,omitempty"` // one attempt; 0 = the workflow's default
	Retry   *Retry   `json:"retry,omitempty"`
	Lease   *Lease   `json:"lease,omitempty"`

	Line   int `json:"line,omitempty"` // where the step stands in the template, 1-based
	Column int `json:"column,omitempty"`
}

// Branch is one way to go on. The first whose If is absent or comes to true is chosen.
type Branch struct {
	Name string          `json:"name"`
	If   json.RawMessage `json:"if,omitempty"`
}

// InBranch says which branch of which SwitchStep a step belongs to.
type InBranch struct {
	Switch string `json:"switch"`
	Name   string `json:"name"`
}

// OnError says what the failure of a step means for the run.
type OnError string

const (
	FailRun  OnError = ""         // the run fails
	Continue OnError = "continue" // the run goes on; expressions see steps.<id>.error {kind, message} and no output
)

// Retry bounds the attempts of a step. Final errors (invalid, denied, not found, conflict) are never
// tried again whatever it says.
type Retry struct {
	Attempts int      `json:"attempts,omitempty"` // in total; 0 = the workflow's default
	Interval Duration `json:"interval,omitempty"` // before the second attempt; doubles from there
}

// Lease bounds the life of what a step granted: it is undone when the time is over.
type Lease struct {
	TTL          Duration `json:"ttl"`
	Renewable    bool     `json:"renewable,omitempty"`
	MaxTTL       Duration `json:"maxTtl,omitempty"`
	RemindBefore Duration `json:"remindBefore,omitempty"`

	// Approvers are canonical user and group refs. If there are any, one of them renews, and never the requester;
	// else the requester or the template's owner does.
	Approvers []string `json:"approvers,omitempty"`
}

// Access is what an action does with the workspace.
type Access string

const (
	NoAccess Access = ""
	Reads    Access = "read"
	Writes   Access = "write" // reads too
)

// Reason says why one step waits for another.
type Reason string

const (
	Data      Reason = "data"      // an expression names the other's output
	Order     Reason = "order"     // `needs` says so
	Workspace Reason = "workspace" // both touch the same files
	Gate      Reason = "gate"      // the other is an approval
	Sequence  Reason = "sequence"  // the template runs one step after the other
)

// Edge is one reason for one step to wait for another.
type Edge struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"` // e.g. the reference steps.publish.output.remoteUrl
}

// Action is what the compiler has to know of an action.
type Action struct {
	ID          string          `json:"id"`
	Description string          `json:"description"`
	Examples    []Example       `json:"examples,omitempty"`
	Input       json.RawMessage `json:"input"`  // JSON Schema
	Output      json.RawMessage `json:"output"` // JSON Schema
	Kind        Kind            `json:"kind"`
	Workspace   Access          `json:"workspace,omitempty"`
	PathInputs  []PathInput     `json:"pathInputs,omitempty"` // which inputs name the workspace paths that are touched; none = the whole workspace
	Local       bool            `json:"local,omitempty"`
	Queue       string          `json:"queue,omitempty"`
	Undoable    bool            `json:"undoable,omitempty"`
	Renews      bool            `json:"renews,omitempty"` // what it grants has an end of its own, which it can put off
	Checks      bool            `json:"checks,omitempty"` // it gives people access, and can see if they still have it
	WhyNoUndo   string          `json:"whyNoUndo,omitempty"`
	DryRun      bool            `json:"dryRun,omitempty"`   // a dry run really runs it: it has no effect outside workspace and log
	Preview     bool            `json:"preview,omitempty"`  // it can say what it would do
	Foresees    bool            `json:"foresees,omitempty"` // and look at what it would meet

	// Valid says what is wrong with an input that fits the schema, as far as it is known: a value between < and > stands for
	// one that isn't. nil: nothing can be.
	Valid func(input json.RawMessage) error `json:"-"`
}

// PathInput names an input that holds a workspace path, and the path when it is absent.
type PathInput struct {
	Name    string `json:"name"`
	Default string `json:"default"`
}

// Example shows an action in use; YAML is a document with a top-level `steps` list.
type Example struct {
	Description string `json:"description"`
	YAML        string `json:"example"`
}

// Run is the input of the run workflow: a plan and what it is run with.
type Run struct {
	Task      string          `json:"task"`
	Plan      Plan            `json:"plan"`
	Values    json.RawMessage `json:"values"`
	Requester Person          `json:"requester"`
	Submitted time.Time       `json:"submitted"`
	Secrets   []string        `json:"secrets,omitempty"` // the names of the secrets given; their values stay in Vault
	Attempt   int             `json:"attempt,omitempty"` // how often the task was retried after it had ended
	Kept      []Kept          `json:"kept,omitempty"`    // of an attempt that goes on where an earlier one failed: what it takes over from there
	Parent    *Parent         `json:"parent,omitempty"`  // nil: somebody has submitted it
}

// Person is who asks: the entity ref and, when the catalog knows them, the entity.
type Person struct {
	Ref    string          `json:"ref,omitempty"`
	Entity json.RawMessage `json:"entity,omitempty"`
}

// Digest names what an approver says yes to: the plan and the values it runs with. Two runs share a
// digest only if they would do the same.
func (r Run) Digest() string {
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	// Plan holds only JSON-encodable fields, and a hash never fails to write.
	_ = enc.Encode(r.Plan)
	_ = enc.Encode(canonical(r.Values))
	_ = enc.Encode(r.Requester.Ref)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// canonical decodes JSON so that encoding it again sorts the keys; what is not JSON stays as it is.
func canonical(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return v
}

// Step finds a step by id.
func (p Plan) Step(id string) (Step, bool) {
	for _, s := range p.Steps {
		if s.ID == id {
			return s, true
		}
	}
	return Step{}, false
}
