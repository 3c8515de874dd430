package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Hold notes that a call needs a resource that others may need, too, and gives whether it is ours to remove in the end.
// found says that it is there at the moment: with nobody of ours to need it, somebody else has made it.
func (s *Store) Hold(ctx context.Context, resource, key string, found bool) (ours bool, err error) {
	err = s.holding(ctx, resource, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			insert into holds (resource, key, ours)
			values ($1, $2, not $3 or coalesce((select bool_or(ours) from holds where resource = $1), false))
			on conflict (resource, key) do update set ours = holds.ours or not $3
			returning ours`, resource, key, found).Scan(&ours)
	})
	return ours, err
}

// Holding is what a call has to do with a resource.
type Holding struct {
	Held bool // it has held it until now
	Ours bool // it is ours to remove
	Last bool // nobody else needs it
}

// LetGo gives a hold up, unless it is the last one on what is ours: that is gone with Gone, after the resource.
func (s *Store) LetGo(ctx context.Context, resource, key string) (h Holding, err error) {
	err = s.holding(ctx, resource, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			select coalesce(bool_or(key = $2), false), coalesce(bool_or(ours) filter (where key = $2), false), count(*) filter (where key <> $2) = 0
			from holds where resource = $1`, resource, key).Scan(&h.Held, &h.Ours, &h.Last)
		if err != nil || h.Ours && h.Last {
			return err
		}
		_, err = tx.Exec(ctx, `delete from holds where resource = $1 and key = $2`, resource, key)
		return err
	})
	return h, err
}

// Gone notes that a resource that a call was the last to hold is removed.
func (s *Store) Gone(ctx context.Context, resource, key string) error {
	return s.holding(ctx, resource, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from holds where resource = $1 and key = $2`, resource, key)
		return err
	})
}

// Held lists the resources that calls need whose names begin like this.
func (s *Store) Held(ctx context.Context, beginning string) (resources []string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select distinct resource from holds where starts_with(resource, $1) order by resource`, beginning)
		if err != nil {
			return err
		}
		resources, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return resources, err
}

// holding lets nobody else at a resource's holds meanwhile.
func (s *Store) holding(ctx context.Context, resource string, do func(pgx.Tx) error) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "hold/"+resource); err != nil {
				return err
			}
			return do(tx)
		})
	})
}
