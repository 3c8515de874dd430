package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

func (g *Gate) decide(ctx context.Context, in activities.DecideInput, now time.Time) (activities.Decided, error) {
	said, err := g.Verifier.Verify(in.Statement, now)
	if err != nil {
		return activities.Decided{}, g.refuse(ctx, in, "", err)
	}
	d, err := g.admit(ctx, in, said)
	if err == nil {
		err = g.Approvals.RecordDecision(ctx, in.Gate, d.By, d.As, string(d.Verdict), d.Comment, d.Nonce, d.At)
	}
	if err != nil {
		return activities.Decided{}, g.refuse(ctx, in, said.Approver, err)
	}
	all := append(slices.Clone(in.Before), d)
	if err := g.tell(ctx, in, d, all); err != nil {
		return activities.Decided{}, err
	}
	return activities.Decided{Decision: d, Outcome: in.Approval.Decide(in.Requester, all)}, nil
}

// admit checks that a genuine statement is about this gate and that its author may decide now.
func (g *Gate) admit(ctx context.Context, in activities.DecideInput, said identity.Statement) (plan.Decision, error) {
	verdict := plan.Verdict(said.Verdict)
	switch {
	case said.Gate != in.Gate || said.Task != in.Task:
		return plan.Decision{}, fault.New(fault.Denied, "the decision was made about another approval")
	case said.Digest != in.Digest:
		return plan.Decision{}, fault.New(fault.Denied, "the decision was made about another plan or other values")
	case verdict != plan.Approve && verdict != plan.Reject:
		return plan.Decision{}, fault.New(fault.Denied, "the decision is neither approve nor reject")
	}
	by, err := user(said.Approver)
	if err != nil {
		return plan.Decision{}, fault.Wrap(fault.Denied, err, "the decision was not made by a user")
	}
	requester, err := user(in.Requester)
	if err != nil {
		return plan.Decision{}, err
	}
	if by == requester {
		return plan.Decision{}, fault.New(fault.Denied, "whoever asks can't decide: %s is the requester", by)
	}
	if slices.ContainsFunc(in.Before, func(d plan.Decision) bool { return d.Nonce == said.Nonce }) {
		return plan.Decision{}, fault.New(fault.Conflict, "this decision was counted already")
	}
	as, err := g.role(ctx, by, in.Approval.Approvers)
	if err != nil {
		return plan.Decision{}, err
	}
	return plan.Decision{By: by, As: as, Verdict: verdict, Comment: said.Comment, Nonce: said.Nonce, At: said.IssuedAt.UTC()}, nil
}

// role is the approver ref that admits a user: themselves, or a group they are in at this moment.
func (g *Gate) role(ctx context.Context, by string, approvers []string) (string, error) {
	if slices.Contains(approvers, by) {
		return by, nil
	}
	groups, err := g.Directory.Groups(ctx, by)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return "", err
	}
	for _, approver := range approvers {
		if slices.Contains(groups, approver) {
			return approver, nil
		}
	}
	return "", fault.New(fault.Denied, "%s is not among the approvers", by)
}

// refuse writes a final refusal to the audit log, once, before it is told.
func (g *Gate) refuse(ctx context.Context, in activities.DecideInput, by string, refusal error) error {
	f := fault.From(refusal)
	if !f.Kind.Final() {
		return refusal
	}
	if by == "" {
		by = "unknown"
	}
	sum := sha256.Sum256([]byte(in.Statement))
	key := in.Gate + "/refused/" + hex.EncodeToString(sum[:16])
	err := g.Journal.Audit(ctx, in.Task, key, "approval-refused", by, map[string]any{
		"gate": in.Gate, "kind": string(f.Kind), "reason": f.Public, "digest": in.Digest,
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the refusal could not be written to the audit log")
	}
	return refusal
}
