package plan

import "encoding/json"

// Kept is what became of a step in an earlier attempt at a task. An attempt that goes on where that one failed takes it
// over instead of running the step again.
type Kept struct {
	Step    string          `json:"step"`
	Skipped bool            `json:"skipped,omitempty"` // by its own condition, or its branch was not chosen; an attempt asks again
	Output  json.RawMessage `json:"output,omitempty"`
	Layers  []string        `json:"layers,omitempty"` // what it changed in the workspace, in order
	Branch  string          `json:"branch,omitempty"` // that a switch has chosen
	Said    []Said          `json:"said,omitempty"`   // of an approval: it counts if its approvers are shown the same again
}

// Said is a decision with the statement that proves it.
type Said struct {
	Decision  Decision `json:"decision"`
	Statement string   `json:"statement"` // compact JWS
}
