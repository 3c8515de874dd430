package store

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// NewAttempt is another attempt at a task that has ended.
type NewAttempt struct {
	Task     string
	Attempt  int             // the number of the new one; the first run of a task is 0
	Run      json.RawMessage // plan.Run: the input of the new workflow
	Strategy string          // Backstage's recover strategy: "startOver" hides the log of earlier attempts
	By       string          // user ref
	Quotas   []Quota         // that it must fit into
	Lent     bool            // secrets were lent for it

	Digest   string          // of a Run with other values; "" leaves it as it is
	Spec     json.RawMessage // likewise
	Template *TaskTemplate   // likewise, of a Run of another version
	Audited  map[string]any  // what the audit log is told beside the number

	Started bool // whoever asks for it starts its workflow, and nobody else
}

// TaskTemplate is the version of a template that a task runs.
type TaskTemplate struct {
	Ref    string
	Digest string
	Owner  string
	Tags   []string
}

// Retry opens an ended task again, in one transaction: its completion and cancellation are taken out of the log and
// a `recovered` event is put in, as in Backstage. From then on it will run, whatever crashes. A task that has not
// ended, or that somebody else was faster to retry, is a Conflict fault; a quota that is used up is a RateLimited one. While the task is locked, and only for the
// caller who gets it, prepare runs; its error leaves everything as it
// was. After a fault that leaves open whether it worked it can run again for the same attempt.
func (s *Store) Retry(ctx context.Context, n NewAttempt, prepare func(context.Context) error) error {
	return s.once(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if err := admit(ctx, tx, n.Quotas); err != nil {
				return err
			}
			if err := reopen(ctx, tx, n); err != nil {
				return err
			}
			if err := prepare(ctx); err != nil {
				return err
			}
			if n.Lent {
				if err := keepSecrets(ctx, tx, n.Task, n.Attempt); err != nil {
					return err
				}
			}
			data := map[string]any{"attempt": n.Attempt}
			maps.Copy(data, n.Audited)
			return appendAudit(ctx, tx, n.Task, attemptKey(n.Task+"/retried", n.Attempt), "task-retried", n.By, data)
		})
	})
}

func reopen(ctx context.Context, tx pgx.Tx, n NewAttempt) error {
	var ref, version, owner *string // null leaves them as they are
	var tags []string
	if of := n.Template; of != nil {
		ref, version, owner, tags = &of.Ref, &of.Digest, &of.Owner, append([]string{}, of.Tags...)
	}
	opened, err := tx.Exec(ctx, `
		update tasks set attempt = $2, run = $3, digest = coalesce(nullif($4, ''), digest), spec = coalesce($5, spec),
			template_ref = coalesce($7, template_ref), template_digest = coalesce($8, template_digest), owner = coalesce($9, owner), tags = coalesce($10, tags),
			status = 'open', output = null, error = null, started_at = case when $6 then now() end, ended_at = null, paused_at = null
		where id = $1 and attempt = $2 - 1 and ended_at is not null`, n.Task, n.Attempt, n.Run, n.Digest, nullable(n.Spec), n.Started,
		ref, version, owner, tags)
	if err != nil {
		return err
	}
	if opened.RowsAffected() == 0 {
		if err := mustExist(ctx, tx, n.Task); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "Task with taskId %s cannot be retried", n.Task)
	}
	if _, err := tx.Exec(ctx, `delete from task_events where task = $1 and type in ('completion', 'cancelled')`, n.Task); err != nil {
		return err
	}
	key := attemptKey("recovered", n.Attempt)
	if err := appendEvent(ctx, tx, n.Task, key, "recovered", recovered{n.Strategy}); err != nil {
		return err
	}
	if n.Strategy != "startOver" {
		return nil
	}
	_, err = tx.Exec(ctx, `update tasks set shown_from = (select id from task_events where task = $1 and key = $2) where id = $1`, n.Task, key)
	return err
}

type recovered struct {
	Strategy string `json:"recoverStrategy"`
}

// AttemptIsOver reports whether an attempt at a task has nothing left to do: it has ended, or a later one has begun.
func (s *Store) AttemptIsOver(ctx context.Context, task string, attempt int) (over bool, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, `select attempt > $2 or ended_at is not null from tasks where id = $1`, task, attempt).Scan(&over)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Wrap(fault.NotFound, errNoRow, "No task with id '%s' found", task)
		}
		return err
	})
	return over, err
}

// attemptKey tells what happens once in each attempt at a task from the same thing in an earlier one.
func attemptKey(key string, attempt int) string {
	if attempt == 0 {
		return key
	}
	return key + "@" + strconv.Itoa(attempt)
}
