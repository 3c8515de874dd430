package worker

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// journal is the read model of runs. The secrets of an attempt end with it.
type journal struct {
	*store.Store
	secrets *vault.TaskSecrets
}

// Complete ends the attempt for everybody to see, and then its secrets, for as long as that takes.
func (j journal) Complete(ctx context.Context, task string, attempt int, status, message string, output json.RawMessage, failure *fault.Error) error {
	if err := j.Store.Complete(ctx, task, attempt, status, message, output, failure); err != nil {
		return err
	}
	given, err := j.Store.HasSecrets(ctx, task, attempt)
	if err != nil || !given {
		return err
	}
	return j.secrets.Forget(ctx, activities.InAttempt(task, attempt))
}
