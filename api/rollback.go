package api

import (
	"context"
	"strconv"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

type effectStore interface {
	Effects(ctx context.Context, f store.EffectFilter) ([]store.Effect, error)
	// UndoneSteps lists the steps of a task that have done something which was undone since.
	UndoneSteps(ctx context.Context, task string) ([]string, error)
}

// mostEffects bounds the list of a task's effects.
const mostEffects = 1000

// RollbackTask begins to undo what a task has done. Asked again while that goes on it changes nothing.
func (h handlers) RollbackTask(ctx context.Context, r RollbackTaskRequestObject) (RollbackTaskResponseObject, error) {
	a := askedIn(ctx)
	if !a.task.Ended() {
		return nil, fault.New(fault.Conflict, "the task goes on; cancel it first")
	}
	in := activities.RollbackInput{Task: a.task.ID, By: a.caller.Ref}
	if r.Body != nil {
		in.Why, in.Force = r.Body.Reason, r.Body.Force
	}
	effects, err := h.Store.Effects(ctx, store.EffectFilter{Task: a.task.ID, Limit: mostEffects})
	if err != nil {
		return nil, err
	}
	list := RollbackTask202JSONResponse{Items: shownEffects(effects)}
	if len(effects) == 0 {
		return list, nil
	}
	data := map[string]any{"why": in.Why, "force": in.Force, "effects": len(effects)}
	key := "rollback/" + strconv.FormatInt(effects[0].Seq, 10) + "/" + strconv.Itoa(len(effects)) + "/" + strconv.FormatBool(in.Force)
	if err := h.Store.Audit(ctx, a.task.ID, key, "rollback-asked", a.caller.Ref, data); err != nil {
		return nil, err
	}
	return list, h.Engine.Rollback(ctx, in)
}

func (h handlers) ListTaskEffects(ctx context.Context, _ ListTaskEffectsRequestObject) (ListTaskEffectsResponseObject, error) {
	effects, err := h.Store.Effects(ctx, store.EffectFilter{Task: askedIn(ctx).task.ID, Limit: mostEffects})
	if err != nil {
		return nil, err
	}
	return ListTaskEffects200JSONResponse{Items: shownEffects(effects)}, nil
}

func (h handlers) ListLeftovers(ctx context.Context, r ListLeftoversRequestObject) (ListLeftoversResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := h.Store.Effects(ctx, store.EffectFilter{Left: true, Before: page.before, Limit: page.limit + 1})
	if err != nil {
		return nil, err
	}
	list := ListLeftovers200JSONResponse{}
	if len(found) > page.limit {
		list.Next = strconv.FormatInt(found[page.limit-1].Seq, 10)
		found = found[:page.limit]
	}
	list.Items = shownEffects(found)
	return list, nil
}

func shownEffects(found []store.Effect) []DoneEffect {
	list := make([]DoneEffect, len(found))
	for i, e := range found {
		list[i] = DoneEffect{
			Key: e.Key, Task: e.Task, Step: e.Step, Action: e.Action, Output: e.Output, BeganAt: moment(e.BeganAt), DoneAt: momentOf(e.DoneAt), Problem: e.Problem,
			TriedAt: momentOf(e.TriedAt),
		}
	}
	return list
}
