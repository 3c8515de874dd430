// Package store keeps in Postgres what was promised and what people are shown: the promise of
// acceptance and the read model. It is the only place with SQL.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/gildway/gildway/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a pool of connections to a migrated database. Its methods may be called concurrently; they
// return faults, and try again by themselves where a lost connection or a lost race allows it.
type Store struct {
	pool *pgxpool.Pool
}

// Open connects to the database and migrates it. Several processes may do so at once: one migrates,
// the others wait.
func Open(ctx context.Context, url string) (*Store, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("the database URL can't be used: %w", err)
	}
	s := &Store{pool: pool}
	err = s.retry(ctx, func(ctx context.Context) error {
		provider, err := s.migrator()
		if err != nil {
			return err
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("migrating the database: %w", err)
		}
		return nil
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the database: %w: %w", err, fault.From(err).Cause) // for whoever starts the process
	}
	return s, nil
}

// migrator's connections come from the pool and go back to it; there is nothing to close.
func (s *Store) migrator() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	once, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(s.pool), files,
		goose.WithSessionLocker(once), goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true))
}

// Close waits for running queries and gives the connections back.
func (s *Store) Close() { s.pool.Close() }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the database does not answer")
	}
	return nil
}

var errNoRow = errors.New("no such row")
