package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"

	"go.temporal.io/sdk/activity"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/workspace"
)

// Kinds of the audit entries that actions leave.
const (
	StepDone   = "step-done"
	StepUndone = "step-undone"
)

// Do runs an action. Its errors are sealed.
func (r *Runner) Do(ctx context.Context, action string, in activities.Invocation) (activities.Outcome, error) {
	out, err := r.do(ctx, action, in)
	if err != nil {
		return activities.Outcome{}, r.seal(ctx, err, "an action failed",
			"action", action, "task", in.Run.Task, "step", in.Step, "attempt", attempt(ctx))
	}
	return out, nil
}

func (r *Runner) do(ctx context.Context, id string, in activities.Invocation) (activities.Outcome, error) {
	var none activities.Outcome
	action, err := r.action(id)
	if err != nil {
		return none, err
	}
	c, err := r.start(ctx, action, in)
	if err != nil {
		return none, err
	}
	effect := activities.Effect{Action: id, Queue: action.Info().Queue, Call: in}
	if action.Info().Undoable {
		if err := r.clear(ctx, c.in); err != nil {
			return none, err
		}
		if err := answering(r.journal.EffectBegins(ctx, in.Run.Task, in.Key(), effect)); err != nil {
			return none, err
		}
	}
	out, err := c.carryOut(ctx, action)
	if err != nil {
		c.stumbled(ctx, "Attempt %d did not succeed: %s", err)
		c.waits(ctx, err)
		return none, err
	}
	c.goesOn(ctx)
	if action.Info().Undoable {
		if err := answering(r.journal.EffectDone(ctx, in.Key(), out.Output)); err != nil {
			return none, err
		}
	}
	if !action.Info().Local {
		if err := r.audit(ctx, StepDone, id, c.in, out.Output, nil); err != nil {
			return none, err
		}
	}
	return out, c.finish(ctx)
}

// start tells people that a call begins.
func (r *Runner) start(ctx context.Context, action activities.Action, in activities.Invocation) (*calling, error) {
	if in.First {
		if err := r.begin(ctx, in.Run.This(), in.Step, in.StepName, nil); err != nil {
			return nil, err
		}
	}
	c, err := r.prepare(ctx, action, in, "")
	if err != nil {
		return nil, err
	}
	for _, text := range c.in.Says {
		c.call.LogAt(activities.LogInfo, text, nil)
	}
	return c, nil
}

// carryOut runs the action and keeps what it gave.
func (c *calling) carryOut(ctx context.Context, action activities.Action) (out activities.Outcome, err error) {
	var output json.RawMessage
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		output, err = action.Do(ctx, c.call, c.input)
		return err
	})
	if err != nil {
		return out, err
	}
	if out.Output, err = c.keep(ctx, output); err != nil {
		return out, err
	}
	if c.files != nil {
		out.Layer, err = c.files.Seal(ctx)
	}
	return out, err
}

// keep makes of an output what may stand in history: without secrets, and not too large.
func (c *calling) keep(ctx context.Context, output json.RawMessage) (json.RawMessage, error) {
	output, err := c.hide.json(output)
	if err != nil {
		return nil, err
	}
	limit := largestOutput
	switch {
	case c.asks:
		limit = largestAsked
	case c.in.Item != nil:
		limit = largestItemOutput
	}
	return c.runner.offload(ctx, output, limit)
}

func (c *calling) finish(ctx context.Context) error {
	if !c.in.Last || cancelled(ctx) { // the run has said that a cancelled step failed
		return nil
	}
	return c.runner.line(ctx, c.in.Run.This(), stepKey(c.in.Step, "end"), c.in.Step, "completed", "Finished step "+c.in.StepName)
}

// Undo takes back what an action did. Its errors are sealed.
func (r *Runner) Undo(ctx context.Context, action string, in activities.UndoInvocation) error {
	return r.seal(ctx, r.undo(ctx, action, in), "undoing an action failed",
		"action", action, "task", in.Run.Task, "step", in.Step, "attempt", attempt(ctx))
}

func (r *Runner) undo(ctx context.Context, id string, in activities.UndoInvocation) error {
	action, err := r.action(id)
	if err != nil {
		return err
	}
	if !action.Info().Undoable {
		return fault.New(fault.Invalid, "%s can't be undone: %s", id, action.Info().WhyNoUndo)
	}
	c, err := r.prepare(ctx, action, in.Invocation, "undo/")
	if err != nil {
		return err
	}
	if _, differs, err := r.otherwise(ctx, c.in); err != nil || differs {
		return err // what is there was done with another input: this call never began, or is undone
	}
	output, err := r.undoOutput(ctx, in)
	if err != nil {
		return err
	}
	if len(output) == 0 && action.CheckInput(c.input) != nil {
		return answering(r.journal.EffectUndone(ctx, c.in.Key(), byLease(ctx, c.in))) // it was refused before it did anything
	}
	c.call.Force = in.Force
	err = c.guard(ctx, func(ctx context.Context) error {
		return action.Undo(ctx, c.call, c.input, output, in.Why)
	})
	if err != nil {
		c.stumbled(ctx, "Attempt %d to undo this step did not succeed: %s", err)
		if f := fault.From(err); f.Kind.Final() {
			if err := answering(r.journal.EffectLeft(ctx, c.in.Key(), f.Public)); err != nil {
				return err
			}
		}
		return err
	}
	if in.From != nil {
		in.Output = mustJSON(in.From)
	}
	if err := r.audit(ctx, StepUndone, id, c.in, in.Output, map[string]any{"why": in.Why}); err != nil {
		return err
	}
	if err := answering(r.journal.EffectUndone(ctx, c.in.Key(), byLease(ctx, c.in))); err != nil {
		return err
	}
	// Last: another attempt of this undo must still find what there was to undo. One after it finds nothing.
	return answering(r.journal.ForgetCall(ctx, in.Run.Task, in.Step, c.in.Key()))
}

// byLease reports whether the lease of an effect undoes it.
func byLease(ctx context.Context, in activities.Invocation) bool {
	return activity.IsActivity(ctx) && activity.GetInfo(ctx).WorkflowExecution.ID == activities.LeaseID(in)
}

// Effects lists what a task has done and not undone, in the order to undo it. Its errors are sealed.
func (r *Runner) Effects(ctx context.Context, task string) ([]activities.Effect, error) {
	list, err := r.journal.Effects(ctx, task)
	return list, r.seal(ctx, answering(err), "what a task has done can't be listed", "task", task)
}

// EffectsPage gives a part of what a task has done and not undone, in the order to undo it. Its errors are sealed.
func (r *Runner) EffectsPage(ctx context.Context, q activities.EffectsQuery) (activities.EffectsPage, error) {
	page, err := r.journal.EffectsPage(ctx, q)
	return page, r.seal(ctx, answering(err), "what a task has done can't be listed", "task", q.Task)
}

// Renew prolongs what an action granted and gives the output that holds from then on. Its errors are sealed.
func (r *Runner) Renew(ctx context.Context, action string, in activities.UndoInvocation) (json.RawMessage, error) {
	output, err := r.renew(ctx, action, in)
	return output, r.seal(ctx, err, "renewing what an action granted failed",
		"action", action, "task", in.Run.Task, "step", in.Step, "attempt", attempt(ctx))
}

func (r *Runner) renew(ctx context.Context, id string, in activities.UndoInvocation) (json.RawMessage, error) {
	action, err := r.action(id)
	if err != nil {
		return nil, err
	}
	if !action.Info().Renews || in.LeaseEnds == nil {
		return nil, fault.New(fault.Invalid, "%s grants nothing that could be renewed", id)
	}
	c, err := r.prepare(ctx, action, in.Invocation, "renew/"+strconv.FormatInt(in.LeaseEnds.Unix(), 10)+"/")
	if err != nil {
		return nil, err
	}
	output, err := r.undoOutput(ctx, in)
	if err != nil {
		return nil, err
	}
	err = c.guard(ctx, func(ctx context.Context) (err error) {
		output, err = action.Renew(ctx, c.call, c.input, output)
		return err
	})
	return output, err
}

func (r *Runner) action(id string) (activities.Action, error) {
	action, ok := r.registry.Get(id)
	if !ok {
		return action, fault.New(fault.NotFound, "Template action with ID '%s' is not registered. See https://backstage.io/docs/features/software-templates/builtin-actions/ on how to add a new action module.", id)
	}
	return action, nil
}

func (r *Runner) audit(ctx context.Context, kind, action string, in activities.Invocation, output json.RawMessage, more map[string]any) error {
	data := map[string]any{"action": action, "step": in.Step, "key": in.Key(), "output": output}
	if in.LeaseEnds != nil {
		data["leaseEnds"] = in.LeaseEnds.UTC()
	}
	for k, v := range more {
		data[k] = v
	}
	return answering(r.journal.Audit(ctx, in.Run.Task, activities.InAttempt(in.Key()+"/"+kind, in.Run.Attempt), kind, in.Run.Requester.Ref, data))
}

// calling is one attempt of one call.
type calling struct {
	runner *Runner
	in     activities.Invocation
	prefix string // of the keys of its lines
	call   *activities.Call
	input  json.RawMessage
	files  *workspace.Workspace // nil if the action doesn't write
	hide   redactor
	asks   bool // for a task of its own: its output goes to whoever accepts tasks

	mu   sync.Mutex
	said map[string]int // how often each line was
	lost error          // the first line that could not be written
}

func (r *Runner) prepare(ctx context.Context, action activities.Action, in activities.Invocation, prefix string) (*calling, error) {
	in, err := r.withItem(ctx, in)
	if err != nil {
		return nil, err
	}
	c := &calling{runner: r, in: in, prefix: prefix, said: map[string]int{}, asks: action.Info().Kind == plan.ChildStep}
	if c.asks && prefix == "" && bytes.Contains(in.Input, []byte(secretMark)) {
		return nil, fault.New(fault.Invalid, "step %s passes a secret on; a task that a step runs has no secrets", in.Step)
	}
	if c.input, c.hide, err = r.reveal(ctx, in, prefix != ""); err != nil {
		return nil, err
	}
	c.call = &activities.Call{
		Run: in.Run, Step: in.Step, StepName: in.StepName, Iteration: in.Iteration, Key: in.Key(), LeaseEnds: in.LeaseEnds,
		Root: "/workspaces/" + in.Run.Task,
		Log: func(format string, args ...any) {
			c.say(ctx, logLine(activities.LogInfo, fmt.Sprintf(format, args...), nil))
		},
		LogAt: func(level activities.LogLevel, text string, details map[string]any) {
			c.say(ctx, logLine(level, text, details))
		},
		Once: c.once, Holds: holds{r.journal},
	}
	access := action.Info().Workspace
	if access == plan.NoAccess {
		return c, nil
	}
	files, err := workspace.Open(ctx, r.blobs, in.Layers)
	if err != nil {
		return nil, err
	}
	if access == plan.Writes && prefix == "" {
		c.files, c.call.Files = files, files
	} else {
		c.call.Files = readOnly{files}
	}
	return c, nil
}

// guard runs an action's code: it stays alive in Temporal's eyes, and a panic is an error of ours.
func (c *calling) guard(ctx context.Context, fn func(context.Context) error) (err error) {
	stop := beat(ctx)
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			err = c.hide.error(bugIn(ctx, err))
		}
	}()
	if err = fn(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// say writes a line of the action's log. Its key is what it says and not its number: an attempt that finds
// half of the work done has other lines to say than the one before.
func (c *calling) say(ctx context.Context, text string) {
	text = c.hide.text(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[text]++
	key := c.key("log/" + hashed(text) + "/" + strconv.Itoa(c.said[text]))
	if err := c.runner.line(ctx, c.in.Run.This(), key, c.in.Step, "", text); err != nil && c.lost == nil {
		c.lost = err
	}
}

// stumbled tells the requester why a step that will be tried again takes longer. Undoing is tried for
// ever, so it is said once.
func (c *calling) stumbled(ctx context.Context, format string, err error) {
	f := asFault(ctx, err)
	if f.Kind.Final() || ctx.Err() != nil {
		return
	}
	key := c.key("attempt")
	if c.prefix == "" {
		key = c.key(c.again() + "attempt/" + strconv.Itoa(int(attempt(ctx))))
	}
	text := logLine(activities.LogWarn, fmt.Sprintf(format, attempt(ctx), f.Public), nil)
	if err := c.runner.line(ctx, c.in.Run.This(), key, c.in.Step, "", text); err != nil {
		c.runner.log.WarnContext(ctx, "a line of a run's log is lost", "task", c.in.Run.Task, "step", c.in.Step, "cause", err)
	}
}

func (c *calling) key(suffix string) string {
	return c.in.Step + "/" + c.in.Iteration + "/" + c.prefix + suffix
}

func (c *calling) once(ctx context.Context, name string, into any, fn func(context.Context) (any, error)) error {
	key := c.in.Key()
	saved, found, err := c.runner.journal.LoadCheckpoint(ctx, key, name)
	if err != nil {
		return answering(err)
	}
	if !found {
		value, err := fn(ctx)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "what %s found out can't be remembered", c.in.Step)
		}
		if saved, err = c.runner.journal.SaveCheckpoint(ctx, key, name, raw); err != nil {
			return answering(err)
		}
	}
	if err := json.Unmarshal(saved, into); err != nil {
		return fault.Wrap(fault.Internal, err, "what %s remembered can't be read", c.in.Step)
	}
	return nil
}

// holds makes the journal's errors faults.
type holds struct{ of activities.Holds }

func (h holds) Hold(ctx context.Context, resource, key string, found bool) (bool, error) {
	ours, err := h.of.Hold(ctx, resource, key, found)
	return ours, answering(err)
}

func (h holds) LetGo(ctx context.Context, resource, key string) (activities.Holding, error) {
	holding, err := h.of.LetGo(ctx, resource, key)
	return holding, answering(err)
}

func (h holds) Gone(ctx context.Context, resource, key string) error {
	return answering(h.of.Gone(ctx, resource, key))
}

func (h holds) Held(ctx context.Context, beginning string) ([]string, error) {
	list, err := h.of.Held(ctx, beginning)
	return list, answering(err)
}

func mustJSON(v *activities.InBlob) json.RawMessage {
	raw, _ := json.Marshal(v) // a string and a number always encode
	return raw
}
