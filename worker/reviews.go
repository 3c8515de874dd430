package worker

import (
	"context"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/lease"
	"github.com/gildway/gildway/internal/store"
)

// reviewBook is the record of access reviews.
type reviewBook struct{ store *store.Store }

// ReviewedOwners implements lease.Reviews.
func (b reviewBook) ReviewedOwners(ctx context.Context) ([]string, error) {
	return b.store.ReviewedOwners(ctx)
}

// Open implements lease.Reviews.
func (b reviewBook) Open(ctx context.Context, r activities.OpenReview) (int, error) {
	return b.store.OpenReview(ctx, r.ID, r.Owner, r.Due)
}

// Items implements lease.Reviews.
func (b reviewBook) Items(ctx context.Context, review string) ([]lease.ReviewItem, error) {
	found, err := b.store.ReviewItems(ctx, review)
	if err != nil {
		return nil, err
	}
	list := make([]lease.ReviewItem, len(found))
	for i, item := range found {
		list[i] = lease.ReviewItem{Lease: item.Lease, Of: []string{item.Requester, item.Grantee}, Verdict: item.Verdict, By: item.DecidedBy, Ended: item.Ended}
	}
	return list, nil
}

// Decide implements lease.Reviews.
func (b reviewBook) Decide(ctx context.Context, d lease.ReviewDecision) (left int, err error) {
	return b.store.DecideReview(ctx, store.ReviewDecision{
		Review: d.ID, By: d.By, Confirm: d.Said.Confirm, Revoke: d.Said.Revoke, Comment: d.Comment, Nonce: d.Nonce, Turn: d.Turn,
	})
}

// Close implements lease.Reviews.
func (b reviewBook) Close(ctx context.Context, review string) error {
	return b.store.CloseReview(ctx, review)
}
