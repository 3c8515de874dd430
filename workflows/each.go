package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// problemsTold is how many different reasons of a failed undo a part of a loop passes on.
const problemsTold = 5

// Each does a part of a long loop, or takes back what such a part did. It fails only if its own workings
// do: an item that fails, or being cancelled, is a result, so that what was done is known.
func Each(ctx workflow.Context, in activities.EachInput) (activities.EachResult, error) {
	stop := false
	stops := workflow.GetSignalChannelWithOptions(ctx, activities.StopMessage,
		workflow.SignalChannelOptions{Description: "Begins no more items; those under way finish"})
	workflow.Go(ctx, func(ctx workflow.Context) {
		stops.Receive(ctx, nil)
		stop = true
	})
	keys, err := itemKeys(ctx, in)
	if err != nil {
		return activities.EachResult{Failure: asFailed(err)}, nil
	}
	if in.Undo != nil {
		return undoPart(ctx, in, keys), nil
	}
	c := &caller{info: in.Run, version: in.Version}
	c.listenForStep(ctx)
	if in.Run.Attempt > 0 {
		c.leases = listenForLeases(ctx)
	}
	var calls []activities.Invocation
	for i, k := range keys {
		if !k.Skip {
			calls = append(calls, itemInvocation(in, i, k.Key))
		}
	}
	var outcomes []activities.Outcome
	if in.OneByOne {
		outcomes, err = c.oneByOne(ctx, &in.Step, calls)
	} else {
		outcomes, err = c.sideBySide(ctx, &in.Step, calls, &places{limit: max(in.Concurrency, 1)}, &stop)
	}
	return c.result(ctx, in, outcomes, err), nil
}

// result tells what became of a part.
func (c *caller) result(ctx workflow.Context, in activities.EachInput, outcomes []activities.Outcome, err error) (result activities.EachResult) {
	result.Failure = asFailed(err)
	result.Output = emptyObject
	for _, e := range c.effects {
		if e.failed {
			result.Lost = append(result.Lost, e.call.Item.Index)
		} else {
			result.Done = append(result.Done, e.call.Item.Index)
		}
	}
	done := slices.DeleteFunc(slices.Clone(outcomes), func(o activities.Outcome) bool { return len(o.Output) == 0 })
	complete := len(done) == len(outcomes) && err == nil
	if len(done) == 0 || !complete && len(result.Done) == 0 {
		return result // nobody needs the outputs
	}
	gathered, err := gather(ctx, in.Step.Name, activities.GatherInput{Outcomes: done, Keep: in.Step.Undoable})
	result.Gathered = gathered
	if err != nil && result.Failure == nil {
		result.Failure = asFailed(err)
	}
	return result
}

// undoPart takes back what a part did, the last first. What can't be undone is told and doesn't stop the rest.
func undoPart(ctx workflow.Context, in activities.EachInput, keys []activities.ItemKey) (result activities.EachResult) {
	ctx = detached(ctx)
	inOrder := slices.Sorted(slices.Values(in.Undo.Done))
	leases := listenForLeases(ctx)
	tell := func(err error) {
		if err == nil {
			return
		}
		result.Left++
		why := fault.Unseal(err).Public
		if len(result.Problems) < problemsTold && !slices.Contains(result.Problems, why) {
			result.Problems = append(result.Problems, why)
		}
	}
	for _, i := range slices.Backward(in.Undo.Lost) {
		tell(callUndo(ctx, &in.Step, activities.UndoInvocation{Invocation: itemInvocation(in, i, keys[i].Key), Why: in.Undo.Why}))
	}
	for _, i := range slices.Backward(in.Undo.Done) {
		at, _ := slices.BinarySearch(inOrder, i)
		call := itemInvocation(in, i, keys[i].Key)
		if in.Step.Lease != nil {
			tell(leases.revoke(ctx, activities.LeaseID(call), in.Undo.Why))
			continue
		}
		tell(callUndo(ctx, &in.Step, activities.UndoInvocation{
			Invocation: call, From: &activities.InBlob{Blob: in.Undo.Outcomes, Index: at}, Why: in.Undo.Why,
		}))
	}
	return result
}

func itemKeys(ctx workflow.Context, in activities.EachInput) (keys []activities.ItemKey, err error) {
	if in.Undo != nil {
		ctx = detached(ctx)
	}
	ctx = bookkeeping(ctx, "Read the items of "+in.Step.Name)
	if err = workflow.ExecuteLocalActivity(ctx, activities.ItemsActivity, in.Chunk).Get(ctx, &keys); err != nil {
		return nil, err
	}
	if len(keys) != in.Chunk.Count {
		return nil, fault.New(fault.Internal, "the chunk of %s holds %d items instead of %d", in.Step.Name, len(keys), in.Chunk.Count)
	}
	return keys, nil
}

// itemInvocation is the call for an item. An undo sees the workspace as it was when its part began.
func itemInvocation(in activities.EachInput, index int, key string) activities.Invocation {
	return activities.Invocation{
		Run: in.Run, Step: in.Step.ID, StepName: in.Step.Name, Iteration: key,
		Item: &activities.InBlob{Blob: in.Chunk.Blob, Index: index}, Layers: in.Layers,
	}
}

func asFailed(err error) *activities.EachFailed {
	if err == nil {
		return nil
	}
	f := fault.Unseal(err)
	return &activities.EachFailed{Kind: string(f.Kind), Message: f.Public, Name: f.Name}
}
