package activities

import (
	"encoding/json"

	"github.com/gildway/gildway/internal/plan"
)

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
