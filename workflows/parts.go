package workflows

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// partsAtOnce is how many parts of a long loop run at once: enough that a slow item at the end of one does
// not hold back the next.
const partsAtOnce = 4

// mostParts is how many a loop may have: each puts some ten events and up to 16 KiB into the history of the run, and
// as many events again when it is undone. Temporal ends a workflow with 51,200 events or 50 MiB.
const mostParts = 1000

// parts is a long loop under way. Each of its chunks is done by a workflow of its own, so that no history
// grows with the loop.
type parts struct {
	run    *run
	step   *step
	chunks []activities.Chunk
	layers []string

	next    int                                  // chunk that nobody has begun
	running map[int]workflow.ChildWorkflowFuture // by number of the chunk
	given   []activities.Gathered                // by number of the chunk
	done    int                                  // items
	failure error                                // the first
}

// actInParts runs a loop that was evaluated in chunks.
func (r *run) actInParts(ctx workflow.Context, s *step, chunks []activities.Chunk) {
	r.begin(ctx, s)
	if len(chunks) > mostParts {
		r.fail(ctx, s, fault.New(fault.Invalid, "the inputs of the %d items of step %s are too large together; loop over fewer, or give each less", last(chunks), s.ID))
		return
	}
	p := &parts{
		run: r, step: s, chunks: chunks, layers: r.layersBefore(s),
		running: map[int]workflow.ChildWorkflowFuture{}, given: make([]activities.Gathered, len(chunks)),
	}
	s.parts = p
	p.work(ctx)
	s.parts = nil
	err := p.failure
	if why, skipped := skippedByPeople(err); skipped {
		r.skip(ctx, s, why)
		return
	}
	if err == nil {
		var gathered activities.Gathered
		gathered, err = gather(ctx, s.Name, activities.GatherInput{Parts: p.given})
		s.takeGathered(gathered)
	}
	if err != nil {
		r.fail(ctx, s, err)
		return
	}
	r.complete(ctx, s)
}

// work does all chunks. Side by side, each of a few lanes has a fixed share of the items that may run at
// once and takes one chunk after the other; so no more than that many run, whatever chunk they are in.
func (p *parts) work(ctx workflow.Context) {
	limit := 1
	if p.run.in.Plan.Execution == plan.DAG {
		limit = p.run.places.limit
		if p.step.Concurrency > 0 {
			limit = p.step.Concurrency
		}
	}
	lanes := min(limit, len(p.chunks), partsAtOnce)
	open := lanes
	for lane := range lanes {
		share := limit / lanes
		if lane < limit%lanes {
			share++
		}
		workflow.Go(ctx, func(ctx workflow.Context) {
			for p.next < len(p.chunks) && p.failure == nil {
				i := p.next
				p.next++
				p.do(ctx, i, share)
			}
			open--
		})
	}
	// Detached: a cancelled run still waits for what is under way.
	_ = workflow.Await(detached(ctx), func() bool { return open == 0 })
}

// do has one chunk done and notes what came of it.
func (p *parts) do(ctx workflow.Context, i, share int) {
	r, s, chunk := p.run, p.step, p.chunks[i]
	in := activities.EachInput{
		Run: r.info, Step: bare(s.Step), Chunk: chunk, Layers: p.layers,
		OneByOne: r.in.Plan.Execution != plan.DAG, Concurrency: share, Version: r.version,
	}
	child := r.startPart(ctx, in, partID(r.in.Task, s.ID, chunk), s.Name+": "+items(chunk))
	p.running[i] = child
	var result activities.EachResult
	err := child.Get(ctx, &result)
	delete(p.running, i)
	switch {
	case err == nil && len(result.Done)+len(result.Lost) > 0:
		r.effects = append(r.effects, r.partEffect(s, in, result))
	case err != nil && s.Undoable && child.GetChildWorkflowExecution().Get(detached(ctx), nil) == nil:
		r.effects = append(r.effects, lostPart(s, chunk))
	}
	switch {
	case ctx.Err() != nil:
		p.fail(ctx, ctx.Err())
	case err != nil:
		p.fail(ctx, fault.Wrap(fault.Internal, err, "%s could not be done", items(chunk)))
	case result.Failure != nil:
		p.fail(ctx, &fault.Error{Kind: fault.Kind(result.Failure.Kind), Public: result.Failure.Message, Name: result.Failure.Name})
	default:
		p.given[i] = result.Gathered
		if in.OneByOne && result.Layer != "" && s.Workspace != plan.NoAccess {
			p.layers = append(p.layers, result.Layer)
		}
		p.done += chunk.Count
		s.note = fmt.Sprintf("%d of %d items", p.done, last(p.chunks))
		r.show(ctx)
	}
}

// fail keeps the first failure. The other chunks finish what is under way and begin nothing new.
func (p *parts) fail(ctx workflow.Context, err error) {
	if p.failure != nil {
		return
	}
	p.failure = err
	for _, i := range workflow.DeterministicKeys(p.running) {
		// One that has ended meanwhile needs no telling.
		p.running[i].SignalChildWorkflow(detached(ctx), activities.StopMessage, nil)
	}
}

// startPart starts the workflow that does a chunk, or takes it back. A cancelled run tells it and waits for
// its result.
func (r *run) startPart(ctx workflow.Context, in activities.EachInput, id, summary string) workflow.ChildWorkflowFuture {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		TaskQueue:             activities.MainQueue,
		WaitForCancellation:   true,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		TypedSearchAttributes: inherited(ctx),
		StaticSummary:         truncated(summary, summaryLimit),
	})
	return workflow.ExecuteChildWorkflow(ctx, activities.EachWorkflow, in)
}

// partEffect is what a chunk did.
func (r *run) partEffect(s *step, in activities.EachInput, result activities.EachResult) *effect {
	undo := func(ctx workflow.Context, why string) error {
		if result.Outcomes == "" && len(result.Done) > 0 {
			return fault.New(fault.Internal, "what %s did is not known", items(in.Chunk))
		}
		in.Undo = &activities.EachUndo{Done: result.Done, Lost: result.Lost, Outcomes: result.Outcomes, Why: why}
		id, summary := partID(r.in.Task, s.ID, in.Chunk)+"/undo", "Undo: "+s.Name+": "+items(in.Chunk)
		var undone activities.EachResult
		if err := r.startPart(ctx, in, id, summary).Get(ctx, &undone); err != nil {
			return fault.Wrap(fault.Internal, err, "%s could not be undone", items(in.Chunk))
		}
		if f := undone.Failure; f != nil {
			return fault.New(fault.Kind(f.Kind), "%s could not be undone: %s", items(in.Chunk), f.Message)
		}
		if undone.Left > 0 {
			return fault.New(fault.Conflict, "%d of %s: %s", undone.Left, items(in.Chunk), strings.Join(undone.Problems, "; "))
		}
		return nil
	}
	return &effect{step: &s.Step, undo: undo}
}

// lostPart is what a chunk did whose workflow somebody has ended from outside.
func lostPart(s *step, chunk activities.Chunk) *effect {
	return &effect{step: &s.Step, undo: func(workflow.Context, string) error {
		return fault.New(fault.Internal, "what %s did is not known: their workflow was ended from outside", items(chunk))
	}}
}

// bare is a step as it takes to call its action.
func bare(s plan.Step) plan.Step {
	s.If, s.Each, s.Input, s.Needs, s.Branch = nil, nil, nil, nil, nil
	return s
}

func partID(task, step string, chunk activities.Chunk) string {
	return task + "/" + step + "/each/" + strconv.Itoa(chunk.First)
}

// items names the items of a chunk for people, who count from 1.
func items(c activities.Chunk) string {
	return fmt.Sprintf("items %d to %d", c.First+1, c.First+c.Count)
}

// last is the number of items in all chunks.
func last(chunks []activities.Chunk) int {
	end := slices.MaxFunc(chunks, func(a, b activities.Chunk) int { return a.First - b.First })
	return end.First + end.Count
}
