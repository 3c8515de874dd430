package api

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/store"
)

type reviewStore interface {
	Reviews(ctx context.Context, f store.ReviewFilter) ([]store.Review, error)
	Review(ctx context.Context, id string) (store.Review, error)
	ReviewItems(ctx context.Context, id string) ([]store.ReviewItem, error)
}

func (s *Server) findReview(c echo.Context, a *asked) error {
	id, err := url.PathUnescape(c.Param("reviewId"))
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "there is no such access review")
	}
	a.review, err = s.Store.Review(c.Request().Context(), id)
	return err
}

func (s *Server) mayReadReview(c echo.Context, a *asked) error {
	if err := s.findReview(c, a); err != nil {
		return err
	}
	all, err := s.readsAll(c.Request().Context(), &a.caller)
	if err == nil && !all && !identity.MayReview(a.caller, a.review.Owner) {
		return fault.New(fault.Denied, "%s may not read this access review", a.caller.Ref)
	}
	return err
}

// mayDecideReview asks the directory and not the token: membership counts at this moment.
func (s *Server) mayDecideReview(c echo.Context, a *asked) (err error) {
	if err := s.findReview(c, a); err != nil {
		return err
	}
	if a.caller.Kind == identity.User {
		if a.caller.Groups, err = s.groups(c.Request().Context(), a.caller.Ref); err != nil {
			return err
		}
	}
	asked := identity.Resource{Approvers: []string{a.review.Owner}}
	if !identity.MayReview(a.caller, a.review.Owner) || !s.Policy.Allows(a.caller, identity.Approve, asked) {
		return fault.New(fault.Denied, "%s may not review what templates of %s have granted", a.caller.Ref, a.review.Owner)
	}
	return nil
}

func (h handlers) ListAccessReviews(ctx context.Context, r ListAccessReviewsRequestObject) (ListAccessReviewsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := store.ReviewFilter{Open: r.Params.State == "open", Before: page.before, Limit: page.limit + 1}
	caller := callerOf(ctx)
	if all, err := h.readsAll(ctx, &caller); err != nil {
		return nil, err
	} else if !all {
		filter.Owners = append([]string{caller.Ref}, caller.Groups...)
	}
	found, err := h.Store.Reviews(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListAccessReviews200JSONResponse{Items: []AccessReview{}}
	for i, review := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, shownReview(review, nil))
	}
	return list, nil
}

func (h handlers) GetAccessReview(ctx context.Context, _ GetAccessReviewRequestObject) (GetAccessReviewResponseObject, error) {
	review := askedIn(ctx).review
	items, err := h.Store.ReviewItems(ctx, review.ID)
	return GetAccessReview200JSONResponse(shownReview(review, items)), err
}

// DecideAccessReview hands the caller's signed decisions to the review, which checks them again and carries them out.
func (h handlers) DecideAccessReview(ctx context.Context, r DecideAccessReviewRequestObject) (DecideAccessReviewResponseObject, error) {
	a := askedIn(ctx)
	if a.review.ClosedAt != nil {
		return nil, fault.New(fault.Conflict, "this review is closed")
	}
	items, err := h.Store.ReviewItems(ctx, a.review.ID)
	if err != nil {
		return nil, err
	}
	in := activities.DecideReview{Confirm: r.Body.Confirm, Revoke: r.Body.Revoke}
	if r.Body.ConfirmAll {
		logins, _, err := h.loginsOf(ctx, a.caller.Ref)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			named := slices.Contains(in.Confirm, i.Lease) || slices.Contains(in.Revoke, i.Lease)
			if i.Verdict == "" && !i.Ended && !named && !i.Of(a.caller.Ref, logins) {
				in.Confirm = append(in.Confirm, i.Lease)
			}
		}
	}
	if len(in.Confirm)+len(in.Revoke) == 0 {
		return nil, fault.New(fault.Invalid, "nothing is confirmed or revoked; name grants of the review, other than your own")
	}
	in.Statement, err = h.Signer.Sign(identity.Statement{
		Approver: a.caller.Ref, Gate: a.review.ID, Digest: in.Digest(), Verdict: activities.ReviewVerdict, Comment: r.Body.Comment,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the decision could not be signed")
	}
	if err := h.Engine.Review(ctx, a.review.ID, in); err != nil {
		return nil, err
	}
	h.revoker.Hurry()
	now, err := h.Store.Review(ctx, a.review.ID)
	if err != nil {
		return nil, err
	}
	items, err = h.Store.ReviewItems(ctx, a.review.ID)
	return DecideAccessReview200JSONResponse(shownReview(now, items)), err
}

func shownReview(r store.Review, items []store.ReviewItem) AccessReview {
	shown := AccessReview{
		Id: r.ID, Owner: r.Owner, State: "open", OpenedAt: moment(r.OpenedAt), DueAt: moment(r.DueAt), ClosedAt: momentOf(r.ClosedAt),
		Grants: r.Items, Left: r.Left,
	}
	if r.ClosedAt != nil {
		shown.State = "closed"
	}
	for _, i := range items {
		shown.Items = append(shown.Items, ReviewedGrant{
			Lease: i.Lease, Task: i.Task, Step: i.Step, Action: i.Action, Template: i.Template, Requester: i.Requester, Grantee: i.Grantee,
			ExpiresAt: moment(i.ExpiresAt), Ended: i.Ended, Verdict: i.Verdict, DecidedBy: i.DecidedBy, DecidedAt: momentOf(i.DecidedAt), Comment: i.Comment,
		})
	}
	return shown
}

// Review implements Engine. When no worker answers in time the caller can ask again: what was decided stays decided.
func (e *TemporalEngine) Review(ctx context.Context, review string, in activities.DecideReview) error {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: review, UpdateName: activities.ReviewMessage, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return fault.Wrap(fault.Conflict, err, "this review is closed")
	}
	return decisionFault(err)
}
