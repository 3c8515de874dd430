package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lease is something that was granted and ends.
type Lease struct {
	ID        string
	Seq       int64 // grows with each lease
	Task      string
	Step      string
	Action    string
	Requester string
	Template  string
	Output    json.RawMessage
	State     string // active, expired or revoked
	OpenedAt  time.Time
	ExpiresAt time.Time
	EndedAt   *time.Time
}

// OpenLease shows a grant. The same one again changes nothing; one that was made again after its end, and so ends at
// another time, takes the place of the first.
func (s *Store) OpenLease(ctx context.Context, id, task, step, action, requester, template string, expires time.Time, output json.RawMessage) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				insert into leases (id, task, step, action, requester, template, output, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
				on conflict (id) do update set output = excluded.output, expires_at = excluded.expires_at, state = 'active', opened_at = now(), ended_at = null
				where leases.ended_at is not null and leases.expires_at <> excluded.expires_at`,
				id, task, step, action, requester, template, nullable(output), expires)
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, task, leaseKey(id, "opened", expires), "lease-opened", "gildway", map[string]any{
				"lease": id, "action": action, "for": requester, "expires": expires.UTC().Format(time.RFC3339),
			})
		})
	})
}

// CloseLease notes how a grant ended; the first end stays.
func (s *Store) CloseLease(ctx context.Context, id, state string, at time.Time) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `update leases set state = $2, ended_at = $3 where id = $1 and ended_at is null returning task::text, expires_at`,
				id, state, at)
			if err != nil {
				return err
			}
			ended, err := pgx.CollectRows(rows, pgx.RowToStructByPos[endedLease])
			if err != nil || len(ended) == 0 {
				return err
			}
			return appendAudit(ctx, tx, ended[0].Task, leaseKey(id, "ended", ended[0].Expires), "lease-"+state, "gildway", map[string]any{"lease": id})
		})
	})
}

type endedLease struct {
	Task    string
	Expires time.Time
}

// leaseKey is the key of an audit entry: a grant that is made again has another end.
func leaseKey(id, what string, expires time.Time) string {
	return id + "/" + what + "/" + expires.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) // as Postgres keeps it
}

// LeaseFilter selects leases. What is empty selects all.
type LeaseFilter struct {
	Task      string
	State     string
	Requester string
	Before    int64 // Seq of the last one seen; 0 = from the newest
	Limit     int
}

// Leases lists leases, newest first.
func (s *Store) Leases(ctx context.Context, f LeaseFilter) (list []Lease, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select id, seq, task::text, step, action, requester, template, output, state, opened_at, expires_at, ended_at from leases
			where ($1 = '' or task = nullif($1, '')::uuid) and ($2 = '' or state = $2) and ($3 = '' or requester = $3) and ($4 = 0 or seq < $4)
			order by seq desc limit $5`, f.Task, f.State, f.Requester, f.Before, f.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Lease, err error) {
			err = row.Scan(&l.ID, &l.Seq, &l.Task, &l.Step, &l.Action, &l.Requester, &l.Template, &l.Output, &l.State, &l.OpenedAt, &l.ExpiresAt, &l.EndedAt)
			return l, err
		})
		return err
	})
	return list, err
}
