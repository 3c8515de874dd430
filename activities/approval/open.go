package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	if asked.Timeout > 0 {
		at := time.Now().Add(asked.Timeout.Std()).UTC()
		o.Expires = &at
	}
	if in.Written != nil {
		o.Seen, o.Shown = seen(in, requester)
	}
	if len(in.Said) > 0 && g.saidAgain(in, o) {
		return g.again(ctx, in, o)
	}
	if err := g.Approvals.OpenApproval(ctx, o); err != nil {
		return activities.OpenedGate{}, err
	}
	yes, needed := asked.Approvals(0, requester, nil)
	err = g.Journal.Log(ctx, in.Run.Task, o.ID+"/waits", in.Step, "", fmt.Sprintf("Waiting for approval by %s (%d of %d): %s",
		strings.Join(asked.InStages()[0].Approvers, " or "), yes, needed, g.link(o.ID)))
	if err == nil {
		err = g.ask(ctx, o, asked.InStages()[0].Approvers)
	}
	return activities.OpenedGate{ID: o.ID, Approval: asked, Shown: o.Shown}, err
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

// Seen is what approvers are shown. A decision is about exactly this.
type Seen struct {
	Task      string              `json:"task"`
	Template  string              `json:"template"`
	Digest    string              `json:"digest"` // of the plan and all its values
	Requester string              `json:"requester"`
	Title     string              `json:"title"`
	Input     json.RawMessage     `json:"input"`  // of the approval, with its reason
	Behind    []activities.Behind `json:"behind"` // what is done once it is approved
}

func seen(in activities.GateInvocation, requester string) (document json.RawMessage, digest string) {
	behind := in.Behind
	if behind == nil {
		behind = []activities.Behind{}
	}
	document, _ = json.Marshal(Seen{ // plain data
		Task: in.Run.Task, Template: in.Run.Template.Ref, Digest: in.Digest, Requester: requester, Title: in.StepName, Input: in.Input, Behind: behind,
	})
	sum := sha256.Sum256(document)
	return document, "sha256:" + hex.EncodeToString(sum[:])
}

func user(s string) (string, error) {
	ref, err := plan.ParseEntityRef(s, "user")
	if err != nil || ref.Kind != "user" {
		return "", fault.New(fault.Invalid, "%q is not a user ref", s)
	}
	return ref.String(), nil
}
