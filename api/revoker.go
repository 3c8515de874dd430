package api

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/store"
)

type revokeStore interface {
	// Revocations lists the grants whose end was asked for and that the engine was not told of.
	Revocations(ctx context.Context, limit int) ([]store.Revocation, error)
	RevocationSent(ctx context.Context, id string) error
	Lease(ctx context.Context, id string) (store.Lease, error)
	Notify(ctx context.Context, n notice.Notice) error
}

const revocationsAtOnce = 100

// revoker tells the leases what was promised: that they end. Telling one twice is telling it once.
type revoker struct {
	*loop.Loop
	store  revokeStore
	engine Engine
	log    *slog.Logger
}

func newRevoker(s revokeStore, e Engine, log *slog.Logger) *revoker {
	r := &revoker{store: s, engine: e, log: log}
	r.Loop = loop.New(reconcileEvery, r.pass, func(err error, again any) { log.Warn("grants can't be revoked yet", "error", err, "again", again) })
	return r
}

func (r *revoker) pass(ctx context.Context) (more bool, err error) {
	list, err := r.store.Revocations(ctx, revocationsAtOnce)
	if err != nil {
		return false, err
	}
	for _, l := range list {
		switch err := r.engine.Revoke(ctx, l.ID, l.Why); {
		case errors.Is(err, fault.NotFound):
			if err := r.orphaned(ctx, l.ID); err != nil {
				return false, err
			}
		case err != nil:
			return false, err
		}
		if err := r.store.RevocationSent(ctx, l.ID); err != nil {
			return false, err
		}
	}
	return len(list) == revocationsAtOnce, nil
}

// orphaned tells people of a grant whose lease is gone, unless it has just ended: somebody has terminated its workflow, and
// nothing ends it any more.
func (r *revoker) orphaned(ctx context.Context, id string) error {
	l, err := r.store.Lease(ctx, id)
	if err != nil || l.EndedAt != nil {
		return err
	}
	r.log.Error("a grant has no lease that could end it", "lease", id, "task", l.Task)
	to := l.Owner
	if to == "" {
		to = l.Requester
	}
	return r.store.Notify(ctx, notice.Notice{
		Key: id + "/orphaned", Kind: notice.UndoFailed, To: []string{to}, Task: l.Task,
		Title: "Access of " + l.Requester + " can't end by itself: " + l.Step,
		Text:  "Its lease was ended from outside. Take it back with: gildway task rollback " + l.Task,
	})
}
