package run

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/notice"
)

// ticketAction is what opens tickets for what is left behind.
const ticketAction = "itsm:ticket:open"

// Leftover tells the template's owner, or else the requester, of an effect that could not be undone, and opens a ticket
// where there is a desk for it. Its errors are sealed.
func (r *Runner) Leftover(ctx context.Context, in activities.Leftover) error {
	return r.seal(ctx, r.leftover(ctx, in), "what is left behind can't be told", "task", in.Call.Run.Task, "step", in.Call.Step)
}

func (r *Runner) leftover(ctx context.Context, in activities.Leftover) error {
	run := in.Call.Run
	to := run.Template.Owner
	if to == "" {
		to = run.Requester.Ref
	}
	title := "Left behind: step " + in.Call.StepName + " of " + run.Template.Name
	err := r.journal.Notify(ctx, notice.Notice{
		Key: in.Call.Key() + "/left/" + in.Of, Kind: notice.UndoFailed, To: []string{to}, Task: run.Task, Title: title,
		Text: in.Problem + "\nLook at it, and then: gildway task rollback " + run.Task + " --force",
	})
	if err != nil || !r.tickets {
		return answering(err)
	}
	const most = 160
	if runes := []rune(title); len(runes) > most {
		title = string(runes[:most])
	}
	input, err := json.Marshal(map[string]string{
		"title": title, "category": "gildway-leftover",
		"description": "Task " + run.Task + " of " + run.Requester.Ref + ", step " + in.Call.Step + ": " + in.Problem,
	})
	if err != nil {
		return err
	}
	about := "leftover-" + in.Of
	if in.Call.Iteration != "" {
		about += "-" + in.Call.Iteration
	}
	_, err = r.do(ctx, ticketAction, activities.Invocation{
		Run: run, Step: in.Call.Step, StepName: in.Call.StepName, Iteration: about, Input: input,
	})
	return err
}
