package dryrun

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// act tries an action: once, or for every item of its loop.
func (t *try) act(ctx context.Context, s plan.Step, evaluated activities.Evaluated) error {
	if err := t.runner.BeginDry(ctx, t.asked(s)); err != nil {
		return t.fail(ctx, s, err)
	}
	if action, known := t.registry.Get(s.Action); known && t.skips(action.Info()) {
		return t.leaveOut(ctx, s)
	}
	if len(evaluated.Says) > 0 {
		if err := t.record(ctx, activities.Record{Kind: activities.StepBegan, Step: s.ID, Name: s.Name, Says: evaluated.Says}); err != nil {
			return err
		}
	}
	l := loop{try: t, step: s, layers: t.sees(s)}
	if err := l.run(ctx, evaluated); err != nil {
		if t.Tolerant && ctx.Err() == nil {
			return t.leaveOut(ctx, s)
		}
		return t.fail(ctx, s, err)
	}
	if !evaluated.Looped {
		output := json.RawMessage("{}")
		if len(l.outcomes) > 0 && len(l.outcomes[0].Output) > 0 {
			output = l.outcomes[0].Output
		}
		return t.complete(ctx, s, output, "")
	}
	gathered, err := t.runner.Gather(ctx, activities.GatherInput{Outcomes: l.outcomes})
	if err != nil {
		return t.fail(ctx, s, err)
	}
	return t.complete(ctx, s, gathered.Output, fmt.Sprintf("%d items", len(l.outcomes)))
}

// leaveOut is what Backstage does for an action that has no dry run.
func (t *try) leaveOut(ctx context.Context, s plan.Step) error {
	out, err := t.runner.SkipDry(ctx, s.Action, activities.Invocation{Run: t.callInfo(), Step: s.ID, StepName: s.Name})
	if err != nil {
		return t.fail(ctx, s, err)
	}
	t.outputs[s.ID] = encoded(map[string]json.RawMessage{"output": out.Output})
	t.ended(s, Skipped, s.Action+" does not support dry-run")
	return nil
}

// callInfo is what actions are told of the run: not its values, as in the workflow.
func (t *try) callInfo() activities.RunInfo {
	info := t.info()
	info.Values = nil
	return info
}

// loop calls an action once or for each item. Every call sees the files that the one before it left.
type loop struct {
	*try
	step     plan.Step
	layers   []string
	outcomes []activities.Outcome
}

func (l *loop) run(ctx context.Context, evaluated activities.Evaluated) error {
	for _, item := range evaluated.Items {
		if item.Skip {
			continue
		}
		if err := l.call(ctx, activities.Invocation{Iteration: item.Key, Input: item.Input, Says: item.Says}); err != nil {
			return err
		}
	}
	for _, chunk := range evaluated.Chunks {
		items, err := l.runner.Items(ctx, chunk)
		if err != nil {
			return err
		}
		for i, item := range items {
			if item.Skip {
				continue
			}
			at := &activities.InBlob{Blob: chunk.Blob, Index: i}
			if err := l.call(ctx, activities.Invocation{Iteration: item.Key, Item: at}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) call(ctx context.Context, in activities.Invocation) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	in.Run, in.Step, in.StepName, in.Layers, in.LeaseEnds = l.callInfo(), l.step.ID, l.step.Name, l.layers, l.leaseEnds(l.step)
	out, would, err := l.runner.DoDry(ctx, l.step.Action, in)
	would.Do = append(would.Do, l.unmade()...)
	if err != nil {
		return err
	}
	l.would(l.step, in.Iteration, would)
	if out.Layer != "" {
		l.layers = append(l.layers, out.Layer)
		l.keep(l.step, out.Layer)
	}
	l.outcomes = append(l.outcomes, out)
	return nil
}

// unmade says which calls the last one would have made, had it not been offline.
func (t *try) unmade() (would []string) {
	if t.world == nil {
		return nil
	}
	for ; t.told < len(t.world.calls); t.told++ {
		c := t.world.calls[t.told]
		would = append(would, "call "+c.Action+" with "+string(c.Input))
	}
	return would
}

// ask tries an approval gate.
func (t *try) ask(ctx context.Context, s plan.Step, evaluated activities.Evaluated) error {
	if err := t.runner.BeginDry(ctx, t.asked(s)); err != nil {
		return t.fail(ctx, s, err)
	}
	if evaluated.Looped || len(evaluated.Items) != 1 {
		return t.fail(ctx, s, fault.New(fault.Invalid, "an approval can't be repeated; remove each from step %s", s.ID))
	}
	asked, err := t.approval(s, evaluated.Items[0].Input)
	if err != nil {
		return t.fail(ctx, s, err)
	}
	sentence := "ask " + strings.Join(asked.Approvers, ", ") + " for approval"
	if asked.Required > 1 {
		sentence += fmt.Sprintf(", %d of them", asked.Required)
	}
	t.would(s, "", run.Would{Do: []string{sentence}})
	if err := t.journal.Log(ctx, t.Run.Task, s.ID+"//would", s.ID, "", "\x1b[32minfo\x1b[39m: Would "+sentence); err != nil {
		return err
	}
	output := encoded(map[string]any{"approved": true, "approvers": asked.Approvers, "decisions": []any{}})
	if t.world != nil {
		output, err = t.world.call(Call{Step: s.ID, Action: s.Action, Input: evaluated.Items[0].Input}, output)
		t.told = len(t.world.calls)
		if err != nil {
			return t.fail(ctx, s, err)
		}
	}
	return t.complete(ctx, s, output, "")
}

func (t *try) approval(s plan.Step, input json.RawMessage) (asked activities.ApprovalInput, err error) {
	if action, known := t.registry.Get(s.Action); known {
		if err := action.CheckInput(input); err != nil {
			return asked, err
		}
	}
	if err := json.Unmarshal(input, &asked); err != nil {
		return asked, fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s", s.Action)
	}
	return asked, approval.Check(asked, t.Run.Requester.Ref)
}
