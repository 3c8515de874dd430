package workflows

import (
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// phase is what a whole run is at, as people search for it.
type phase string

const (
	phaseRunning   phase = "running"
	phaseWaiting   phase = "waiting" // for people
	phasePaused    phase = "paused"  // begins nothing new
	phaseUndoing   phase = "undoing"
	phaseCompleted phase = "completed"
	phaseFailed    phase = "failed"
	phaseCancelled phase = "cancelled"
)

// The search attributes of runs, leases and parts of loops.
var (
	templateKey  = temporal.NewSearchAttributeKeyKeyword("GildwayTemplate")
	requesterKey = temporal.NewSearchAttributeKeyKeyword("GildwayRequester")
	ownerKey     = temporal.NewSearchAttributeKeyKeyword("GildwayOwner")
	phaseKey     = temporal.NewSearchAttributeKeyKeyword("GildwayPhase")
	approversKey = temporal.NewSearchAttributeKeyKeywordList("GildwayApprovers")
)

// publish keeps the search attributes true. One that stays the same costs nothing.
func (r *run) publish(ctx workflow.Context, p phase, approvers []string) {
	var updates []temporal.SearchAttributeUpdate
	if r.phase != p {
		r.phase = p
		updates = append(updates, phaseKey.ValueSet(string(p)))
	}
	if !slices.Equal(r.approvers, approvers) {
		r.approvers = approvers
		if len(approvers) == 0 {
			updates = append(updates, approversKey.ValueUnset())
		} else {
			updates = append(updates, approversKey.ValueSet(approvers))
		}
	}
	if len(updates) == 0 {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes were refused", "error", err)
	}
}

// inherited are the search attributes that a lease, or a part of a loop, takes over from its run.
func inherited(ctx workflow.Context) temporal.SearchAttributes {
	mine := workflow.GetTypedSearchAttributes(ctx)
	var updates []temporal.SearchAttributeUpdate
	for _, key := range []temporal.SearchAttributeKeyKeyword{templateKey, requesterKey, ownerKey} {
		if v, ok := mine.GetKeyword(key); ok {
			updates = append(updates, key.ValueSet(v))
		}
	}
	return temporal.NewSearchAttributes(updates...)
}
