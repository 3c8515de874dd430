package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gildway/gildway/internal/fault"
)

const (
	tries     = 6
	firstWait = 20 * time.Millisecond
)

// retry runs an operation that may be repeated even if a try succeeded without our hearing of it.
func (s *Store) retry(ctx context.Context, op func(context.Context) error) error {
	return again(ctx, op, func(err error) bool { return fault.KindOf(err) == fault.Unavailable })
}

// once repeats an operation only if it surely did not happen.
func (s *Store) once(ctx context.Context, op func(context.Context) error) error {
	return again(ctx, op, func(err error) bool {
		var pg *pgconn.PgError
		return pgconn.SafeToRetry(err) || errors.As(err, &pg) && lostRace(pg.Code)
	})
}

func again(ctx context.Context, op func(context.Context) error, worthIt func(error) bool) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := classify(op(ctx))
		if err == nil || try == tries || !worthIt(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
			wait *= 3
		}
	}
}

func lostRace(code string) bool { return code == "40001" || code == "40P01" } // serialization failure, deadlock

// passing are the classes of errors that say more about the server, or our way to it, than about what was
// asked: connection, credential, database, rollback, resources, lock, operator, disk.
var passing = map[string]bool{"08": true, "28": true, "3D": true, "40": true, "53": true, "55": true, "57": true, "58": true}

// classify turns what the driver says into a fault. The kinds of PostgreSQL errors are those of its
// manual, appendix A.
func classify(err error) error {
	var known *fault.Error
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, errNoRow):
		return fault.Wrap(fault.NotFound, err, "there is no such record")
	case errors.As(err, &pg):
		switch {
		case passing[pg.Code[:2]], pg.Code == "25006": // read-only standby
			return fault.Wrap(fault.Unavailable, err, "the database can't do this right now")
		case pg.Code == "23505":
			return fault.Wrap(fault.Conflict, err, "this exists already")
		case pg.Code == "23503":
			return fault.Wrap(fault.NotFound, err, "there is no such record")
		case pg.Code[:2] == "22": // a value that its type can't hold, e.g. an id that is no uuid
			return fault.Wrap(fault.Invalid, err, "a value has a form that can't be stored")
		default:
			return fault.Wrap(fault.Internal, err, "something went wrong on our side; the log has the cause")
		}
	default: // no answer of the server at all
		return fault.Wrap(fault.Unavailable, err, "the database does not answer")
	}
}
