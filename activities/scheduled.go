package activities

import (
	"github.com/google/uuid"
)

// ScheduledWorkflow is the workflow type of one firing of a schedule: it runs the template, as a task of its own. Temporal makes its
// id of ScheduledID and the time. Its input is ScheduledInput.
const ScheduledWorkflow = "gildway:scheduled"

// FireActivity is an activity of the API beside AcceptActivity: Firing -> plan.Run.
const FireActivity = "gildway:fire"

// ScheduledInput says whose firing it is.
type ScheduledInput struct {
	Schedule string `json:"schedule"`
}

// Firing asks for the task of one time of a schedule.
type Firing struct {
	Schedule string `json:"schedule"`
	Task     string `json:"task"` // the id that the task gets
}

// ScheduledID is the id of a schedule in Temporal.
func ScheduledID(schedule string) string { return "schedule/" + schedule }

// ScheduledTask is the id of the task of one firing, which has one however often it is asked for. It takes the run, too: two that
// people ask for within a second have the same workflow id.
func ScheduledTask(workflow, run string) string {
	return uuid.NewSHA1(scheduledTasks, []byte(workflow+"/"+run)).String()
}

// scheduledTasks keeps the ids apart from other ids that are made of names.
var scheduledTasks = uuid.MustParse("c2f8f1de-7a51-4b0c-8f57-6a3a40d1c6b4")
