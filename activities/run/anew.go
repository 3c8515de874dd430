package run

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// clear undoes what a call has done before with another input, in an earlier attempt at the task: under its key only one effect
// is remembered. With the same input the action adopts what is there.
func (r *Runner) clear(ctx context.Context, in activities.Invocation) error {
	before, differs, err := r.otherwise(ctx, in)
	if err != nil || !differs {
		return err
	}
	err = r.undo(ctx, before.Action, activities.UndoInvocation{
		Invocation: before.Call, Output: before.Output, Why: "the step runs again with another input",
	})
	if err == nil {
		return nil
	}
	if f := fault.From(err); f.Kind.Final() {
		return fault.Wrap(fault.Conflict, err, "what step %s has done before with another input is in the way, and can't be undone: %s", in.StepName, f.Public)
	}
	return err
}

// otherwise gives what was done under the key of a call and is not undone, and whether that was with another input.
func (r *Runner) otherwise(ctx context.Context, in activities.Invocation) (before activities.Effect, differs bool, err error) {
	before, found, err := r.journal.EffectOf(ctx, in.Key())
	if err != nil || !found {
		return before, false, answering(err)
	}
	call, err := r.withItem(ctx, before.Call)
	if err != nil {
		return before, false, err
	}
	same, err := sameJSON(call.Input, in.Input)
	if err != nil {
		return before, false, fault.Wrap(fault.Internal, err, "what step %s has done before can't be read", in.Step)
	}
	return before, !same, nil
}

// sameJSON compares values, however they are written. None is like none.
func sameJSON(a, b json.RawMessage) (bool, error) {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b), nil
	}
	var values [2]any
	for i, raw := range []json.RawMessage{a, b} {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&values[i]); err != nil {
			return false, err
		}
	}
	return reflect.DeepEqual(values[0], values[1]), nil
}
