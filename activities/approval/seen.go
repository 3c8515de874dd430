package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Seen is what approvers are shown. A decision is about exactly this.
type Seen struct {
	Task      string              `json:"task"`
	Template  string              `json:"template"`
	Digest    string              `json:"digest"` // of the plan and all its values
	Requester string              `json:"requester"`
	Title     string              `json:"title"`
	Input     json.RawMessage     `json:"input"`            // of the approval, with its reason
	Values    json.RawMessage     `json:"values,omitempty"` // what was submitted
	Behind    []activities.Behind `json:"behind"`           // what is done once it is approved

	Effects    []Effect `json:"effects,omitempty"`    // what those steps would do to the world
	Unforeseen string   `json:"unforeseen,omitempty"` // why nobody can say that now
}

// Effect is what a step behind a gate would do.
type Effect struct {
	Step      string   `json:"step"`
	Iteration string   `json:"iteration,omitempty"`
	Action    string   `json:"action"`
	Would     []string `json:"would"` // a sentence each, without its subject: "create the repository acme/shop"
}

// Forecast is what is known of a run, and what the steps behind a gate would do, were it approved now. Asked twice it
// says the same, unless the world has changed.
type Forecast struct {
	Values     json.RawMessage
	Effects    []Effect
	Unforeseen string // why there are no Effects; an outage, for example
}

// Forecaster foresees what a run would do.
type Forecaster interface {
	Forecast(ctx context.Context, in activities.GateInvocation) (Forecast, error)
}

// valuesShown bounds the values that approvers are shown, in bytes. The digest is about all of them.
const valuesShown = 64 << 10

func (g *Gate) seen(ctx context.Context, in activities.GateInvocation, requester string) (Seen, error) {
	s := Seen{
		Task: in.Run.Task, Template: in.Run.Template.Ref, Digest: in.Digest, Requester: requester, Title: in.StepName, Input: in.Input, Behind: in.Behind,
	}
	if s.Behind == nil {
		s.Behind = []activities.Behind{}
	}
	f, err := g.Forecaster.Forecast(ctx, in)
	if err != nil {
		return s, err
	}
	s.Values, s.Effects, s.Unforeseen = f.Values, f.Effects, f.Unforeseen
	if len(s.Values) > valuesShown {
		s.Values, _ = json.Marshal(fmt.Sprintf("%d KiB, see the task", len(s.Values)>>10))
	}
	return s, nil
}

// document is what a decision is about, and its digest.
func (s Seen) document() (document json.RawMessage, digest string) {
	document, _ = json.Marshal(s) // plain data
	sum := sha256.Sum256(document)
	return document, "sha256:" + hex.EncodeToString(sum[:])
}

// check compares what was approved with what would be done now. If that is something else, its approvers are asked again.
func (g *Gate) check(ctx context.Context, in activities.CheckGate) (activities.CheckedGate, error) {
	requester, err := user(in.Run.Requester.Ref)
	if err != nil {
		return activities.CheckedGate{}, err
	}
	now, err := g.seen(ctx, in.GateInvocation, requester)
	if err != nil {
		return activities.CheckedGate{}, err
	}
	if now.Unforeseen != "" {
		return activities.CheckedGate{}, fault.Wrap(fault.Unavailable, errors.New(now.Unforeseen), "what was approved can't be compared with what would be done now")
	}
	document, shown := now.document()
	if shown == in.Shown {
		return activities.CheckedGate{Shown: shown}, nil
	}
	id := activities.GateID(in.Run.Task, in.Run.Attempt, in.Step)
	if err := g.Approvals.ReopenApproval(ctx, id, in.Shown, shown, document, expires(in.Approval)); err != nil {
		return activities.CheckedGate{}, err
	}
	key := round(id, shown)
	err = g.Journal.Log(ctx, in.Run.Task, key+"/again", in.Step, "", "What was approved is no longer what would be done; asking again: "+g.link(id))
	if err == nil {
		err = g.ask(ctx, Opened{
			ID: id, Task: in.Run.Task, Title: in.StepName + " (it has changed, and earlier decisions no longer count)", Requester: requester,
			Approval: in.Approval, Expires: expires(in.Approval),
		}, in.Approval.InStages()[0].Approvers, key)
	}
	return activities.CheckedGate{Shown: shown}, err
}
