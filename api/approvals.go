package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

type approvalStore interface {
	Approvals(ctx context.Context, f store.ApprovalFilter) ([]store.Approval, error)
	Approval(ctx context.Context, id string) (store.Approval, error)
	// Approvers are all refs that may decide at any gate that the task has opened.
	Approvers(ctx context.Context, task string) ([]string, error)
}

// Signer proves to a worker that the API has checked who decides. *identity.Signer implements it.
type Signer interface {
	Sign(s identity.Statement) (string, error)
	// JWKS are the public keys of its signatures, as a JSON Web Key Set.
	JWKS() (json.RawMessage, error)
}

const defaultPage = 100

func (h handlers) ListApprovals(ctx context.Context, r ListApprovalsRequestObject) (ListApprovalsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := store.ApprovalFilter{Task: r.Params.Task, State: r.Params.State, Before: page.before, Limit: page.limit + 1}
	caller := callerOf(ctx)
	if all, err := h.readsAll(ctx, &caller); err != nil {
		return nil, err
	} else if !all {
		filter.VisibleTo = append([]string{caller.Ref}, caller.Groups...)
	}
	found, err := h.Store.Approvals(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListApprovals200JSONResponse{Items: []Approval{}}
	for i, a := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, shownApproval(a))
	}
	return list, nil
}

func (h handlers) GetApproval(ctx context.Context, _ GetApprovalRequestObject) (GetApprovalResponseObject, error) {
	return GetApproval200JSONResponse(shownApproval(askedIn(ctx).approval)), nil
}

func (h handlers) DecideApproval(ctx context.Context, r DecideApprovalRequestObject) (DecideApprovalResponseObject, error) {
	a := askedIn(ctx)
	if a.approval.State != string(plan.Pending) {
		return nil, fault.New(fault.Conflict, "this approval is already %s", a.approval.State)
	}
	task, err := h.Store.Task(ctx, a.approval.Task)
	if err != nil {
		return nil, err
	}
	if task.Digest != a.approval.Digest {
		return nil, fault.New(fault.Conflict, "what waits for approval is not what was submitted")
	}
	statement, err := h.Signer.Sign(identity.Statement{
		Approver: a.caller.Ref, Task: a.approval.Task, Gate: a.approval.ID, Digest: a.approval.Digest,
		Verdict: r.Body.Decision, Comment: r.Body.Comment,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the decision could not be signed")
	}
	decided, err := h.Engine.Decide(ctx, a.approval.Task, activities.DecideMessageInput{Gate: a.approval.ID, Statement: statement})
	if err != nil {
		return nil, err
	}
	if decided == nil {
		return DecideApproval202JSONResponse{Approval: a.approval.ID, State: string(plan.Pending)}, nil
	}
	return DecideApproval200JSONResponse{Approval: a.approval.ID, State: string(decided.Outcome)}, nil
}

func shownApproval(a store.Approval) Approval {
	shown := Approval{
		Id: a.ID, Task: a.Task, Step: a.Step, Title: a.Title, Reason: a.Reason, Digest: a.Digest, Requester: a.Requester,
		Template: a.Template, Approvers: a.Approvers, Required: a.Required, State: a.State, Why: a.Why,
		CreatedAt: moment(a.CreatedAt), ExpiresAt: momentOf(a.ExpiresAt), ClosedAt: momentOf(a.ClosedAt), Decisions: []ApprovalDecision{},
	}
	for _, d := range a.Decisions {
		shown.Decisions = append(shown.Decisions, ApprovalDecision{By: d.By, As: d.As, Verdict: d.Verdict, Comment: d.Comment, At: moment(d.At)})
	}
	return shown
}

// page is a place in a list that is read from its newest item on.
type page struct {
	before int64
	limit  int
}

func pageOf(limit int, cursor string) (page, error) {
	p := page{limit: limit}
	if limit == 0 {
		p.limit = defaultPage
	}
	if cursor == "" {
		return p, nil
	}
	var err error
	if p.before, err = strconv.ParseInt(cursor, 10, 64); err != nil || p.before < 1 {
		return p, fault.New(fault.Invalid, "the cursor is not the `next` of a page")
	}
	return p, nil
}
