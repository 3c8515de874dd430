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

// How much a page of effects holds: an answer of an activity has 2 MiB at the most.
const (
	effectsPage      = 100
	largestPage      = 1 << 20
	mostEffectsAtAll = 10_000 // in one answer to a workflow that began before there were pages
)

// EffectsPage implements run.Journal.
func (j Journal) EffectsPage(ctx context.Context, q activities.EffectsQuery) (page activities.EffectsPage, err error) {
	from := store.EffectCursor{}
	if q.After != nil {
		from = store.EffectCursor(*q.After)
	}
	found, last, err := j.Store.EffectsAfter(ctx, q.Task, from, effectsPage)
	if err != nil {
		return page, err
	}
	size, more := 0, len(found) == effectsPage
	for i, e := range found {
		if size += len(e.Call) + len(e.Output); size > largestPage && i > 0 {
			last.Done, last.Seq, more = found[i-1].DoneAt, found[i-1].Seq, true
			break
		}
		effect, err := effectOf(e)
		if err != nil {
			return page, err
		}
		page.Effects = append(page.Effects, effect)
	}
	if more {
		next := activities.EffectCursor(last)
		page.Next = &next
	}
	return page, nil
}

// Effects implements run.Journal.
func (j Journal) Effects(ctx context.Context, task string) ([]activities.Effect, error) {
	found, err := j.Store.Effects(ctx, store.EffectFilter{Task: task, Limit: mostEffectsAtAll})
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
