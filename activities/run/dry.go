package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// BeginDry says what a dry run says when a step that is not skipped begins: that, and the input with every secret
// masked. A loop's items are not in scope.
func (r *Runner) BeginDry(ctx context.Context, in activities.EvaluateInput) error {
	if err := r.begin(ctx, in.Run.This(), in.Step.ID, in.Step.Name, nil); err != nil {
		return err
	}
	if _, err := r.action(in.Step.Action); err != nil {
		return err
	}
	e, err := r.evaluation(ctx, in)
	if err != nil {
		return err
	}
	given, err := r.secretsOf(ctx, in.Run)
	if err != nil {
		return err
	}
	s := e.plain
	s.strict = false // it is only shown, and what an item gives is not there
	s.vars = r.secretive(s.vars, masked(given), masked(r.environment.secrets))
	var shown any = &expr.Object{}
	if expr.Truthy(e.input) {
		if shown, err = s.render(ctx, e.input); err != nil {
			return err
		}
	}
	raw, err := expr.ToJSON(shown)
	var pretty bytes.Buffer
	if err == nil {
		err = json.Indent(&pretty, raw, "", "  ")
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the input of step %s can't be shown", in.Step.ID)
	}
	hide := hides(given, r.environment.secrets)
	text := fmt.Sprintf("Running %s in dry-run mode with inputs (secrets redacted): %s", in.Step.Action, &pretty)
	return r.line(ctx, in.Run.This(), stepKey(in.Step.ID, "dry"), in.Step.ID, "", hide.text(logLine(activities.LogInfo, text, nil)))
}

func masked(secrets *expr.Object) *expr.Object {
	out := &expr.Object{}
	for name := range secrets.All() {
		out.Set(name, mask)
	}
	return out
}

// DoDry is Do without an effect outside workspace and log: an action that runs dry is run, one that has a preview
// says what it would do, any other is skipped as by SkipDry. Its errors are faults, not sealed, and nothing is audited.
func (r *Runner) DoDry(ctx context.Context, action string, in activities.Invocation) (out activities.Outcome, would Would, err error) {
	act, err := r.action(action)
	if err != nil {
		return out, would, err
	}
	info := act.Info()
	if !info.DryRun && !info.Preview {
		out, err = r.SkipDry(ctx, action, in)
		return out, would, err
	}
	c, err := r.start(ctx, act, in)
	if err != nil {
		return out, would, err
	}
	if info.DryRun {
		out, err = c.carryOut(ctx, act)
	} else {
		out, would, err = c.preview(ctx, act)
	}
	if err != nil {
		return activities.Outcome{}, Would{}, err
	}
	return out, would, c.finish(ctx)
}

// Would is what a call would do to the world.
type Would struct {
	Do    []string // sentences without their subject: "create the repository acme/shop"
	Fails string   // why it would fail, as far as can be seen now
}

func (c *calling) preview(ctx context.Context, action activities.Action) (out activities.Outcome, would Would, err error) {
	var p activities.Preview[json.RawMessage]
	if c.call.Files != nil {
		c.call.Files, c.files = readOnly{c.call.Files}, nil
	}
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		p, err = action.Preview(ctx, c.call, c.input)
		return err
	})
	if err != nil {
		return out, would, err
	}
	met := c.foreseen(ctx, action.Info())
	for _, sentence := range slices.Concat(p.Would, met.Met) {
		sentence = c.hide.text(sentence)
		would.Do = append(would.Do, sentence)
		c.call.Log("Would %s", sentence)
	}
	if would.Fails = c.hide.text(met.Fails); met.Fails != "" {
		c.call.LogAt(activities.LogWarn, "Would fail: "+would.Fails, nil)
	}
	out.Output, err = c.keep(ctx, p.Output)
	return out, would, err
}

// foreseen asks what the call would meet. What can't be seen now is told in the log.
func (c *calling) foreseen(ctx context.Context, action plan.Action) activities.Foreseen {
	if c.runner.look == nil || !action.Foresees || c.in.Item != nil || bytes.Contains(c.in.Input, []byte(secretMark)) {
		return activities.Foreseen{}
	}
	call := c.in
	call.Layers = nil
	met, err := c.runner.look(ctx, activities.Look{Action: action.ID, Queue: action.Queue, Call: call})
	if err != nil {
		c.call.Log("Could not look at what is there: %s", fault.From(err).Public)
	}
	return met
}

// Foresee looks at what a call would meet. What it would fail with is no error but part of what is foreseen.
func (r *Runner) Foresee(ctx context.Context, action string, in activities.Invocation) (seen activities.Foreseen, err error) {
	act, err := r.action(action)
	if err == nil {
		seen, err = r.foresee(ctx, act, in)
	}
	return seen, r.seal(ctx, err, "a look ahead failed", "action", action, "task", in.Run.Task, "step", in.Step)
}

func (r *Runner) foresee(ctx context.Context, action activities.Action, in activities.Invocation) (seen activities.Foreseen, err error) {
	c, err := r.prepare(ctx, action, in, "foresee/")
	if err != nil {
		return seen, err
	}
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		seen.Met, err = action.Foresee(ctx, c.call, c.input)
		return err
	})
	if f := fault.From(err); err != nil && f.Kind.Final() {
		seen.Fails, err = f.Public, nil
	}
	return seen, err
}

// SkipDry says that a dry run skips a step, and makes an output up from the action's schema.
func (r *Runner) SkipDry(ctx context.Context, action string, in activities.Invocation) (out activities.Outcome, err error) {
	act, err := r.action(action)
	if err != nil {
		return out, err
	}
	if err := r.line(ctx, in.Run.This(), stepKey(in.Step, "skipped"), in.Step, "skipped", "Skipping because "+action+" does not support dry-run"); err != nil {
		return out, err
	}
	out.Output = MadeUp(act.Info().Output)
	return out, nil
}
