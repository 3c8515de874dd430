package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
)

// Registrar takes workflows: a worker, a replayer or a test environment.
type Registrar interface {
	RegisterDynamicWorkflow(w any, options workflow.DynamicRegisterOptions)
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register adds the run workflow, under every type name that is not taken (the type of a run is its
// template's name), and those of leases, rollbacks, parts of long loops, looks at and reviews of what was granted, firings of
// schedules, and looks ahead.
func Register(r Registrar) {
	r.RegisterDynamicWorkflow(Run, workflow.DynamicRegisterOptions{})
	r.RegisterWorkflowWithOptions(Lease, workflow.RegisterOptions{Name: activities.LeaseWorkflow})
	r.RegisterWorkflowWithOptions(Rollback, workflow.RegisterOptions{Name: activities.RollbackWorkflow})
	r.RegisterWorkflowWithOptions(Each, workflow.RegisterOptions{Name: activities.EachWorkflow})
	r.RegisterWorkflowWithOptions(CheckAccess, workflow.RegisterOptions{Name: activities.CheckWorkflow})
	r.RegisterWorkflowWithOptions(Scheduled, workflow.RegisterOptions{Name: activities.ScheduledWorkflow})
	r.RegisterWorkflowWithOptions(ReviewRound, workflow.RegisterOptions{Name: activities.ReviewRoundWorkflow})
	r.RegisterWorkflowWithOptions(Review, workflow.RegisterOptions{Name: activities.ReviewWorkflow})
	r.RegisterWorkflowWithOptions(Rounds, workflow.RegisterOptions{Name: activities.RoundsWorkflow})
	r.RegisterWorkflowWithOptions(Look, workflow.RegisterOptions{Name: activities.LookWorkflow})
}
