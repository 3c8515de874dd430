package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

type leaseStore interface {
	Leases(ctx context.Context, f store.LeaseFilter) ([]store.Lease, error)
	Lease(ctx context.Context, id string) (store.Lease, error)
	LoginsOf(ctx context.Context, person string) ([]string, error)
	Staying(ctx context.Context, person string, logins []string) ([]store.Staying, error)
	AskToRevoke(ctx context.Context, ids []string, by, why string) error
	Revocations(ctx context.Context, limit int) ([]store.Revocation, error)
	RevocationSent(ctx context.Context, id string) error
	Notify(ctx context.Context, n notice.Notice) error
}

type claimStore interface {
	// ClaimCollection reserves a step's key for the first who asks; everybody else gets a Gone fault.
	ClaimCollection(ctx context.Context, task, step, by string) error
	ReleaseCollection(ctx context.Context, task, step string) error
	Audit(ctx context.Context, task, key, kind, actor string, data map[string]any) error
}

// Keys hands over what a step has minted, once: the second time is a Gone fault, and nothing there a NotFound
// one. claim is asked first, if there is something. *vault.Handover implements it.
type Keys interface {
	Collect(ctx context.Context, task, step string, claim func(context.Context) error) (vault.Collected, error)
}

func (h handlers) ListAccess(ctx context.Context, r ListAccessRequestObject) (ListAccessResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := store.LeaseFilter{Task: r.Params.Task, State: r.Params.State, Person: canonicalUser(r.Params.User), Before: page.before, Limit: page.limit + 1}
	if filter.Person != "" {
		if filter.Logins, _, err = h.loginsOf(ctx, filter.Person); err != nil {
			return nil, err
		}
	}
	caller := callerOf(ctx)
	if err := h.learnGroups(ctx, &caller); err != nil {
		return nil, err
	}
	if all, err := h.readsAll(ctx, &caller); err != nil {
		return nil, err
	} else if !all {
		filter.Requester, filter.Owners = caller.Ref, append([]string{caller.Ref}, caller.Groups...)
	}
	found, err := h.Store.Leases(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListAccess200JSONResponse{Items: []Lease{}}
	for i, l := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, shownLease(l))
	}
	return list, nil
}

func shownLease(l store.Lease) Lease {
	shown := Lease{
		Id: l.ID, Task: l.Task, Step: l.Step, Action: l.Action, Requester: l.Requester, Template: l.Template, State: l.State,
		Output: l.Output, OpenedAt: moment(l.OpenedAt), ExpiresAt: moment(l.ExpiresAt), EndedAt: momentOf(l.EndedAt),
		Renewable: policyOf(l).Renewable, RenewedBy: renewedBy(l), RevokedAt: momentOf(l.RevokedAt),
		CheckedAt: momentOf(l.CheckedAt), Unchecked: l.Unchecked, UncheckedSince: momentOf(l.FailingSince),
	}
	if l.Drift != "" {
		shown.Drift = &LeaseDrift{Kind: l.Drift, Says: l.Says, Since: momentOf(l.DriftedAt)}
	}
	return shown
}

// policyOf is what the template says of a grant. One of an older release can't be renewed.
func policyOf(l store.Lease) (p plan.Lease) {
	_ = json.Unmarshal(l.Policy, &p) // the worker wrote it
	return p
}

func renewedBy(l store.Lease) []string { return policyOf(l).Approvers }

// canonicalUser makes a user ref of what people write; anything else stays, and nobody is called so.
func canonicalUser(s string) string {
	if s == "" {
		return ""
	}
	if ref, err := plan.ParseEntityRef(s, "user"); err == nil {
		return ref.String()
	}
	return s
}

// mintingActions are those whose output says where to collect something.
func mintingActions(actions []plan.Action) map[string]bool {
	minting := map[string]bool{}
	for _, a := range actions {
		var output struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		if json.Unmarshal(a.Output, &output) == nil && output.Properties["collect"] != nil {
			minting[a.ID] = true
		}
	}
	return minting
}

func (h handlers) CollectKeys(ctx context.Context, _ CollectKeysRequestObject) (CollectKeysResponseObject, error) {
	a := askedIn(ctx)
	run, err := runOf(a.task)
	if err != nil {
		return nil, err
	}
	list := CollectKeys200JSONResponse{Items: []CollectedKey{}}
	var before bool
	for _, step := range run.Plan.Steps {
		if !h.minting[step.Action] {
			continue
		}
		key, err := h.collect(ctx, a.task.ID, step.ID, a.caller.Ref)
		switch {
		case errors.Is(err, fault.Gone):
			before = true
		case errors.Is(err, fault.NotFound): // nothing there, or not yet
		case err != nil && len(list.Items) > 0: // what has been taken must reach its owner; the rest can be asked for again
			h.Log.Error("a key could not be collected", "task", a.task.ID, "step", step.ID, "error", err)
		case err != nil:
			return nil, err
		default:
			list.Items = append(list.Items, key)
		}
	}
	switch {
	case len(list.Items) > 0:
		return list, nil
	case before:
		return nil, fault.New(fault.Gone, "the keys of this task were collected before; a key is handed over once")
	default:
		return nil, fault.New(fault.NotFound, "this task has no key to collect, or none yet")
	}
}

func (s *Server) collect(ctx context.Context, task, step, by string) (CollectedKey, error) {
	// Once it has begun it is finished: a client that goes away must not leave a claim without a key.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	claimed := false
	key, err := s.Keys.Collect(ctx, task, step, func(ctx context.Context) error {
		err := s.Store.ClaimCollection(ctx, task, step, by)
		claimed = err == nil
		return err
	})
	if err != nil && claimed {
		err = errors.Join(err, s.Store.ReleaseCollection(ctx, task, step))
	}
	if err != nil {
		return CollectedKey{}, err
	}
	if err := s.Store.Audit(ctx, task, task+"/collected/"+step, "key-collected", by, map[string]any{"step": step, "path": key.Mount + "/" + key.Path}); err != nil {
		s.Log.Error("a handed over key is not in the audit log", "task", task, "step", step, "error", err)
	}
	token := key.WrappingToken.Reveal()
	return CollectedKey{
		Step: step, WrappingToken: token, Mount: key.Mount, Path: key.Path, Address: key.Address, ExpiresAt: moment(key.ExpiresAt),
		HowTo: fmt.Sprintf("export VAULT_ADDR=%s; export VAULT_TOKEN=$(vault unwrap -field=token %s); vault kv get -mount=%s %s",
			key.Address, token, key.Mount, key.Path),
	}, nil
}
