package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/store"
)

func (h handlers) GetAccess(ctx context.Context, _ GetAccessRequestObject) (GetAccessResponseObject, error) {
	return GetAccess200JSONResponse(shownLease(askedIn(ctx).lease)), nil
}

// RenewAccess hands the caller's signed wish to the lease, which checks it again. A requester who may not renew
// themselves asks those who may.
func (h handlers) RenewAccess(ctx context.Context, r RenewAccessRequestObject) (RenewAccessResponseObject, error) {
	a := askedIn(ctx)
	l := a.lease
	switch {
	case l.EndedAt != nil || l.RevokedAt != nil:
		return nil, fault.New(fault.Conflict, "this access has ended")
	case !policyOf(l).Renewable:
		return nil, fault.New(fault.Conflict, "this access can't be renewed; ask for it anew")
	}
	if !identity.MayRenew(a.caller, identity.Lease{Requester: l.Requester, Owner: l.Owner, Approvers: renewedBy(l)}) {
		return h.askToRenew(ctx, a.caller, l)
	}
	statement, err := h.Signer.Sign(identity.Statement{
		Approver: a.caller.Ref, Task: l.Task, Gate: l.ID, Digest: activities.RenewalOf(l.ExpiresAt), Verdict: activities.RenewVerdict,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the renewal could not be signed")
	}
	renewed, err := h.Engine.Renew(ctx, l.ID, renewalID(a.caller.Ref, r.Params.IdempotencyKey), activities.RenewLease{Statement: statement})
	if err != nil {
		return nil, err
	}
	return RenewAccess200JSONResponse{Id: l.ID, State: "renewed", ExpiresAt: moment(renewed.Expires)}, nil
}

// renewalID names a wish of a caller; none is as good as any.
func renewalID(caller, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	return "renew/" + hex.EncodeToString(sum[:])
}

func (h handlers) askToRenew(ctx context.Context, caller identity.Principal, l store.Lease) (RenewAccessResponseObject, error) {
	who := renewedBy(l)
	if len(who) == 0 {
		return nil, fault.New(fault.Denied, "%s may not renew this access", caller.Ref)
	}
	key := l.ID + "/asked/" + activities.RenewalOf(l.ExpiresAt)
	if err := h.Store.Audit(ctx, l.Task, key, "lease-renewal-asked", caller.Ref, map[string]any{"lease": l.ID}); err != nil {
		return nil, err
	}
	due := l.ExpiresAt.UTC()
	err := h.Store.Notify(ctx, notice.Notice{
		Key: key, Kind: notice.RenewalAsked, To: who, Task: l.Task, Due: &due,
		Title: fmt.Sprintf("%s asks to keep access beyond %s", caller.Ref, due.Format(time.RFC1123)),
		Text:  "Renew it with: gildway access renew " + l.ID,
	})
	if err != nil {
		return nil, err
	}
	return RenewAccess202JSONResponse{Id: l.ID, State: "asked", ExpiresAt: moment(l.ExpiresAt), Asked: who}, nil
}

func (h handlers) RevokeAccess(ctx context.Context, r RevokeAccessRequestObject) (RevokeAccessResponseObject, error) {
	a := askedIn(ctx)
	if a.lease.EndedAt != nil {
		return nil, fault.New(fault.Conflict, "this access is %s already", a.lease.State)
	}
	why := ""
	if r.Body != nil {
		why = r.Body.Reason
	}
	if err := h.revoke(ctx, a.caller, why, a.lease.ID); err != nil {
		return nil, err
	}
	l, err := h.Store.Lease(ctx, a.lease.ID)
	if err != nil {
		return nil, err
	}
	return RevokeAccess202JSONResponse(shownLease(l)), nil
}

// leaversPage is how many grants of a person are looked at in one go.
const leaversPage = 500

func (h handlers) RevokeAccessOf(ctx context.Context, r RevokeAccessOfRequestObject) (RevokeAccessOfResponseObject, error) {
	caller := callerOf(ctx)
	person := canonicalUser(r.Body.User)
	if !strings.HasPrefix(person, "user:") {
		return nil, fault.New(fault.Invalid, "%q is not a user ref; write user:default/name", r.Body.User)
	}
	logins, unsure, err := h.loginsOf(ctx, person)
	if err != nil {
		return nil, err
	}
	list := RevokeAccessOf202JSONResponse{Items: []Lease{}, Unsure: unsure}
	var ids []string
	for filter := (store.LeaseFilter{Person: person, Logins: logins, State: "active", Limit: leaversPage}); ; {
		found, err := h.Store.Leases(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if h.mayWithLease(caller, identity.Revoke, l) {
				ids = append(ids, l.ID)
				list.Items = append(list.Items, shownLease(l))
			}
			filter.Before = l.Seq
		}
		if len(found) < leaversPage {
			break
		}
	}
	staying, err := h.Store.Staying(ctx, person, logins)
	if err != nil {
		return nil, err
	}
	for _, g := range staying {
		if h.mayWithLease(caller, identity.Revoke, store.Lease{Template: g.Template, Owner: g.Owner, Tags: g.Tags, Requester: g.Requester}) {
			list.Stays = append(list.Stays, shownStaying(g, person))
		}
	}
	why := r.Body.Reason
	if why == "" {
		why = "all access of " + person + " was revoked"
	}
	return list, h.revoke(ctx, caller, why, ids...)
}

// loginsOf are what a person is called where something is granted to a login, in lower case: their e-mail address, and what
// providers have called them before. unsure says why some may be missing.
func (s *Server) loginsOf(ctx context.Context, person string) (logins []string, unsure string, err error) {
	if logins, err = s.Store.LoginsOf(ctx, person); err != nil || !strings.HasPrefix(person, "user:") {
		return logins, "", err
	}
	email, err := s.Directory.Email(ctx, person)
	if err != nil {
		return logins, "What was granted to a login of " + person + " may be missing: " + fault.From(err).Public, nil
	}
	return append(logins, strings.ToLower(email)), "", nil
}

func shownStaying(g store.Staying, person string) StayingGrant {
	says := "it has no lease; take it back with: gildway task rollback " + g.Task
	if g.Team {
		says = "it is a whole team's; take " + person + " out of the group by hand"
	}
	return StayingGrant{Task: g.Task, Step: g.Step, Action: g.Action, Requester: g.Requester, Lease: g.Lease, Says: says}
}

// revoke promises the end of grants. The revoker keeps the promise.
func (h handlers) revoke(ctx context.Context, caller identity.Principal, why string, ids ...string) error {
	text := "revoked by " + caller.Ref
	if why != "" {
		text += ": " + why
	}
	if err := h.Store.AskToRevoke(ctx, ids, caller.Ref, text); err != nil {
		return err
	}
	h.revoker.Hurry()
	return nil
}
