package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

func (g *Gate) open(ctx context.Context, in activities.GateInvocation) (activities.OpenedGate, error) {
	requester, err := user(in.Run.Requester.Ref)
	if err != nil {
		return activities.OpenedGate{}, err
	}
	asked, automatic, err := parse(in.Input, requester)
	if err != nil {
		return activities.OpenedGate{}, err
	}
	o := Opened{
		ID: activities.GateID(in.Run.Task, in.Run.Attempt, in.Step), Task: in.Run.Task, Step: in.Step, Title: in.StepName,
		Digest: in.Digest, Requester: requester, Template: in.Run.Template.Ref, Approval: asked,
	}
	if automatic != nil && automatic.If == true {
		return g.automatic(ctx, in, o, automatic.Because)
	}
	o.Expires = expires(asked)
	var foreseen bool
	if in.Written != nil {
		s, err := g.seen(ctx, in, requester)
		if err != nil {
			return activities.OpenedGate{}, err
		}
		o.Seen, o.Shown = s.document()
		foreseen = s.Unforeseen == ""
	}
	if len(in.Said) > 0 {
		if holds, err := g.saidAgain(ctx, in, o); err != nil {
			return activities.OpenedGate{}, err
		} else if holds {
			return g.again(ctx, in, o)
		}
	}
	if err := g.Approvals.OpenApproval(ctx, o); err != nil {
		return activities.OpenedGate{}, err
	}
	yes, needed := asked.Approvals(0, requester, nil)
	err = g.Journal.Log(ctx, in.Run.Task, o.ID+"/waits", in.Step, "", fmt.Sprintf("Waiting for approval by %s (%d of %d): %s",
		strings.Join(asked.InStages()[0].Approvers, " or "), yes, needed, g.link(o.ID)))
	if err == nil {
		err = g.ask(ctx, o, asked.InStages()[0].Approvers, o.ID)
	}
	return activities.OpenedGate{ID: o.ID, Approval: asked, Shown: o.Shown, Foreseen: foreseen}, err
}

// expires is when a gate that is opened now is too old to be decided; nil = never.
func expires(asked plan.Approval) *time.Time {
	if asked.Timeout <= 0 {
		return nil
	}
	at := time.Now().Add(asked.Timeout.Std()).UTC()
	return &at
}

// automatic records that nobody has to be asked, and why.
func (g *Gate) automatic(ctx context.Context, in activities.GateInvocation, o Opened, because string) (activities.OpenedGate, error) {
	var written activities.ApprovalInput
	_ = json.Unmarshal(in.Written, &written) // as the compiler wrote it; for the record only
	data := map[string]any{"gate": o.ID, "because": because, "digest": in.Digest}
	if written.Automatic != nil {
		data["if"] = written.Automatic.If
	}
	err := g.Journal.Audit(ctx, in.Run.Task, o.ID+"/automatic", "approval-automatic", "gildway", data)
	if err == nil {
		err = g.Journal.Log(ctx, in.Run.Task, o.ID+"/automatic", in.Step, "", "Nobody has to approve: "+because)
	}
	return activities.OpenedGate{ID: o.ID, Approval: o.Approval, Automatic: because}, err
}

func user(s string) (string, error) {
	ref, err := plan.ParseEntityRef(s, "user")
	if err != nil || ref.Kind != "user" {
		return "", fault.New(fault.Invalid, "%q is not a user ref", s)
	}
	return ref.String(), nil
}
