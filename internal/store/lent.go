package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// LendSecrets notes that secrets are about to be kept outside for an attempt at a task that doesn't exist yet, so that they are
// taken back if it never does.
func (s *Store) LendSecrets(ctx context.Context, task string, attempt int) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `insert into lent_secrets (task, attempt) values ($1, $2)
			on conflict (task, attempt) do update set since = now()`, task, attempt)
		return err
	})
}

// keepSecrets makes an attempt that begins to exist the owner of what was lent for it. From then on they end with it.
func keepSecrets(ctx context.Context, tx pgx.Tx, task string, attempt int) error {
	kept, err := tx.Exec(ctx, `delete from lent_secrets where task = $1 and attempt = $2`, task, attempt)
	if err == nil && kept.RowsAffected() == 0 {
		return fault.New(fault.Unavailable, "it took too long to accept this, and its secrets are no longer kept; submit it again")
	}
	return err
}

// TakeBackSecrets calls forget for an attempt that secrets were lent for so long ago and that has never come to be. It reports
// whether there was one.
func (s *Store) TakeBackSecrets(ctx context.Context, lent time.Duration, forget func(ctx context.Context, task string, attempt int) error) (found bool, err error) {
	err = s.once(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var task string
			var attempt int
			var owned bool
			// Locked, so that nobody begins the attempt meanwhile. One that was begun by somebody else has its secrets from there.
			err := tx.QueryRow(ctx, `
				select l.task::text, l.attempt, exists (select from tasks t where t.id = l.task and t.attempt >= l.attempt)
				from lent_secrets l where l.since < now() - $1::interval order by l.since limit 1 for update of l skip locked`, lent).
				Scan(&task, &attempt, &owned)
			if found = err == nil; errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err == nil && !owned {
				err = forget(ctx, task, attempt)
			}
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `delete from lent_secrets where task = $1 and attempt = $2`, task, attempt)
			return err
		})
	})
	return found, err
}
