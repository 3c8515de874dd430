package store

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Event is one line of a task's log.
type Event struct {
	ID        int64 // grows with each event of a task, in the order in which they become visible
	Task      string
	Type      string // log, completion, cancelled or recovered
	Body      json.RawMessage
	CreatedAt time.Time
}

type logBody struct {
	Message string `json:"message"`
	Step    string `json:"stepId,omitempty"`
	Status  string `json:"status,omitempty"`
}

// Log appends a `log` event. The same key twice writes once. An empty status is a plain line.
func (s *Store) Log(ctx context.Context, task, key, step, status, message string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return appendEvent(ctx, s.pool, task, key, "log", logBody{Message: message, Step: step, Status: status})
	})
}

// appendEvent adds an event and tells the listeners. The update locks the task's row until the end of
// the transaction, before an id is drawn: so the ids of a task's events become visible in order, and
// who has read up to one has missed nothing.
func appendEvent(ctx context.Context, q querier, task, key, kind string, body any) error {
	raw, err := encode(body)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "an event can't be written as JSON")
	}
	var there bool
	var told *string
	err = q.QueryRow(ctx, `
		with t as (
			update tasks set last_heartbeat_at = now() where id = $1 returning id
		), e as (
			insert into task_events (task, key, type, body, created_at)
			select id, $2, $3, $4, clock_timestamp() from t
			on conflict (task, key) do nothing
			returning id
		)
		select exists(select from t), (select pg_notify('`+channel+`', $1::uuid::text)::text from e)`,
		task, key, kind, raw).Scan(&there, &told)
	if err == nil && !there {
		return fault.Wrap(fault.NotFound, errNoRow, "No task with id '%s' found", task)
	}
	return err
}

// encode writes JSON on one line and, as JavaScript does, without escaping <, > and &. A NUL can't be
// stored in Postgres and says nothing in a log.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(bytes.ReplaceAll(b.Bytes(), []byte(`\u0000`), nil)), nil
}

// PageBytes bounds what one call of Events holds in memory; a single event may be larger.
const PageBytes = 1 << 20

// Events lists a task's events with a greater id than after, oldest first, and, as Backstage does, its
// completion whatever its id, if withCompletion. What a task that started over said before is hidden, and its
// starting over as well until something follows. It ends after limit events, or after PageBytes of their bodies: see
// MoreEvents.
func (s *Store) Events(ctx context.Context, task string, after int64, withCompletion bool, limit int) (events []Event, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select id, task::text, type, body, created_at from (
				select *, sum(octet_length(body::text)) over (order by id) - octet_length(body::text) as before from (
					select * from task_events where task = $1 and (id > $2 or $3 and type = 'completion')
					and id >= (select case when exists(select from task_events e where e.task = t.id and e.id > t.shown_from) then t.shown_from else t.shown_from + 1 end
						from tasks t where t.id = $1)
					order by id limit $4
				) e
			) e where before < $5 order by id`, task, after, withCompletion, limit, PageBytes)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
			err = row.Scan(&e.ID, &e.Task, &e.Type, &e.Body, &e.CreatedAt)
			return e, err
		})
		return err
	})
	return events, err
}

// MoreEvents reports whether there may be more after what Events gave for that limit.
func MoreEvents(events []Event, limit int) bool {
	size := 0
	for _, e := range events {
		size += len(e.Body)
	}
	return len(events) >= limit || size >= PageBytes
}

// LastEvent is the greatest id among a task's events; 0 if it has none.
func (s *Store) LastEvent(ctx context.Context, task string) (id int64, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, `select coalesce(max(id), 0) from task_events where task = $1`, task).Scan(&id)
	})
	return id, err
}
