package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// TaskLine is a task as a line of a list.
type TaskLine struct {
	ID             string
	TemplateRef    string
	TemplateDigest string
	Status         string
	Waiting        bool // for an approval
	Paused         bool
	Attempt        int // how often it was retried
	CreatedBy      string
	Owner          string
	CreatedAt      time.Time
	StartedAt      *time.Time
	EndedAt        *time.Time
	Parent         string
	ParentStep     string
}

// TaskPlace is a place in the list of all tasks, which is ordered by age.
type TaskPlace struct {
	CreatedAt time.Time
	ID        string
}

// TaskPageFilter selects tasks. What is empty selects all.
type TaskPageFilter struct {
	Within    []TaskScope // any of them; nil = all tasks there are
	Template  string      // ref
	Owner     string
	Status    []string
	CreatedBy string
	Parent    string     // whose steps they are done for
	Schedule  string     // that ran them
	Since     time.Time  // created then or later
	Before    *TaskPlace // older than the task there; nil = from the newest
	Limit     int
}

// TaskPage lists tasks, newest first. Tasks that come and go don't move the others to another page.
func (s *Store) TaskPage(ctx context.Context, f TaskPageFilter) (lines []TaskLine, err error) {
	var w where
	w.and("status = any(?)", f.Status)
	for _, is := range []struct{ column, value string }{{"template_ref", f.Template}, {"owner", f.Owner}, {"created_by", f.CreatedBy}, {"schedule", f.Schedule}} {
		if is.value != "" {
			w.terms = append(w.terms, w.with(is.column+" = ?", is.value))
		}
	}
	if f.Parent != "" {
		w.terms = append(w.terms, w.with("parent = ?::uuid", f.Parent))
	}
	if !f.Since.IsZero() {
		w.terms = append(w.terms, w.with("created_at >= ?", f.Since))
	}
	if f.Before != nil {
		w.terms = append(w.terms, fmt.Sprintf("(created_at, id) < (%s, %s::uuid)", w.with("?", f.Before.CreatedAt), w.with("?", f.Before.ID)))
	}
	if f.Within != nil {
		w.within(f.Within)
	}
	limit := w.with("?", f.Limit)
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select id::text, template_ref, template_digest, status,
				ended_at is null and exists(select from approvals a where a.task = tasks.id and a.state = 'pending'),
				ended_at is null and paused_at is not null, attempt, created_by, owner, created_at, started_at, ended_at,
				coalesce(parent::text, ''), parent_step
			from tasks where `+w.text()+` order by created_at desc, id desc limit `+limit, w.args...)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TaskLine])
		return err
	})
	return lines, err
}

// Stumbles gives how many tries of a step's action went wrong and were followed by another, for each step of an
// attempt at a task that had some; of a loop it is that of the item that had most.
func (s *Store) Stumbles(ctx context.Context, task string, attempt int) (tries map[string]int, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select body->>'stepId', max(substring(key from '/attempt/([0-9]{1,6})(?:@[0-9]+)?$')::int) from task_events
			where task = $1 and type = 'log' and body->>'stepId' is not null and key ~ ('/attempt/[0-9]{1,6}' || $2 || '$') group by 1`,
			task, attemptKey("", attempt))
		if err != nil {
			return err
		}
		tries = map[string]int{}
		var step string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&step, &n}, func() error {
			tries[step] = n
			return nil
		})
		return err
	})
	return tries, err
}

// SetPaused tells whether an attempt at a task begins nothing new. Of an attempt that is over it says nothing.
func (s *Store) SetPaused(ctx context.Context, task string, attempt int, paused bool) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `update tasks set paused_at = case when $3 then now() end where id = $1 and attempt = $2 and ended_at is null`,
			task, attempt, paused)
		return err
	})
}
