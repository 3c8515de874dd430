package approval

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

// A gate speaks in plain lines of its step's log. The step stays as it is meanwhile: `processing` is the only state
// of Backstage's that fits, and its client fails on any other type of event.

// link is where an approval is found.
func (g *Gate) link(id string) string {
	return g.PublicURL + "/api/gildway/v1/approvals/" + url.PathEscape(id)
}

// tell says who decided what, and how far the gate has come with it. When a stage is done, those of the next are asked; so is
// whoever somebody lets decide.
func (g *Gate) tell(ctx context.Context, in activities.DecideInput, d plan.Decision, all []plan.Decision) error {
	line := d.By + " rejected"
	switch d.Verdict {
	case plan.Approve:
		yes, needed := in.Approval.Approvals(d.Stage, in.Requester, all)
		line = fmt.Sprintf("%s approved (%d of %d)", d.By, yes, needed)
	case plan.Delegate:
		line = d.By + " lets " + d.To + " decide"
	}
	if d.For != "" {
		line += " in the place of " + d.For
	}
	if d.As != d.By {
		line += " as a member of " + d.As
	}
	if d.Comment != "" {
		line += ": " + d.Comment
	}
	if err := g.Journal.Log(ctx, in.Task, in.Gate+"/said/"+d.Nonce, in.Step, "", line); err != nil {
		return err
	}
	if d.Verdict == plan.Delegate {
		return g.Notifier.Notify(ctx, notice.Notice{
			Key: in.Gate + "/delegated/" + d.Nonce, Kind: notice.ApprovalOpened, To: []string{d.To}, Task: in.Task, Link: g.link(in.Gate), Approval: in.Gate,
			Title: d.By + " lets you decide on what " + in.Requester + " asks for", Text: in.Approval.Reason,
		})
	}
	next := in.Approval.Stage(in.Requester, all)
	if next == d.Stage || in.Approval.Decide(in.Requester, all) != plan.Pending {
		return nil
	}
	stage := in.Approval.InStages()[next]
	_, needed := in.Approval.Approvals(next, in.Requester, all)
	err := g.Journal.Log(ctx, in.Task, fmt.Sprintf("%s/stage/%d", round(in.Gate, in.Shown), next), in.Step, "",
		fmt.Sprintf("Waiting for approval by %s (0 of %d): %s", strings.Join(stage.Approvers, " or "), needed, g.link(in.Gate)))
	if err != nil {
		return err
	}
	return g.ask(ctx, Opened{ID: in.Gate, Task: in.Task, Title: stage.Name, Requester: in.Requester, Approval: in.Approval}, stage.Approvers, round(in.Gate, in.Shown))
}

// round names a gate as long as it shows the same: when it asks again, people are told again.
func round(gate, shown string) string {
	if shown == "" {
		return gate
	}
	return gate + "/" + shown
}

// ask tells people that a decision is theirs. The same people under the same key are told once.
func (g *Gate) ask(ctx context.Context, o Opened, who []string, key string) error {
	return g.Notifier.Notify(ctx, notice.Notice{
		Key: key + "/asked/" + strings.Join(who, ","), Kind: notice.ApprovalOpened, To: who, Task: o.Task, Link: g.link(o.ID), Approval: o.ID, Due: o.Expires,
		Title: o.Requester + " asks for your approval: " + o.Title, Text: o.Approval.Reason,
	})
}

func (g *Gate) remind(ctx context.Context, in activities.GateNews) error {
	stage := in.Approval.InStages()[in.Approval.Stage(in.Requester, in.Before)]
	who := slices.DeleteFunc(slices.Clone(stage.Approvers), func(ref string) bool {
		return slices.ContainsFunc(in.Before, func(d plan.Decision) bool { return d.By == ref })
	})
	for _, d := range in.Before {
		if d.Verdict == plan.Delegate {
			who = append(who, d.To)
		}
	}
	return g.Notifier.Notify(ctx, notice.Notice{
		Key: fmt.Sprintf("%s/reminder/%d", round(in.Gate, in.Shown), in.Number), Kind: notice.ApprovalReminder, To: who, Task: in.Task, Link: g.link(in.Gate), Approval: in.Gate,
		Title: in.Requester + " still waits for your approval: " + in.StepName, Text: in.Approval.Reason,
	})
}

func (g *Gate) escalate(ctx context.Context, in activities.GateNews, now time.Time) error {
	expires := now.Add(in.Approval.Timeout.Std()).UTC()
	if err := g.Approvals.EscalateApproval(ctx, in.Gate, in.Approval, &expires); err != nil {
		return err
	}
	who := strings.Join(in.Approval.EscalateTo, " or ")
	err := g.Journal.Log(ctx, in.Task, round(in.Gate, in.Shown)+"/escalated", in.Step, "", fmt.Sprintf("Nobody decided within %s; %s may decide, too: %s",
		in.Approval.Timeout, who, g.link(in.Gate)))
	if err != nil {
		return err
	}
	return g.ask(ctx, Opened{ID: in.Gate, Task: in.Task, Title: in.StepName, Requester: in.Requester, Approval: in.Approval, Expires: &expires}, in.Approval.EscalateTo, round(in.Gate, in.Shown))
}
