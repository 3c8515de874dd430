package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// LoadCheckpoint gives the value that was first stored under key and name, if there is one.
func (s *Store) LoadCheckpoint(ctx context.Context, key, name string) (value json.RawMessage, found bool, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, `select value from checkpoints where key = $1 and name = $2`, key, name).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		found = err == nil
		return err
	})
	return value, found, err
}

// SaveCheckpoint stores a value unless there is one, and gives the one that counts from now on.
func (s *Store) SaveCheckpoint(ctx context.Context, key, name string, value json.RawMessage) (kept json.RawMessage, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `insert into checkpoints (key, name, value) values ($1, $2, $3) on conflict (key, name) do nothing`, key, name, value)
		if err != nil {
			return err
		}
		return s.pool.QueryRow(ctx, `select value from checkpoints where key = $1 and name = $2`, key, name).Scan(&kept)
	})
	return kept, err
}

// ForgetCall removes what is remembered of a call that was undone, so that it can be made again: its checkpoints
// and that its key was collected.
func (s *Store) ForgetCall(ctx context.Context, task, step, key string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `delete from checkpoints where key = $1`, key); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `delete from key_collections where task = $1 and step = $2`, task, step)
			return err
		})
	})
}

// ClaimCollection reserves a step's minted key for the first who asks. Everybody after that, the
// first one included, gets a Gone fault.
func (s *Store) ClaimCollection(ctx context.Context, task, step, by string) error {
	return s.once(ctx, func(ctx context.Context) error {
		made, err := s.pool.Exec(ctx, `insert into key_collections (task, step, collected_by) values ($1, $2, $3)
			on conflict (task, step) do nothing`, task, step, by)
		if err == nil && made.RowsAffected() == 0 {
			return fault.New(fault.Gone, "the key of step %s was collected before", step)
		}
		return err
	})
}

// ReleaseCollection takes a claim back whose key was not handed over.
func (s *Store) ReleaseCollection(ctx context.Context, task, step string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `delete from key_collections where task = $1 and step = $2`, task, step)
		return err
	})
}
