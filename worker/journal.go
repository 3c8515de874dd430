package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// Journal is the read model of runs.
type Journal struct{ *store.Store }

// journal is the one of a worker: the secrets of an attempt end with it.
type journal struct {
	Journal
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

// CallWaits implements run.Journal.
func (j Journal) CallWaits(ctx context.Context, in activities.Invocation, tries int, why string, next time.Time) error {
	return j.Store.CallWaits(ctx, store.Wait{
		Task: in.Run.Task, Attempt: in.Run.Attempt, Step: in.Step, Iteration: in.Iteration, Tries: tries, Why: why, Next: next,
	})
}

// EffectBegins implements run.Journal.
func (j Journal) EffectBegins(ctx context.Context, task, key string, e activities.Effect) error {
	call, err := json.Marshal(e.Call)
	if err != nil {
		return err
	}
	return j.Store.EffectBegins(ctx, store.Effect{Key: key, Task: task, Step: e.Call.Step, Action: e.Action, Queue: e.Queue, Call: call})
}

// mostEffects bounds what one rollback takes back; a loop of more items than that needs several.
const mostEffects = 10_000

// Effects implements run.Journal.
func (j Journal) Effects(ctx context.Context, task string) ([]activities.Effect, error) {
	found, err := j.Store.Effects(ctx, store.EffectFilter{Task: task, Limit: mostEffects})
	if err != nil {
		return nil, err
	}
	list := make([]activities.Effect, len(found))
	for i, e := range found {
		if list[i], err = effectOf(e); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// EffectOf implements run.Journal.
func (j Journal) EffectOf(ctx context.Context, key string) (e activities.Effect, found bool, err error) {
	list, err := j.Store.Effects(ctx, store.EffectFilter{Key: key, Limit: 1})
	if err != nil || len(list) == 0 {
		return e, false, err
	}
	e, err = effectOf(list[0])
	return e, true, err
}

func effectOf(e store.Effect) (activities.Effect, error) {
	effect := activities.Effect{Action: e.Action, Queue: e.Queue, Output: e.Output}
	return effect, json.Unmarshal(e.Call, &effect.Call)
}

// LetGo implements activities.Holds.
func (j Journal) LetGo(ctx context.Context, resource, key string) (activities.Holding, error) {
	h, err := j.Store.LetGo(ctx, resource, key)
	return activities.Holding(h), err
}
