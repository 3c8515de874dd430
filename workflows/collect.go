package workflows

import (
	"bytes"
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// collectLimit is how many bytes of output a workflow puts together by itself: more takes too long for a
// workflow task, and would travel with every expression that is evaluated later.
const collectLimit = 256 << 10

// large tells whether the outputs of a loop are to be put together by an activity, because they stand in
// blobs or are too much for a workflow.
func large(ctx workflow.Context, outcomes []activities.Outcome) bool {
	size := 0
	for _, o := range outcomes {
		if bytes.Contains(o.Output, []byte(`"`+activities.BlobRef+`"`)) {
			return true
		}
		size += len(o.Output)
	}
	return size > collectLimit && workflow.GetVersion(ctx, "gather-large-loops", workflow.DefaultVersion, 1) > workflow.DefaultVersion
}

// collect makes the output of a loop: for every output name the array of what the items gave, in
// their order.
func collect(action string, outcomes []activities.Outcome) (json.RawMessage, error) {
	all := map[string][]json.RawMessage{}
	for _, o := range outcomes {
		var output map[string]json.RawMessage
		err := json.Unmarshal(o.Output, &output) //workflowcheck:ignore // the same text gives the same map
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "the output of %s is not a JSON object", action)
		}
		for _, name := range workflow.DeterministicKeys(output) {
			all[name] = append(all[name], output[name])
		}
	}
	return encoded(all), nil
}

// gather has an activity put together what the items of a loop gave. It does so for a cancelled run too:
// what was done must be known.
func gather(ctx workflow.Context, name string, in activities.GatherInput) (out activities.Gathered, err error) {
	ctx = bookkeeping(detached(ctx), "Gather the outputs of "+name)
	err = workflow.ExecuteLocalActivity(ctx, activities.GatherActivity, in).Get(ctx, &out)
	if len(out.Output) == 0 {
		out.Output = emptyObject
	}
	return out, err
}

func (s *step) takeGathered(g activities.Gathered) {
	s.output = g.Output
	if g.Layer != "" {
		s.layers = []string{g.Layer}
	}
}
