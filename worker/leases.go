package worker

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// leaseBook writes what lease workflows do into the read model.
type leaseBook struct {
	store *store.Store
	log   *slog.Logger
}

func (b leaseBook) open(ctx context.Context, l activities.LeaseRecord) error {
	opened := store.Lease{
		ID: l.ID, Task: l.Task, Step: l.Step, Action: l.Action, Requester: l.Requester, Template: l.Template,
		ExpiresAt: l.Expires, Output: l.Output,
	}
	if l.Lease != nil {
		var err error
		if opened.Policy, err = json.Marshal(l.Lease); err != nil {
			return b.sealed(ctx, l.ID, err)
		}
	}
	return b.sealed(ctx, l.ID, b.store.OpenLease(ctx, opened))
}

func (b leaseBook) renewed(ctx context.Context, l activities.LeaseRenewed) error {
	return b.sealed(ctx, l.ID, b.store.RenewLease(ctx, l.ID, l.By, l.Before, l.Expires, l.Output))
}

func (b leaseBook) close(ctx context.Context, l activities.LeaseEnded) error {
	return b.sealed(ctx, l.ID, b.store.CloseLease(ctx, l.ID, l.State, l.At))
}

// sealed logs the cause, which must not reach Temporal's history.
func (b leaseBook) sealed(ctx context.Context, lease string, err error) error {
	if err != nil {
		f := fault.From(err)
		b.log.WarnContext(ctx, "a lease can't be written down", "lease", lease, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
	}
	return fault.Seal(err)
}
