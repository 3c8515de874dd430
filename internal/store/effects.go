package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// Effect is a call of an action that has changed something outside, or may have.
type Effect struct {
	Key      string // idempotency key of the call
	Seq      int64  // grows with each effect
	Task     string
	Step     string
	Action   string
	Queue    string
	Call     json.RawMessage
	Output   json.RawMessage // nil: the call never said how it ended
	BeganAt  time.Time
	DoneAt   *time.Time
	UndoneAt *time.Time
	Problem  string     // why it could not be undone; "" if nobody has tried in vain
	TriedAt  *time.Time // when that was found out last
}

// EffectBegins notes that a call is about to change something. A call that is made again, after its effect was undone or
// by another attempt at the task, takes the place of the one before.
func (s *Store) EffectBegins(ctx context.Context, e Effect) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			insert into effects (key, task, step, action, queue, call) values ($1, $2, $3, $4, $5, $6)
			on conflict (key) do update set call = excluded.call, queue = excluded.queue, undone_at = null, problem = '',
				output = case when effects.undone_at is null then effects.output end,
				done_at = case when effects.undone_at is null then effects.done_at end`,
			e.Key, e.Task, e.Step, e.Action, e.Queue, e.Call)
		return err
	})
}

// EffectDone notes what the call gave.
func (s *Store) EffectDone(ctx context.Context, key string, output json.RawMessage) error {
	return s.effect(ctx, `update effects set output = $2, done_at = clock_timestamp() where key = $1`, key, nullable(output))
}

// EffectUndone notes that nothing of the effect is left. Unless its lease has undone it, which then notes its own end, the lease
// ends with it: it may have given up long ago.
func (s *Store) EffectUndone(ctx context.Context, key string, byLease bool) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			undone, err := tx.Exec(ctx, `update effects set undone_at = now(), problem = '' where key = $1 and undone_at is null`, key)
			if err != nil || undone.RowsAffected() == 0 || byLease {
				return err
			}
			return closeLease(ctx, tx, "lease/"+key, "revoked", time.Now())
		})
	})
}

// EffectLeft notes why an effect could not be undone.
func (s *Store) EffectLeft(ctx context.Context, key, problem string) error {
	return s.effect(ctx, `update effects set problem = $2, tried_at = clock_timestamp() where key = $1 and undone_at is null`, key, problem)
}

func (s *Store) effect(ctx context.Context, statement string, args ...any) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, statement, args...)
		return err
	})
}

// EffectFilter selects effects that are not undone. What is empty selects all.
type EffectFilter struct {
	Key    string
	Task   string
	Left   bool  // only what somebody has tried to undo in vain
	Before int64 // Seq of the last one seen; 0 = from the newest
	Limit  int
}

// Effects lists what is not undone: those of a task in the order to undo them, the last completed first and what never said
// how it ended before that; of all tasks the newest first.
func (s *Store) Effects(ctx context.Context, f EffectFilter) (list []Effect, err error) {
	order := `seq desc`
	if f.Task != "" {
		order = `done_at desc nulls first, seq desc`
	}
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select key, seq, task::text, step, action, queue, call, output, began_at, done_at, undone_at, problem, tried_at from effects
			where undone_at is null and ($1 = '' or task = nullif($1, '')::uuid) and (not $2 or problem <> '') and ($3 = 0 or seq < $3) and ($5 = '' or key = $5)
			order by `+order+` limit $4`, f.Task, f.Left, f.Before, f.Limit, f.Key)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Effect])
		return err
	})
	return list, err
}

// EffectCursor is a place among the effects of a task, in the order to undo them. The zero value is their beginning.
type EffectCursor struct {
	Done  *time.Time
	Seq   int64
	Until int64 // only effects up to this Seq; 0 = those that there are now
}

// EffectsAfter lists what a task has done and not undone, in the order of Effects, from a place on. last is its end: neither what
// is undone nor what is done meanwhile shifts it.
func (s *Store) EffectsAfter(ctx context.Context, task string, from EffectCursor, limit int) (list []Effect, last EffectCursor, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		last = from
		if from.Until == 0 {
			if err := s.pool.QueryRow(ctx, `select coalesce(max(seq), 0) from effects where task = $1`, task).Scan(&last.Until); err != nil {
				return err
			}
		}
		rows, err := s.pool.Query(ctx, `
			select key, seq, task::text, step, action, queue, call, output, began_at, done_at, undone_at, problem, tried_at from effects
			where undone_at is null and task = $1 and seq <= $2 and ($3 = 0 or case
				when $4::timestamptz is null then done_at is not null or seq < $3
				else (done_at, seq) < ($4, $3) end)
			order by done_at desc nulls first, seq desc limit $5`, task, last.Until, from.Seq, from.Done, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Effect])
		return err
	})
	if n := len(list); n > 0 {
		last.Done, last.Seq = list[n-1].DoneAt, list[n-1].Seq
	}
	return list, last, err
}

// UndoneSteps lists the steps of a task that have done something which was undone since, and not done again.
func (s *Store) UndoneSteps(ctx context.Context, task string) (steps []string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select distinct step from effects where task = $1 and undone_at is not null`, task)
		if err != nil {
			return err
		}
		steps, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return steps, err
}
