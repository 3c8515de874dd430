package api

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

type approvalStore interface {
	Approvals(ctx context.Context, f store.ApprovalFilter) ([]store.Approval, error)
	Approval(ctx context.Context, id string) (store.Approval, error)
	// Approvers are all refs that may decide at any gate that the task has opened, also in somebody's place.
	Approvers(ctx context.Context, task string) ([]string, error)
}

// Signer proves to a worker that the API has checked who decides. *identity.Signer implements it.
type Signer interface {
	Sign(s identity.Statement) (string, error)
	// SignLink lets whoever holds the link decide one approval as one person.
	SignLink(l identity.Link) (string, error)
	// Link reads such a link's token; is tells if it is one.
	Link(token string, now time.Time) (l identity.Link, is bool, err error)
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
	gate := askedIn(ctx).approval
	statement, err := h.sign(ctx, *r.Body)
	if err != nil {
		if unnoted := h.noteRefused(ctx, r.Body.Decision, err); unnoted != nil {
			return nil, unnoted
		}
		return nil, err
	}
	decided, err := h.Engine.Decide(ctx, gate.Task, activities.DecideMessageInput{Gate: gate.ID, Statement: statement})
	if err != nil {
		return nil, err
	}
	if decided == nil {
		return DecideApproval202JSONResponse{Approval: gate.ID, State: string(plan.Pending)}, nil
	}
	return DecideApproval200JSONResponse{Approval: gate.ID, State: string(decided.Outcome)}, nil
}

// noteRefused writes down that somebody's decision came too late, or was about something else than what is shown, once for
// each person and verdict. What the worker refuses it writes down itself.
func (h handlers) noteRefused(ctx context.Context, decision string, refusal error) error {
	f := fault.From(refusal)
	if f.Kind != fault.Conflict {
		return nil
	}
	a := askedIn(ctx)
	key := a.approval.ID + "/refused/" + a.caller.Ref + "/" + decision
	return h.Store.Audit(ctx, a.approval.Task, key, "approval-refused", a.caller.Ref, map[string]any{
		"gate": a.approval.ID, "kind": string(f.Kind), "reason": f.Public,
	})
}

// SignDecision gives what DecideApproval would hand in.
func (h handlers) SignDecision(ctx context.Context, r SignDecisionRequestObject) (SignDecisionResponseObject, error) {
	gate := askedIn(ctx).approval
	statement, err := h.sign(ctx, *r.Body)
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(activities.DecideMessageInput{Gate: gate.ID, Statement: statement})
	if err != nil {
		return nil, err
	}
	return SignDecision200JSONResponse{
		Approval: gate.ID, Task: gate.Task, Signal: activities.DecideMessage, Statement: statement, Input: input,
	}, nil
}

// sign makes the caller's decision about the gate a statement, if the gate is still what they looked at.
func (h handlers) sign(ctx context.Context, said NewDecision) (string, error) {
	a := askedIn(ctx)
	if a.approval.State != string(plan.Pending) {
		return "", fault.New(fault.Conflict, "this approval is already %s", a.approval.State)
	}
	task, err := h.Store.Task(ctx, a.approval.Task)
	switch {
	case err != nil:
		return "", err
	case task.Digest != a.approval.Digest:
		return "", fault.New(fault.Conflict, "what waits for approval is not what was submitted")
	case said.Shown != "" && said.Shown != a.approval.Shown:
		return "", fault.New(fault.Conflict, "what waits for approval has changed; look at it again")
	case (said.Decision == string(plan.Delegate)) != (said.To != ""):
		return "", fault.New(fault.Invalid, "`to` names who decides instead, with the decision delegate and no other")
	}
	to := ""
	if said.To != "" {
		if to = canonicalUser(said.To); !strings.HasPrefix(to, "user:") {
			return "", fault.New(fault.Invalid, "%q is not a user ref; write user:default/name", said.To)
		}
	}
	statement, err := h.Signer.Sign(identity.Statement{
		Approver: a.caller.Ref, Task: a.approval.Task, Gate: a.approval.ID, Digest: a.approval.Digest, Shown: a.approval.Shown,
		Verdict: said.Decision, To: to, Comment: said.Comment, Via: via(a.caller),
	})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the decision could not be signed")
	}
	return statement, nil
}

func shownApproval(a store.Approval) Approval {
	shown := Approval{
		Id: a.ID, Task: a.Task, Step: a.Step, Title: a.Title, Reason: a.Reason, Digest: a.Digest, Requester: a.Requester,
		Template: a.Template, Approvers: a.Approvers, Required: a.Required, State: a.State, Why: a.Why,
		CreatedAt: moment(a.CreatedAt), ExpiresAt: momentOf(a.ExpiresAt), ClosedAt: momentOf(a.ClosedAt), Decisions: []ApprovalDecision{},
		Shown: a.Shown, Seen: a.Seen, Policy: a.Policy,
	}
	for _, d := range a.Decisions {
		shown.Decisions = append(shown.Decisions, ApprovalDecision{
			By: d.By, As: d.As, Verdict: d.Verdict, Comment: d.Comment, At: moment(d.At), Stage: d.Stage, To: d.To, For: d.For, Void: d.Void,
		})
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
