package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

type driftStore interface {
	Drifts(ctx context.Context, f store.DriftFilter) ([]store.Drift, error)
}

// mostDrifts bounds the list of what is not as it was granted.
const mostDrifts = 1000

// mayCheck lets everybody look at their own access, and those at all access who see it all.
func (s *Server) mayCheck(c echo.Context, a *asked) error {
	if user := c.QueryParam("user"); user != "" && canonicalUser(user) == a.caller.Ref {
		return nil
	}
	all, err := s.readsAll(c.Request().Context(), &a.caller)
	if err == nil && !all {
		return fault.New(fault.Denied, "%s may have nobody's access checked but their own; name them as the user", a.caller.Ref)
	}
	return err
}

// CheckAccess begins a look at what was granted, unless one is going on. It changes nothing at a provider.
func (h handlers) CheckAccess(ctx context.Context, r CheckAccessRequestObject) (CheckAccessResponseObject, error) {
	user := canonicalUser(r.Params.User)
	if err := h.Engine.Check(ctx, callerOf(ctx).Ref, activities.CheckInput{User: user}); err != nil {
		return nil, err
	}
	said, err := h.Engine.Checking(ctx, user)
	return CheckAccess202JSONResponse(shownCheck(said)), err
}

func (h handlers) GetAccessCheck(ctx context.Context, r GetAccessCheckRequestObject) (GetAccessCheckResponseObject, error) {
	said, err := h.Engine.Checking(ctx, canonicalUser(r.Params.User))
	return GetAccessCheck200JSONResponse(shownCheck(said)), err
}

func shownCheck(c Checking) AccessCheck {
	return AccessCheck{
		State: c.State, StartedAt: momentOf(c.Started), EndedAt: momentOf(c.Ended),
		Checked: c.Found.Checked, Drifted: c.Found.Drifted, Unchecked: c.Found.Unchecked,
	}
}

func (h handlers) ListDrift(ctx context.Context, _ ListDriftRequestObject) (ListDriftResponseObject, error) {
	caller := callerOf(ctx)
	filter := store.DriftFilter{Limit: mostDrifts}
	if all, err := h.readsAll(ctx, &caller); err != nil {
		return nil, err
	} else if !all {
		filter.Requester, filter.Owners = caller.Ref, append([]string{caller.Ref}, caller.Groups...)
	}
	found, err := h.Store.Drifts(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListDrift200JSONResponse{Items: make([]Drift, len(found))}
	for i, d := range found {
		list.Items[i] = Drift{
			Kind: d.Kind, Says: d.Says, Since: moment(d.Since), Task: d.Task, Step: d.Step, Action: d.Action, Lease: d.Lease, Requester: d.Requester,
		}
	}
	return list, nil
}
