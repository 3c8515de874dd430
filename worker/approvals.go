package worker

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// gateBook writes what gates do into the read model.
type gateBook struct{ *store.Store }

// OpenApproval implements approval.Approvals.
func (b gateBook) OpenApproval(ctx context.Context, o approval.Opened) error {
	policy, err := json.Marshal(o.Approval)
	if err != nil {
		return err
	}
	return b.Store.OpenApproval(ctx, store.Approval{
		ID: o.ID, Task: o.Task, Step: o.Step, Title: o.Title, Reason: o.Approval.Reason, Digest: o.Digest, Requester: o.Requester,
		Template: o.Template, Approvers: o.Approval.Everybody(), Required: max(o.Approval.Required, 1), ExpiresAt: o.Expires,
		Shown: o.Shown, Seen: o.Seen, Policy: policy,
	})
}

// EscalateApproval implements approval.Approvals.
func (b gateBook) EscalateApproval(ctx context.Context, gate string, a plan.Approval, expires *time.Time) error {
	policy, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return b.Store.EscalateApproval(ctx, gate, a.Everybody(), policy, expires)
}

// RecordDecision implements approval.Approvals.
func (b gateBook) RecordDecision(ctx context.Context, gate string, d plan.Decision) error {
	return b.Store.RecordDecision(ctx, gate, store.Decision{
		By: d.By, As: d.As, Verdict: string(d.Verdict), Comment: d.Comment, At: d.At, Nonce: d.Nonce, Stage: d.Stage, To: d.To, For: d.For, Via: d.Via,
	})
}

// Decisions implements approval.Approvals.
func (b gateBook) Decisions(ctx context.Context, gate string) (counted []plan.Decision, err error) {
	a, err := b.Approval(ctx, gate)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	for _, d := range a.Decisions {
		if !d.Void {
			counted = append(counted, plan.Decision{
				By: d.By, As: d.As, Verdict: plan.Verdict(d.Verdict), Comment: d.Comment, Nonce: d.Nonce, At: d.At.UTC(), Stage: d.Stage, To: d.To, For: d.For,
			})
		}
	}
	return counted, err
}
