package dryrun

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

// journal keeps in memory, for as long as a dry run takes, what a run writes to the read model.
type journal struct {
	mu          sync.Mutex
	keys        map[string]bool
	lines       []Line
	size        int
	checkpoints map[string]json.RawMessage
}

func (j *journal) Log(_ context.Context, _, key, step, status, message string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.keys[key] {
		return nil
	}
	if j.size += len(message) + len(key); j.size > logLimit {
		return fault.New(fault.Invalid, "the log of a dry run holds %d MiB at most", logLimit>>20)
	}
	j.keys[key] = true
	j.lines = append(j.lines, Line{step, status, message})
	return nil
}

func (j *journal) LoadCheckpoint(_ context.Context, key, name string) (json.RawMessage, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	value, found := j.checkpoints[key+"\x00"+name]
	return value, found, nil
}

func (j *journal) SaveCheckpoint(_ context.Context, key, name string, value json.RawMessage) (json.RawMessage, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if saved, found := j.checkpoints[key+"\x00"+name]; found {
		return saved, nil
	}
	j.checkpoints[key+"\x00"+name] = value
	return value, nil
}

// A dry run has no task whose status could change, and nothing of it is audited.

func (j *journal) SetStatus(context.Context, string, int, string) error { return nil }

func (j *journal) RequestCancel(context.Context, string, int, string) error { return nil }

func (j *journal) AttemptIsOver(context.Context, string, int) (bool, error) { return false, nil }

// A dry run has no effects.

func (j *journal) EffectBegins(context.Context, string, string, activities.Effect) error { return nil }

func (j *journal) EffectOf(context.Context, string) (e activities.Effect, found bool, err error) {
	return e, false, nil
}

func (j *journal) EffectsPage(context.Context, activities.EffectsQuery) (page activities.EffectsPage, err error) {
	return page, nil
}

func (j *journal) EffectDone(context.Context, string, json.RawMessage) error { return nil }

func (j *journal) EffectUndone(context.Context, string, bool) error { return nil }

func (j *journal) EffectLeft(context.Context, string, string) error { return nil }

func (j *journal) Effects(context.Context, string) ([]activities.Effect, error) { return nil, nil }

func (j *journal) Hold(context.Context, string, string, bool) (bool, error) { return false, nil }

func (j *journal) Held(context.Context, string) ([]string, error) { return nil, nil }

func (j *journal) LetGo(context.Context, string, string) (activities.Holding, error) {
	return activities.Holding{}, nil
}

func (j *journal) CallWaits(context.Context, activities.Invocation, int, string, time.Time) error {
	return nil
}

func (j *journal) CallGoesOn(context.Context, string, string, string) error { return nil }

func (j *journal) SetPaused(context.Context, string, int, bool) error { return nil }

func (j *journal) Gone(context.Context, string, string) error { return nil }

func (j *journal) Notify(context.Context, notice.Notice) error { return nil }

func (j *journal) ForgetCall(context.Context, string, string, string) error { return nil }

func (j *journal) Complete(context.Context, string, int, string, string, json.RawMessage, *fault.Error) error {
	return nil
}

func (j *journal) Audit(context.Context, string, string, string, string, map[string]any) error {
	return nil
}
