package run

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// Sizes in bytes. Temporal takes 2 MiB in one payload and 50 MiB in a whole history.
const (
	largestOutput     = 128 << 10
	largestItemOutput = 4 << 10  // in a chunk there are hundreds of them
	largestAsked      = 96 << 10 // of a task that a step asks for; who accepts it has no blobs
	largestPart       = 16 << 10 // of what the items of a chunk gave together: a run may have hundreds of chunks
)

// put stores a value that history is not to hold.
func (r *Runner) put(ctx context.Context, v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "what a run came to can't be written as JSON")
	}
	return workspace.Put(ctx, r.blobs, raw)
}

// offload gives a reference in place of a value larger than the limit, and of one that looks like a reference:
// that way nobody makes one by what an action gives.
func (r *Runner) offload(ctx context.Context, raw json.RawMessage, limit int) (json.RawMessage, error) {
	if _, forged := blobOf(raw); len(raw) <= limit && !forged {
		return raw, nil
	}
	digest, err := workspace.Put(ctx, r.blobs, raw)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(`{"` + activities.BlobRef + `":"` + digest + `"}`), nil
}

// blobOf reads a reference.
func blobOf(raw json.RawMessage) (string, bool) {
	if !bytes.Contains(raw, []byte(activities.BlobRef)) {
		return "", false
	}
	var ref map[string]json.RawMessage
	var digest string
	if json.Unmarshal(raw, &ref) != nil || len(ref) != 1 || json.Unmarshal(ref[activities.BlobRef], &digest) != nil {
		return "", false
	}
	return digest, true
}

// whole gives the value that a reference stands for; what is none stands for itself.
func (r *Runner) whole(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
	digest, ok := blobOf(raw)
	if !ok {
		return raw, nil
	}
	return workspace.Get(ctx, r.blobs, digest)
}

// inBlob reads one value of a blob that holds an array.
func inBlob[T any](ctx context.Context, r *Runner, at activities.InBlob) (v T, err error) {
	raw, err := workspace.Get(ctx, r.blobs, at.Blob)
	if err != nil {
		return v, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return v, fault.Wrap(fault.Internal, err, "a part of a loop can't be read")
	}
	if at.Index < 0 || at.Index >= len(all) {
		return v, fault.New(fault.Internal, "a loop has no item %d in this part", at.Index)
	}
	if err := json.Unmarshal(all[at.Index], &v); err != nil {
		return v, fault.Wrap(fault.Internal, err, "an item of a loop can't be read")
	}
	return v, nil
}

// withItem puts what stands in blobs where it belongs.
func (r *Runner) withItem(ctx context.Context, in activities.Invocation) (activities.Invocation, error) {
	if in.Item != nil {
		item, err := inBlob[activities.Item](ctx, r, *in.Item)
		if err != nil {
			return in, err
		}
		in.Iteration, in.Says, in.Input = item.Key, item.Says, item.Input
	}
	var err error
	in.Input, err = r.whole(ctx, in.Input)
	return in, err
}

// undoOutput is what the call gave that is to be undone.
func (r *Runner) undoOutput(ctx context.Context, in activities.UndoInvocation) (json.RawMessage, error) {
	if in.From == nil {
		return r.whole(ctx, in.Output)
	}
	outcome, err := inBlob[activities.Outcome](ctx, r, *in.From)
	if err != nil {
		return nil, err
	}
	return r.whole(ctx, outcome.Output)
}

// stepOutputs replaces references in what expressions see of the steps.
func (r *Runner) stepOutput(ctx context.Context, step json.RawMessage) (any, error) {
	v, err := expr.FromJSON(step)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the output of a step can't be read")
	}
	fields, ok := v.(*expr.Object)
	if !ok || !bytes.Contains(step, []byte(activities.BlobRef)) {
		return v, nil
	}
	output, _ := fields.Get("output")
	ref, ok := output.(*expr.Object)
	if !ok || ref.Len() != 1 {
		return v, nil
	}
	digest, _ := ref.Get(activities.BlobRef)
	name, ok := digest.(string)
	if !ok {
		return v, nil
	}
	raw, err := workspace.Get(ctx, r.blobs, name)
	if err != nil {
		return nil, err
	}
	if output, err = expr.FromJSON(raw); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the output of a step can't be read")
	}
	return fields.With("output", output), nil
}

// reserved reports a key that only the runner itself writes.
func reserved(key string) bool { return strings.HasPrefix(key, markPrefix) }
