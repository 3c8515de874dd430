package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// LoginsOf lists the logins, in lower case, that providers have had for a person when something was granted to them.
func (s *Store) LoginsOf(ctx context.Context, person string) (logins []string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select distinct lower(output->>'login') from effects where output->>'user' = $1 and output->>'login' <> '' order by 1`, person)
		if err != nil {
			return err
		}
		logins, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return logins, err
}

// Staying is a grant to a person that goes on when their leases end.
type Staying struct {
	Task, Step, Action, Template, Owner, Requester string
	Tags                                           []string
	Lease                                          string // its id, of a whole team's; "" = nothing ends it
	Team                                           bool   // it was granted to others, too
}

// mostStaying bounds how many are listed.
const mostStaying = 1000

// Staying lists what a person with these logins, in lower case, was granted with a team, and what they were granted without a
// lease, oldest first.
func (s *Store) Staying(ctx context.Context, person string, logins []string) (list []Staying, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select t.id::text, e.step, e.action, t.template_ref, t.owner, t.created_by, t.tags, coalesce(l.id, ''), team.has
			from effects e join tasks t on t.id = e.task
				left join leases l on l.id = 'lease/' || e.key and l.ended_at is null
				cross join lateral (select exists (
					select from json_array_elements(case when json_typeof(e.output->'members') = 'array' then e.output->'members' else '[]' end) as m
					where lower(m #>> '{}') = any($2)
				) as has) as team
			where e.undone_at is null and e.done_at is not null and l.requester is distinct from $1
				and (team.has or l.id is null and (e.output->>'user' = $1 or lower(e.output->>'login') = any($2)))
			order by e.seq limit $3`, person, logins, mostStaying)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Staying])
		return err
	})
	return list, err
}
