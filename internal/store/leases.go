package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
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

	Policy    json.RawMessage // plan.Lease; nil for grants of older releases, which can't be renewed
	RevokedAt *time.Time      // when somebody asked for its end
	Owner     string          // of the template
	Tags      []string        // of the template
	Standing
}

// Standing is how a grant was found at its provider.
type Standing struct {
	Drift        string     // gone, changed or overdue; "" = as it was granted, as far as anybody has looked
	Says         string     // what is not as it was granted
	DriftedAt    *time.Time // when that was seen first
	CheckedAt    *time.Time // when it was seen last; nil = never
	Unchecked    string     // why it can't be seen
	FailingSince *time.Time // since when it can't
}

// OpenLease shows a grant. The same one again changes nothing; one that was made again, and so ends at another time, takes the
// place of the first. That one has ended, or its lease gave up before its effect was done anew.
func (s *Store) OpenLease(ctx context.Context, l Lease) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				insert into leases (id, task, step, action, requester, template, output, expires_at, lease) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				on conflict (id) do update set output = excluded.output, expires_at = excluded.expires_at, lease = excluded.lease,
					state = 'active', opened_at = now(), ended_at = null, revoke_asked_at = null, revoke_sent_at = null, revoke_why = ''
				where leases.expires_at <> excluded.expires_at and (leases.ended_at is not null
					or exists (select from effects where 'lease/' || key = excluded.id and done_at > leases.opened_at))`,
				l.ID, l.Task, l.Step, l.Action, l.Requester, l.Template, nullable(l.Output), l.ExpiresAt, nullable(l.Policy))
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, l.Task, leaseKey(l.ID, "opened", l.ExpiresAt), "lease-opened", "gildway", map[string]any{
				"lease": l.ID, "action": l.Action, "for": l.Requester, "expires": l.ExpiresAt.UTC().Format(time.RFC3339),
			})
		})
	})
}

// RenewLease notes that a grant ends later. The same renewal again changes nothing. What its step handed over once can
// be collected again if there is a new output.
func (s *Store) RenewLease(ctx context.Context, id, by string, before, expires time.Time, output json.RawMessage) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `
				update leases set expires_at = $3, output = coalesce($4, output) where id = $1 and expires_at = $2 and ended_at is null
				returning task::text, step`, id, before, expires, nullable(output))
			if err != nil {
				return err
			}
			renewed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Task, Step string }])
			if err != nil || len(renewed) == 0 {
				return err
			}
			if output != nil {
				if _, err := tx.Exec(ctx, `delete from key_collections where task = $1 and step = $2`, renewed[0].Task, renewed[0].Step); err != nil {
					return err
				}
			}
			return appendAudit(ctx, tx, renewed[0].Task, leaseKey(id, "renewed", expires), "lease-renewed", by, map[string]any{
				"lease": id, "before": before.UTC().Format(time.RFC3339), "expires": expires.UTC().Format(time.RFC3339),
			})
		})
	})
}

// AskToRevoke notes that grants are to end, with who wants it and why. Those that have ended, or are to end already,
// stay as they are.
func (s *Store) AskToRevoke(ctx context.Context, ids []string, by, why string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return askToRevoke(ctx, tx, ids, by, why) })
	})
}

func askToRevoke(ctx context.Context, tx pgx.Tx, ids []string, by, why string) error {
	rows, err := tx.Query(ctx, `
		update leases set revoke_asked_at = now(), revoke_why = $2
		where id = any($1) and ended_at is null and revoke_asked_at is null
		returning id, task::text, expires_at`, ids, why)
	if err != nil {
		return err
	}
	asked, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		ID, Task string
		Expires  time.Time
	}])
	if err != nil {
		return err
	}
	for _, l := range asked {
		err := appendAudit(ctx, tx, l.Task, leaseKey(l.ID, "revoke", l.Expires), "lease-revoke-asked", by, map[string]any{"lease": l.ID, "why": why})
		if err != nil {
			return err
		}
	}
	return nil
}

// Revocation is a grant whose end was asked for, and the engine has not been told.
type Revocation struct{ ID, Why string }

// Revocations lists the grants that are to end, the longest waiting first.
func (s *Store) Revocations(ctx context.Context, limit int) (list []Revocation, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select id, revoke_why from leases where revoke_asked_at is not null and revoke_sent_at is null order by revoke_asked_at, id limit $1`, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Revocation])
		return err
	})
	return list, err
}

// CloseLease notes how a grant ended; the first end stays.
func (s *Store) CloseLease(ctx context.Context, id, state string, at time.Time) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return closeLease(ctx, tx, id, state, at) })
	})
}

func closeLease(ctx context.Context, tx pgx.Tx, id, state string, at time.Time) error {
	rows, err := tx.Query(ctx, `update leases set state = $2, ended_at = $3 where id = $1 and ended_at is null returning task::text, expires_at`,
		id, state, at)
	if err != nil {
		return err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowToStructByPos[endedLease])
	if err != nil || len(ended) == 0 {
		return err
	}
	key := leaseKey(id, "ended", ended[0].Expires)
	_, err = tx.Exec(ctx, `
		insert into notices (key, kind, recipients, task, title, body, link)
		select $2, $3, array[requester], task, 'Access has ended: ' || step || ' (' || action || ')', revoke_why, '' from leases where id = $1 and output is not null -- else nobody was told that it began
		on conflict (key) do nothing`, id, key, string(notice.LeaseEnded))
	if err != nil {
		return err
	}
	return appendAudit(ctx, tx, ended[0].Task, key, "lease-"+state, "gildway", map[string]any{"lease": id})
}

type endedLease struct {
	Task    string
	Expires time.Time
}

// leaseKey is the key of an audit entry: a grant that is made again has another end.
func leaseKey(id, what string, expires time.Time) string {
	return id + "/" + what + "/" + expires.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) // as Postgres keeps it
}

// RevocationSent notes that the engine knows that a grant is to end.
func (s *Store) RevocationSent(ctx context.Context, id string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `update leases set revoke_sent_at = now() where id = $1 and revoke_asked_at is not null`, id)
		return err
	})
}

// LeaseFilter selects leases. What is empty selects all.
type LeaseFilter struct {
	ID        string
	Task      string
	State     string
	Requester string
	Owners    []string // with Requester: or the template's owner is one of them
	Person    string   // who asked for it, or whom it was granted to
	Logins    []string // of the Person, in lower case: what was granted to one of these counts, too
	Before    int64    // Seq of the last one seen; 0 = from the newest
	Limit     int
}

// Leases lists leases, newest first.
func (s *Store) Leases(ctx context.Context, f LeaseFilter) (list []Lease, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select l.id, l.seq, l.task::text, l.step, l.action, l.requester, l.template, l.output, l.state, l.opened_at, l.expires_at, l.ended_at,
				l.lease, l.revoke_asked_at, t.owner, t.tags,
				case when now.is then st.drift else '' end, case when now.is then st.says else '' end, case when now.is and st.drift <> '' then st.drifted_at end,
				st.checked_at, coalesce(st.problem, ''), st.failing_since
			from leases l join tasks t on t.id = l.task
				left join effects e on e.key = substr(l.id, 7) and e.undone_at is null and l.ended_at is null -- lease/<key>
				left join access_standings st on st.key = e.key
				cross join lateral (select coalesce(st.drifted_at > e.done_at, false) as is) as now
			where ($1 = '' or l.task = nullif($1, '')::uuid) and ($2 = '' or l.state = $2) and ($3 = '' or l.requester = $3 or t.owner = any($8))
				and ($4 = 0 or l.seq < $4) and ($5 = '' or l.id = $5)
				and ($6 = '' or l.requester = $6 or l.output->>'user' = $6 or lower(l.output->>'login') = any($9))
			order by l.seq desc limit $7`, f.Task, f.State, f.Requester, f.Before, f.ID, f.Person, f.Limit, append([]string{}, f.Owners...), f.Logins)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Lease, err error) {
			err = row.Scan(&l.ID, &l.Seq, &l.Task, &l.Step, &l.Action, &l.Requester, &l.Template, &l.Output, &l.State, &l.OpenedAt, &l.ExpiresAt, &l.EndedAt,
				&l.Policy, &l.RevokedAt, &l.Owner, &l.Tags, &l.Drift, &l.Says, &l.DriftedAt, &l.CheckedAt, &l.Unchecked, &l.FailingSince)
			return l, err
		})
		return err
	})
	return list, err
}

// Lease gives one lease. One that isn't there is a NotFound fault.
func (s *Store) Lease(ctx context.Context, id string) (Lease, error) {
	found, err := s.Leases(ctx, LeaseFilter{ID: id, Limit: 1})
	if err == nil && len(found) == 0 {
		return Lease{}, fault.New(fault.NotFound, "there is no such grant")
	}
	if err != nil {
		return Lease{}, err
	}
	return found[0], nil
}
