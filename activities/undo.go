package activities

import (
	"encoding/json"
	"time"
)

// UndoActivity is the activity type that undoes an action.
func UndoActivity(action string) string { return action + ".undo" }

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
