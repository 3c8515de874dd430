package worker

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// journal is the read model of runs. The secrets of a run end with it.
type journal struct {
	*store.Store
	secrets *vault.TaskSecrets
}

// Complete ends the task for everybody to see, and then its secrets, for as long as that takes.
func (j journal) Complete(ctx context.Context, task, status, message string, output json.RawMessage, failure *fault.Error) error {
	if err := j.Store.Complete(ctx, task, status, message, output, failure); err != nil {
		return err
	}
	given, err := j.Store.HasSecrets(ctx, task)
	if err != nil || !given {
		return err
	}
	return j.secrets.Forget(ctx, task)
}
