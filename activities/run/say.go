package run

import (
	"context"
	"fmt"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// colours are how Backstage's logger shows a level; portals render them.
var colours = map[activities.LogLevel]string{activities.LogInfo: "32", activities.LogWarn: "33", activities.LogError: "31"}

// logLine is a line of an action's log in the form of Backstage's logger.
func logLine(level activities.LogLevel, text string, details map[string]any) string {
	colour, known := colours[level]
	if !known {
		level, colour = activities.LogInfo, colours[activities.LogInfo]
	}
	line := "\x1b[" + colour + "m" + string(level) + "\x1b[39m: " + text
	if len(details) == 0 {
		return line
	}
	value, err := expr.FromGo(details)
	if err != nil {
		return line
	}
	raw, err := expr.ToJSON(value)
	if err != nil {
		return line
	}
	return line + " " + string(raw)
}

// eachLine is how Backstage's log shows an item of a loop: its value is only shown as text.
func eachLine(what, key, value string) string {
	raw, err := expr.ToJSON(expr.NewObject("key", key, "value", value))
	if err != nil {
		raw = []byte("{}")
	}
	return what + " step each: " + string(raw)
}

// jsText is JavaScript's String(v).
func jsText(v any) string {
	switch v {
	case nil:
		return "null"
	case any(expr.Undefined):
		return "undefined"
	}
	return expr.ToString(v)
}

// line writes an event of the run's log.
func (r *Runner) line(ctx context.Context, run activities.Attempt, key, step, status, text string) error {
	return answering(r.journal.Log(ctx, run.Task, activities.InAttempt(key, run.Number), step, status, text))
}

// stepKey names an event that a step has once, whoever writes it.
func stepKey(step, what string) string { return step + "//" + what }

// begin says that a step begins, and what follows.
func (r *Runner) begin(ctx context.Context, run activities.Attempt, step, name string, says []string) error {
	if err := r.line(ctx, run, stepKey(step, "begin"), step, "processing", "Beginning step "+name); err != nil {
		return err
	}
	for i, text := range says {
		key := stepKey(step, fmt.Sprint("begin/", i))
		if err := r.line(ctx, run, key, step, "", logLine(activities.LogInfo, text, nil)); err != nil {
			return err
		}
	}
	return nil
}

// answering makes a fault of a journal's error: it may work later.
func answering(err error) error {
	if err == nil || isFault(err) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the run's journal does not answer")
}
