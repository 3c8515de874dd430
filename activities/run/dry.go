package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
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
func (r *Runner) DoDry(ctx context.Context, action string, in activities.Invocation) (out activities.Outcome, would []string, err error) {
	act, err := r.action(action)
	if err != nil {
		return out, nil, err
	}
	info := act.Info()
	if !info.DryRun && !info.Preview {
		out, err = r.SkipDry(ctx, action, in)
		return out, nil, err
	}
	c, err := r.start(ctx, act, in)
	if err != nil {
		return out, nil, err
	}
	if info.DryRun {
		out, err = c.carryOut(ctx, act)
	} else {
		out, would, err = c.preview(ctx, act)
	}
	if err != nil {
		return activities.Outcome{}, nil, err
	}
	return out, would, c.finish(ctx)
}

func (c *calling) preview(ctx context.Context, action activities.Action) (out activities.Outcome, would []string, err error) {
	var p activities.Preview[json.RawMessage]
	if c.call.Files != nil {
		c.call.Files, c.files = readOnly{c.call.Files}, nil
	}
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		p, err = action.Preview(ctx, c.call, c.input)
		return err
	})
	if err != nil {
		return out, nil, err
	}
	for _, sentence := range p.Would {
		sentence = c.hide.text(sentence)
		would = append(would, sentence)
		c.call.Log("Would %s", sentence)
	}
	out.Output, err = c.keep(ctx, p.Output)
	return out, would, err
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
