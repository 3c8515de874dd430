// Package child runs other templates: a step of a run becomes a task of its own.
package child

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Input is the input of template:run.
type Input struct {
	Template string         `json:"template" jsonschema:"minLength=1" jsonschema_description:"Ref of the template, e.g. template:default/nodejs-microservice. Written down, it means the version of when the run was submitted; as an expression, the one of when the step begins."`
	Values   map[string]any `json:"values,omitempty" jsonschema_description:"What the form of the template asks for. Secrets can't be passed on."`
}

// Rollbacks undo what tasks have done.
type Rollbacks interface {
	// Rollback undoes a task and gives what became of that. A task that goes on is told to stop first. An Unavailable fault
	// means that it takes longer, and that the same call again goes on.
	Rollback(ctx context.Context, in activities.RollbackInput) (activities.RolledBack, error)
}

// Config is where templates are run.
type Config struct {
	Rollbacks Rollbacks
	PublicURL string // of the API, for links
}

// largestValues bounds in bytes what a step passes on: history holds it several times.
const largestValues = 64 << 10

// Actions declares template:run.
func Actions(c Config) []activities.Action {
	return []activities.Action{activities.Define(activities.Spec[Input, activities.ChildOutput]{
		ID: activities.RunTemplate,
		Description: "Runs another template as a task of its own, with its own approvals, in the name of the requester, who must be allowed to run it. " +
			"The step ends when that task does, and fails with it. Undo rolls the task back.",
		Kind: plan.ChildStep,
		Examples: []plan.Example{{Description: "A database for a new service", YAML: `steps:
  - id: database
    name: Create the database
    action: template:run
    input:
      template: template:default/postgres-database
      values:
        name: ${{ parameters.name }}
        size: small
  - id: tell
    name: Say where it is
    action: debug:log
    input:
      message: ${{ steps.database.output.output.host }}
`}},
		Do:      c.ask,
		Undo:    c.undo,
		Preview: preview,
	})}
}

// ask says what is to be run. It becomes a task only when it is accepted.
func (c Config) ask(_ context.Context, call *activities.Call, in Input) (activities.ChildOutput, error) {
	out, err := asked(call, in)
	if err == nil {
		call.Log("Runs %s as task %s: %s", out.Template, out.Task, c.PublicURL+"/api/gildway/v1/tasks/"+out.Task)
	}
	return out, err
}

func asked(call *activities.Call, in Input) (out activities.ChildOutput, err error) {
	ref, err := plan.ParseEntityRef(in.Template, "template")
	if err != nil {
		return out, fault.Wrap(fault.Invalid, err, "template: %s", err)
	}
	if ref.Kind != "template" {
		return out, fault.New(fault.Invalid, "template: %s is no template", ref)
	}
	values, err := json.Marshal(in.Values)
	if err != nil {
		return out, fault.Wrap(fault.Invalid, err, "values can't be written as JSON")
	}
	var written struct {
		Values json.RawMessage `json:"values"`
	}
	if json.Unmarshal(call.Input, &written) == nil && len(written.Values) > 0 { // with its numbers and keys as they came
		values = written.Values
	}
	if in.Values == nil {
		values = json.RawMessage("{}")
	}
	if len(values) > largestValues {
		return out, fault.New(fault.Invalid, "the values for %s have %d bytes; a step passes on %d at most", ref, len(values), largestValues)
	}
	return activities.ChildOutput{Task: activities.ChildTask(call.Key), Template: ref.String(), Values: values}, nil
}

func preview(_ context.Context, call *activities.Call, in Input) (activities.Preview[activities.ChildOutput], error) {
	out, err := asked(call, in)
	if err != nil {
		return activities.Preview[activities.ChildOutput]{}, err
	}
	would := "run " + out.Template + " as a task of its own with " + string(out.Values)
	out.Values = nil
	return activities.Preview[activities.ChildOutput]{Would: []string{would}, Output: out}, nil
}

// undo rolls the task back, whether or not the step knows how it ended.
func (c Config) undo(ctx context.Context, call *activities.Call, _ Input, _ activities.ChildOutput, why string) error {
	task := activities.ChildTask(call.Key)
	result, err := c.Rollbacks.Rollback(ctx, activities.RollbackInput{
		Task: task, By: call.Run.Requester.Ref, Why: "step " + call.Step + " of task " + call.Run.Task + " is undone: " + why, Force: call.Force,
	})
	if err != nil {
		return err
	}
	if len(result.Left) > 0 {
		return fault.New(fault.Conflict, "task %s left something behind: %s", task, strings.Join(result.Left, "; "))
	}
	return nil
}
