package activities

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/plan"
)

// RunTemplate is the action that runs another template as a task of its own. The activity of that name only says what is
// asked for; AcceptActivity makes a task of it, and the workflow of that task is a child of the run's.
const RunTemplate = "template:run"

// AcceptActivity is an activity of the API, which alone accepts tasks: AskedRun -> plan.Run. AcceptQueue is where it listens.
const (
	AcceptActivity = "gildway:accept"
	AcceptQueue    = "gildway-accept"
)

// AskedRun is a run that a step asks for.
type AskedRun struct {
	Parent   plan.Parent     `json:"parent"` // without its ancestors: whoever accepts looks them up
	Task     string          `json:"task"`   // the id that the new task gets
	Template string          `json:"template"`
	Values   json.RawMessage `json:"values"`
}

// ChildOutput is the output of RunTemplate.
type ChildOutput struct {
	Task     string          `json:"task" jsonschema_description:"Id of the task that was run."`
	Template string          `json:"template" jsonschema_description:"Ref of the template."`
	Values   json.RawMessage `json:"values,omitempty" jsonschema:"-"` // only until the task is accepted
	Output   json.RawMessage `json:"output,omitempty" jsonschema:"type=object" jsonschema_description:"What the template gave: its spec.output."`
}

// AttemptMemo says in a workflow's memo which attempt at the task it is; none is the first.
const AttemptMemo = "gildwayAttempt"

// ChildTask is the id of the task that a call of RunTemplate runs: the same in every attempt.
func ChildTask(key string) string { return uuid.NewSHA1(childTasks, []byte(key)).String() }

// childTasks keeps the ids apart from other ids that are made of names.
var childTasks = uuid.MustParse("1bb4f3a5-6a3f-4f0e-9d0b-7f6f2a1c9e11")
