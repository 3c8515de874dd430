package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Wait is a call of an action that did not succeed and will be made again.
type Wait struct {
	Task      string
	Attempt   int // at the task
	Step      string
	Iteration string
	Tries     int // that did not succeed
	Why       string
	Since     time.Time
	Next      time.Time // when it is made again
}

// CallWaits notes that a call waits to be made again, in the place of what was noted of it before.
func (s *Store) CallWaits(ctx context.Context, w Wait) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			insert into step_waits (task, step, iteration, attempt, tries, why, next_at) values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (task, step, iteration) do update set attempt = excluded.attempt, tries = excluded.tries, why = excluded.why,
				next_at = excluded.next_at, since = case when step_waits.attempt = excluded.attempt then step_waits.since else now() end`,
			w.Task, w.Step, w.Iteration, w.Attempt, w.Tries, w.Why, w.Next)
		return err
	})
}

// CallGoesOn notes that a call waits no more; without an iteration none of its step does.
func (s *Store) CallGoesOn(ctx context.Context, task, step, iteration string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `delete from step_waits where task = $1 and step = $2 and ($3 = '' or iteration = $3)`, task, step, iteration)
		return err
	})
}

// Waits lists the calls of an attempt at a task that wait to be made again, the longest first.
func (s *Store) Waits(ctx context.Context, task string, attempt int) (list []Wait, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select task::text, attempt, step, iteration, tries, why, since, next_at from step_waits
			where task = $1 and attempt = $2 order by since, step, iteration limit 1000`, task, attempt)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Wait])
		return err
	})
	return list, err
}

// Going lists tasks that were started and have not ended, without their Run, by their ids, after one; "" begins at the first.
func (s *Store) Going(ctx context.Context, after string, limit int) (tasks []Task, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+listColumns+` from tasks
			where started_at is not null and ended_at is null and ($1 = '' or id > nullif($1, '')::uuid) order by id limit $2`, after, limit)
		if err != nil {
			return err
		}
		tasks, err = pgx.CollectRows(rows, scanTask)
		return err
	})
	return tasks, err
}
