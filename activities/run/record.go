package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// ifWasFalse is how Backstage explains a step that its own `if` skips.
const ifWasFalse = "because its if condition was false"

// Record tells the journal what happened to a run, in Backstage's words.
func (r *Runner) Record(ctx context.Context, rec activities.Record) error {
	return r.seal(ctx, r.record(ctx, rec), "recording what happened failed", "task", rec.Task, "record", string(rec.Kind), "step", rec.Step)
}

// IsOver tells a run that it has nothing left to do: another execution of the same attempt has ended it, or a later
// attempt has begun.
func (r *Runner) IsOver(ctx context.Context, of activities.Attempt) (bool, error) {
	over, err := r.journal.AttemptIsOver(ctx, of.Task, of.Number)
	return over, r.seal(ctx, answering(err), "asking whether an attempt is over failed", "task", of.Task, "attempt", of.Number)
}

func (r *Runner) record(ctx context.Context, rec activities.Record) error {
	name := rec.Name
	if name == "" {
		name = rec.Step
	}
	run := activities.Attempt{Task: rec.Task, Number: rec.Attempt}
	step := func(what, status, message string) error {
		return r.line(ctx, run, stepKey(rec.Step, what), rec.Step, status, message)
	}
	switch rec.Kind {
	case activities.RunStarted:
		if err := answering(r.journal.SetStatus(ctx, rec.Task, rec.Attempt, "processing")); err != nil {
			return err
		}
		return r.line(ctx, run, "run/started", "", "", fmt.Sprintf("Starting up task with %d steps", rec.Steps))
	case activities.StepBegan:
		return r.begin(ctx, run, rec.Step, name, rec.Says)
	case activities.StepCompleted:
		return step("end", "completed", or(rec.Message, "Finished step "+name))
	case activities.StepSkipped:
		message := or(rec.Message, "Skipping step "+rec.Step+" "+ifWasFalse)
		if strings.HasSuffix(message, ifWasFalse) {
			if err := step("begin", "processing", "Beginning step "+name); err != nil {
				return err
			}
		}
		return step("skipped", "skipped", message)
	case activities.StepFailed:
		// Whatever it failed of, it had begun; that is written once.
		if err := step("begin", "processing", "Beginning step "+name); err != nil {
			return err
		}
		if err := step("failed/"+mark(rec), "failed", titled(rec)); err != nil {
			return err
		}
		switch {
		case rec.Continues:
			return step("continues", "", logLine(activities.LogInfo, "The run goes on: onError is continue", nil))
		case rec.Additional:
			return step("additional/"+mark(rec), "failed", "Additional error occurred: "+rec.Message+"\n"+titled(rec))
		default:
			return nil
		}
	case activities.StepUndone:
		return step("undone/"+mark(rec), "", or(rec.Message, "Undid step "+name))
	case activities.UndoFailed:
		return step("undo-failed/"+mark(rec), "", or(rec.Message, "Step "+name+" could not be undone"))
	case activities.StepOverridden:
		if err := answering(r.journal.CallGoesOn(ctx, rec.Task, rec.Step, rec.Iteration)); err != nil {
			return err
		}
		return step(fmt.Sprintf("overridden/%d", rec.Number), "", rec.Message)
	case activities.RunPaused, activities.RunResumed:
		if err := answering(r.journal.SetPaused(ctx, rec.Task, rec.Attempt, rec.Kind == activities.RunPaused)); err != nil {
			return err
		}
		return r.line(ctx, run, fmt.Sprintf("%s/%d", rec.Kind, rec.Number), "", "", rec.Message)
	case activities.RunCancelled:
		return answering(r.journal.RequestCancel(ctx, rec.Task, rec.Attempt, "temporal")) // unless the API did: then it is known by whom
	case activities.RunCompleted:
		output, err := r.whole(ctx, rec.Output)
		if err != nil {
			return err
		}
		return answering(r.journal.Complete(ctx, rec.Task, rec.Attempt, "completed", "Run completed with status: completed", output, nil))
	case activities.RunFailed:
		why := &fault.Error{Kind: fault.Kind(or(rec.Error, string(fault.Internal))), Name: rec.Named, Public: or(rec.Message, "The run failed")}
		return answering(r.journal.Complete(ctx, rec.Task, rec.Attempt, "failed", "Run completed with status: failed", nil, why))
	default:
		return fault.New(fault.Internal, "nobody knows the record %q", rec.Kind)
	}
}

// titled puts the error's name before its text, as the first line of a stack in Backstage does.
func titled(rec activities.Record) string {
	if rec.Error == "" {
		return rec.Message
	}
	f := fault.Error{Kind: fault.Kind(rec.Error), Name: rec.Named}
	return f.BackstageName() + ": " + rec.Message
}

// mark tells one thing that can happen to a step several times from the next.
func mark(rec activities.Record) string { return hashed(rec.Error + "\x00" + rec.Message) }

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
