package worker

import (
	"context"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// leaseBook writes what lease workflows do into the read model.
type leaseBook struct{ store *store.Store }

func (b leaseBook) open(ctx context.Context, l activities.LeaseRecord) error {
	return fault.Seal(b.store.OpenLease(ctx, l.ID, l.Task, l.Step, l.Action, l.Requester, l.Template, l.Expires, l.Output))
}

func (b leaseBook) close(ctx context.Context, l activities.LeaseEnded) error {
	return fault.Seal(b.store.CloseLease(ctx, l.ID, l.State, l.At))
}
