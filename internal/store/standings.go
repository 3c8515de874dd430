package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/notice"
)

// Grant is an effect that gives somebody access.
type Grant struct {
	Effect
	Ends   *time.Time // by its lease as it is now; nil = never
	Ending bool       // somebody has asked for its end
	Drift  string     // as it was found last; "" = as it was granted
	Says   string
}

// GrantFilter selects grants: effects of these actions that have answered and are not undone.
type GrantFilter struct {
	Actions []string
	Person  string   // who asked for it, or whom it was granted to; "" = all
	Logins  []string // of the Person, in lower case: what was granted to one of these counts, too
	Keys    []string // if not nil, only these
	After   int64    // Seq of the last one seen; 0 = from the oldest
	Limit   int
}

// Grants lists what was granted and is to be there, oldest first.
func (s *Store) Grants(ctx context.Context, f GrantFilter) (list []Grant, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select e.key, e.seq, e.task::text, e.step, e.action, e.queue, e.call, e.output, e.began_at, e.done_at, e.undone_at, e.problem, e.tried_at,
				l.expires_at, l.revoke_asked_at is not null, coalesce(st.drift, ''), coalesce(st.says, '')
			from effects e
				left join leases l on l.id = 'lease/' || e.key
				left join access_standings st on st.key = e.key and st.drifted_at > e.done_at
				join tasks t on t.id = e.task
			where e.undone_at is null and e.done_at is not null and ($1::text[] is null or e.action = any($1))
				and ($2 = '' or t.created_by = $2 or e.output->>'user' = $2 or lower(e.output->>'login') = any($6)) and ($3::text[] is null or e.key = any($3)) and e.seq > $4
			order by e.seq limit $5`, f.Actions, f.Person, f.Keys, f.After, f.Limit, f.Logins)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g Grant, err error) {
			err = row.Scan(&g.Key, &g.Seq, &g.Task, &g.Step, &g.Action, &g.Queue, &g.Call, &g.Output, &g.BeganAt, &g.DoneAt, &g.UndoneAt, &g.Problem, &g.TriedAt,
				&g.Ends, &g.Ending, &g.Drift, &g.Says)
			return g, err
		})
		return err
	})
	return list, err
}

// found is a grant as it was when somebody looked before.
type found struct {
	Task, Step, Action, Owner, Requester string
	Drift, Says                          string
}

// tell is whom a drift is told.
func (f found) tell() []string {
	if f.Owner == "" {
		return []string{f.Requester}
	}
	return []string{f.Owner}
}

// Stands notes how a grant was found at its provider. What is new goes to the audit log, and a drift to the template's owner,
// or else to the requester. One that was undone meanwhile stays as it is.
func (s *Store) Stands(ctx context.Context, key, drift, says string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `
				select t.id::text, e.step, e.action, t.owner, t.created_by, coalesce(st.drift, ''), coalesce(st.says, '')
				from effects e join tasks t on t.id = e.task left join access_standings st on st.key = e.key and st.drifted_at > e.done_at
				where e.key = $1 and e.undone_at is null for update of e`, key)
			if err != nil {
				return err
			}
			all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[found])
			if err != nil || len(all) == 0 {
				return err
			}
			before := all[0]
			var at time.Time
			err = tx.QueryRow(ctx, `
				insert into access_standings (key, checked_at, drift, says, drifted_at) values ($1, clock_timestamp(), $2, $3, clock_timestamp())
				on conflict (key) do update set checked_at = excluded.checked_at, drift = excluded.drift, says = excluded.says, problem = '', failing_since = null,
					drifted_at = case when $4 then excluded.drifted_at else access_standings.drifted_at end
				returning checked_at`, key, drift, says, drift != before.Drift || says != before.Says).Scan(&at)
			if err != nil || drift == before.Drift && says == before.Says {
				return err
			}
			data := map[string]any{"key": key, "action": before.Action, "step": before.Step, "was": before.Says}
			entry := key + "/stands/" + at.UTC().Format(time.RFC3339Nano)
			if drift == "" {
				return appendAudit(ctx, tx, before.Task, entry, "access-in-order", "gildway", data)
			}
			data["drift"], data["says"] = drift, says
			err = tellDrift(ctx, tx, entry, before.Task, before.tell(), "Access was changed from outside: "+before.Step+" ("+before.Action+")",
				says+"\nEnd what is left of it with: gildway access revoke lease/"+key+", or gildway task rollback "+before.Task)
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, before.Task, entry, "access-drifted", "gildway", data)
		})
	})
}

func tellDrift(ctx context.Context, tx pgx.Tx, key, task string, to []string, title, text string) error {
	_, err := tx.Exec(ctx, `insert into notices (key, kind, recipients, task, title, body, link) values ($1, $2, $3, $4, $5, $6, '') on conflict (key) do nothing`,
		key, string(notice.AccessDrifted), to, task, title, text)
	return err
}

// Unchecked notes why grants could not be looked at. How they were found last stays.
func (s *Store) Unchecked(ctx context.Context, keys []string, why string) error {
	return s.effect(ctx, `
		insert into access_standings (key, problem, failing_since) select key, $2, now() from effects where key = any($1) and undone_at is null
		on conflict (key) do update set problem = excluded.problem, failing_since = coalesce(access_standings.failing_since, excluded.failing_since)`, keys, why)
}

// Stranger is somebody who has access that no run has granted.
type Stranger struct{ Resource, Says string }

// mostTold bounds how many strangers one notice names.
const mostTold = 20

// Strangers notes who is in a circle, such as a group, that the grant with a key leads to, and who no longer is. Those who are
// new go to the audit log and, all in one notice, to the template's owner.
func (s *Store) Strangers(ctx context.Context, key, circle string, list []Stranger) error {
	resources, says := make([]string, len(list)), make([]string, len(list))
	for i, l := range list {
		resources[i], says[i] = l.Resource, l.Says
	}
	return s.holding(ctx, circle, func(tx pgx.Tx) error {
		var lead found
		err := tx.QueryRow(ctx, `select t.id::text, t.owner, t.created_by from effects e join tasks t on t.id = e.task where e.key = $1`, key).
			Scan(&lead.Task, &lead.Owner, &lead.Requester)
		if err != nil {
			return err
		}
		news, err := strangers(tx.Query(ctx, `
			insert into access_strangers (resource, circle, task, says, seen_at)
			select r, $1, $2, s, clock_timestamp() from unnest($3::text[], $4::text[]) as found (r, s)
			on conflict (resource) do update set task = excluded.task, says = excluded.says, seen_at = excluded.seen_at, gone_at = null
			where access_strangers.gone_at is not null
			returning resource, says, seen_at`, circle, lead.Task, resources, says))
		if err != nil {
			return err
		}
		left, err := strangers(tx.Query(ctx, `
			update access_strangers set gone_at = clock_timestamp() where circle = $1 and gone_at is null and resource <> all($2)
			returning resource, says, gone_at`, circle, resources))
		if err != nil {
			return err
		}
		if len(news) > 0 {
			text := ""
			for _, n := range news[:min(len(news), mostTold)] {
				text += n.Says + "\n"
			}
			if len(news) > mostTold {
				text += "and others; gildway access drift lists them all\n"
			}
			if err := tellDrift(ctx, tx, news[0].entry(), lead.Task, lead.tell(), "Somebody has access that no run has granted", text); err != nil {
				return err
			}
		}
		for _, n := range news {
			err := appendAudit(ctx, tx, lead.Task, n.entry(), "access-drifted", "gildway", map[string]any{"resource": n.Resource, "drift": "unmanaged", "says": n.Says})
			if err != nil {
				return err
			}
		}
		for _, l := range left {
			err := appendAudit(ctx, tx, lead.Task, l.entry()+"/over", "access-in-order", "gildway", map[string]any{"resource": l.Resource, "was": l.Says})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type strangerAt struct {
	Resource, Says string
	At             time.Time
}

func (s strangerAt) entry() string {
	return s.Resource + "/stands/" + s.At.UTC().Format(time.RFC3339Nano)
}

func strangers(rows pgx.Rows, err error) ([]strangerAt, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[strangerAt])
}

// Drift is something that is not as it was granted.
type Drift struct {
	Kind      string // gone, changed, overdue or unmanaged
	Says      string
	Since     time.Time // when it was seen first
	Task      string
	Step      string // none of what is unmanaged
	Action    string
	Lease     string // its id, if it has one
	Requester string // likewise
}

// DriftFilter selects drifts. What is empty selects all.
type DriftFilter struct {
	Requester string
	Owners    []string // with Requester: or the template's owner is one of them
	Limit     int
}

// Drifts lists what is not as it was granted, newest first.
func (s *Store) Drifts(ctx context.Context, f DriftFilter) (list []Drift, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select * from (
				select st.drift, st.says, st.drifted_at, t.id::text, e.step, e.action, coalesce(l.id, ''), t.created_by
				from access_standings st join effects e on e.key = st.key join tasks t on t.id = e.task left join leases l on l.id = 'lease/' || e.key
				where st.drift <> '' and e.undone_at is null and st.drifted_at > e.done_at and ($1 = '' or t.created_by = $1 or t.owner = any($2))
				union all
				select 'unmanaged', x.says, x.seen_at, t.id::text, '', '', '', ''
				from access_strangers x join tasks t on t.id = x.task
				where x.gone_at is null and ($1 = '' or t.owner = any($2))
			) as drifts order by 3 desc, 2 limit $3`, f.Requester, append([]string{}, f.Owners...), f.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Drift])
		return err
	})
	return list, err
}
