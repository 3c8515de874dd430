package approval

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	asked, err := parse(in.Input, requester)
	if err != nil {
		return activities.OpenedGate{}, err
	}
	var expires *time.Time
	if asked.Timeout > 0 {
		at := time.Now().Add(asked.Timeout.Std()).UTC()
		expires = &at
	}
	id := activities.GateID(in.Run.Task, in.Run.Attempt, in.Step)
	err = g.Approvals.OpenApproval(ctx, id, in.Run.Task, in.Step, in.StepName, asked.Reason, in.Digest, requester,
		in.Run.Template.Ref, asked.Approvers, asked.Required, expires)
	if err != nil {
		return activities.OpenedGate{}, err
	}
	err = g.Journal.Log(ctx, in.Run.Task, id+"/waits", in.Step, "", fmt.Sprintf("Waiting for approval by %s (0 of %d): %s",
		strings.Join(asked.Approvers, " or "), asked.Required, g.link(id)))
	return activities.OpenedGate{ID: id, Approval: asked}, err
}

// parse checks the input of approval:request. An approval that nobody could ever give is refused at
// once.
func parse(raw json.RawMessage, requester string) (plan.Approval, error) {
	var in activities.ApprovalInput
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return plan.Approval{}, fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s", activities.OpenGateActivity)
	}
	a := plan.Approval{Required: max(in.Required, 1), Reason: in.Reason}
	var problems []fault.Problem
	wrong := func(path, says, try string) {
		problems = append(problems, fault.Problem{Path: path, Rule: "approval", Says: says, Try: try})
	}
	people, groups := 0, 0
	for _, s := range in.Approvers {
		ref, err := plan.ParseEntityRef(s, "group")
		switch {
		case err != nil:
			wrong("input.approvers", err.Error(), "")
		case ref.Kind != "user" && ref.Kind != "group":
			wrong("input.approvers", ref.String()+" can't approve anything", "a user or group ref")
		case slices.Contains(a.Approvers, ref.String()):
		default:
			a.Approvers = append(a.Approvers, ref.String())
			if ref.Kind == "group" {
				groups++
			} else if ref.String() != requester {
				people++
			}
		}
	}
	switch {
	case len(in.Approvers) == 0:
		wrong("input.approvers", "nobody is named", "at least one user or group ref")
	case len(problems) == 0 && groups == 0 && people < a.Required:
		wrong("input.approvers", "too few people are named for the approvals that are required; the requester's own doesn't count", "name more approvers or require fewer")
	}
	if in.Timeout != "" {
		timeout, err := plan.ParseDuration(in.Timeout)
		if err != nil {
			wrong("input.timeout", err.Error(), "")
		} else if timeout < plan.Duration(time.Second) {
			wrong("input.timeout", "nobody can answer in "+in.Timeout, "leave it out to wait for ever")
		}
		a.Timeout = timeout
	}
	if len(problems) > 0 {
		says := make([]string, len(problems))
		for i, p := range problems {
			says[i] = p.String()
		}
		return plan.Approval{}, fault.WithProblems("Invalid input passed to action "+activities.OpenGateActivity+", "+strings.Join(says, ", "), problems)
	}
	return a, nil
}

func user(s string) (string, error) {
	ref, err := plan.ParseEntityRef(s, "user")
	if err != nil || ref.Kind != "user" {
		return "", fault.New(fault.Invalid, "%q is not a user ref", s)
	}
	return ref.String(), nil
}
