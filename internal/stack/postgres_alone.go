package stack

import (
	"context"
	"errors"
	"time"
)

// StartPostgres is Start without Temporal and Vault, for whoever needs a database and nothing else.
// Of the options only StateDir, Ports.Postgres, Progress and Log count.
func StartPostgres(ctx context.Context, o Options) (*Stack, error) {
	dir, err := openStateDir(o.StateDir)
	if err != nil {
		return nil, err
	}
	s := newStack(ctx, dir, o)
	if err := s.startDatabase(ctx, o); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopCtx))
	}
	return s, nil
}

func (s *Stack) startDatabase(ctx context.Context, o Options) error {
	if err := stopLeftovers(ctx, s.dir.file("run"), s.log); err != nil {
		return err
	}
	var err error
	if s.Ports, err = resolvePorts(Ports{Postgres: o.Ports.Postgres}, s.dir.file("ports.json")); err != nil {
		return err
	}
	db, err := s.startPostgres(ctx)
	if err != nil {
		return err
	}
	s.PostgresURL, err = db.create(ctx, db.name())
	return err
}
