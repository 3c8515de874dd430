package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// The states of a task. The last three are final.
const (
	StatusOpen       = "open"
	StatusProcessing = "processing"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
	StatusCancelled  = "cancelled"
)

// Task is a run as people see it.
type Task struct {
	ID             string
	TemplateRef    string
	TemplateDigest string
	Spec           json.RawMessage // Backstage's task spec
	Run            json.RawMessage // plan.Run: the input of the workflow
	Digest         string          // plan.Run.Digest
	Status         string
	Paused         bool
	Attempt        int      // how often it was retried
	CreatedBy      string   // user ref
	Owner          string   // entity ref of the template's owner; may be empty
	Tags           []string // of the template
	Output         json.RawMessage
	CreatedAt      time.Time
	LastHeartbeat  *time.Time
	StartedAt      *time.Time // when the promise was kept: the workflow has been started
	EndedAt        *time.Time
	Parent         string // the task whose step it is done for; may be empty
	ParentStep     string
	Schedule       string // that ran it; may be empty
}

// Ended reports whether the task is in a final state.
func (t Task) Ended() bool {
	return t.Status == StatusCompleted || t.Status == StatusFailed || t.Status == StatusCancelled
}

const taskColumns = `id::text, template_ref, template_digest, spec, run, digest, status, ended_at is null and paused_at is not null,
	attempt, created_by, owner, tags, output, created_at, last_heartbeat_at, started_at, ended_at, coalesce(parent::text, ''), parent_step, schedule`

// listColumns leave out the workflow's input, which is large and which no list shows.
var listColumns = strings.Replace(taskColumns, " run,", " null::json as run,", 1)

func scanTask(row pgx.CollectableRow) (t Task, err error) {
	err = row.Scan(&t.ID, &t.TemplateRef, &t.TemplateDigest, &t.Spec, &t.Run, &t.Digest, &t.Status, &t.Paused, &t.Attempt,
		&t.CreatedBy, &t.Owner, &t.Tags, &t.Output, &t.CreatedAt, &t.LastHeartbeat, &t.StartedAt, &t.EndedAt,
		&t.Parent, &t.ParentStep, &t.Schedule)
	return t, err
}

// Task finds a task. A NotFound fault means that there is none of that id.
func (s *Store) Task(ctx context.Context, id string) (t Task, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+taskColumns+` from tasks where id = $1`, id)
		if err != nil {
			return err
		}
		t, err = pgx.CollectExactlyOneRow(rows, scanTask)
		return err
	})
	return t, err
}

// Creators gives who created tasks, by their ids. Those that are not there are left out.
func (s *Store) Creators(ctx context.Context, tasks []string) (creators map[string]string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select id::text, created_by from tasks where id = any($1::text[]::uuid[])`, tasks)
		if err != nil {
			return err
		}
		creators = map[string]string{}
		var id, by string
		_, err = pgx.ForEachRow(rows, []any{&id, &by}, func() error {
			creators[id] = by
			return nil
		})
		return err
	})
	return creators, err
}

// TaskOrder is one of the orders that a list of tasks can have.
type TaskOrder struct {
	By   TaskField
	Desc bool
}

// TaskField is a field that tasks can be ordered by.
type TaskField string

// The fields that tasks can be ordered by. Their values are column names.
const (
	ByCreatedAt TaskField = "created_at"
	ByStatus    TaskField = "status"
	ByCreatedBy TaskField = "created_by"
)

// Valid reports whether the field is one of the list.
func (f TaskField) Valid() bool { return f == ByCreatedAt || f == ByStatus || f == ByCreatedBy }

// TaskFilter selects tasks. What is empty selects all.
type TaskFilter struct {
	Within    []TaskScope // any of them; nil = all tasks there are
	CreatedBy []string
	Status    []string
	Order     []TaskOrder // newest first if empty
	Limit     *int        // nil = all
	Offset    int
}

// Tasks lists tasks, without their Run, and says how many there are before paging.
func (s *Store) Tasks(ctx context.Context, f TaskFilter) (tasks []Task, total int, err error) {
	order, err := orderBy(f.Order)
	if err != nil {
		return nil, 0, err
	}
	var w where
	w.and("created_by = any(?)", f.CreatedBy)
	w.and("status = any(?)", f.Status)
	if f.Within != nil {
		w.within(f.Within)
	}
	err = s.retry(ctx, func(ctx context.Context) error {
		if err := s.pool.QueryRow(ctx, `select count(*) from tasks where `+w.text(), w.args...).Scan(&total); err != nil {
			return err
		}
		n := len(w.args)
		rows, err := s.pool.Query(ctx, fmt.Sprintf(`select %s from tasks where %s%s limit $%d offset $%d`, listColumns, w.text(), order, n+1, n+2),
			append(slices.Clone(w.args), f.Limit, f.Offset)...)
		if err != nil {
			return err
		}
		tasks, err = pgx.CollectRows(rows, scanTask)
		return err
	})
	return tasks, total, err
}

func orderBy(order []TaskOrder) (string, error) {
	if len(order) == 0 {
		order = []TaskOrder{{ByCreatedAt, true}}
	}
	terms := make([]string, 0, len(order)+1)
	for _, o := range order {
		if !o.By.Valid() {
			return "", fault.New(fault.Invalid, "tasks can't be ordered by %q", o.By)
		}
		term := string(o.By)
		if o.Desc {
			term += " desc"
		}
		terms = append(terms, term)
	}
	return ` order by ` + strings.Join(append(terms, "id"), ", "), nil
}

// Unstarted lists the oldest tasks that were accepted and whose workflow nobody has started yet.
func (s *Store) Unstarted(ctx context.Context, limit int) (tasks []Task, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+taskColumns+` from tasks
			where started_at is null and ended_at is null order by created_at limit $1`, limit)
		if err != nil {
			return err
		}
		tasks, err = pgx.CollectRows(rows, scanTask)
		return err
	})
	return tasks, err
}

// MarkStarted notes that the workflow of an attempt at a task has been started.
func (s *Store) MarkStarted(ctx context.Context, task string, attempt int) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `update tasks set started_at = coalesce(started_at, now()) where id = $1 and attempt = $2`, task, attempt)
		return err
	})
}

// SetStatus moves a task that has not ended. One that has, or that a later attempt is at, stays as it is.
func (s *Store) SetStatus(ctx context.Context, task string, attempt int, status string) error {
	if status != StatusOpen && status != StatusProcessing {
		return fault.New(fault.Invalid, "a task ends by completing it, not by the status %q", status)
	}
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `update tasks set status = $3, last_heartbeat_at = now(), started_at = coalesce(started_at, now())
			where id = $1 and attempt = $2 and status in ('open', 'processing')`, task, attempt, status)
		return err
	})
}

// HasSecrets reports whether an attempt at a task may have been given secrets; of an earlier one that isn't known.
func (s *Store) HasSecrets(ctx context.Context, task string, attempt int) (has bool, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, `select attempt <> $2 or coalesce(json_array_length(run->'secrets'), 0) > 0 from tasks where id = $1`,
			task, attempt).Scan(&has)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Wrap(fault.NotFound, errNoRow, "No task with id '%s' found", task)
		}
		return err
	})
	return has, err
}

// Complete ends an attempt at a task with its completion event and an audit entry, together and once: when it has
// ended already, or a later attempt has begun, nothing changes.
func (s *Store) Complete(ctx context.Context, task string, attempt int, status, message string, output json.RawMessage, failure *fault.Error) error {
	if status != StatusCompleted && status != StatusFailed && status != StatusCancelled {
		return fault.New(fault.Invalid, "%q is no status to end with", status)
	}
	if message == "" {
		message = "Run completed with status: " + status
	}
	body := completion{Message: message, Output: output}
	data := map[string]any{"status": status}
	var failed json.RawMessage
	if failure != nil {
		body.Error = &completionError{Name: failure.BackstageName(), Message: failure.Public}
		data["error"] = failure.Public
		failed, _ = json.Marshal(body.Error) // two strings
	}
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			ended, err := tx.Exec(ctx, `update tasks set status = $3, output = $4, error = $5, ended_at = now(), last_heartbeat_at = now()
				where id = $1 and attempt = $2 and ended_at is null`, task, attempt, status, nullable(output), nullable(failed))
			if err != nil {
				return err
			}
			if ended.RowsAffected() == 0 {
				return mustExist(ctx, tx, task)
			}
			if err := appendEvent(ctx, tx, task, attemptKey("completion", attempt), "completion", body); err != nil {
				return err
			}
			if err := tellEnd(ctx, tx, task, attemptKey(task+"/ended", attempt), status, failure); err != nil {
				return err
			}
			return appendAudit(ctx, tx, task, attemptKey(task+"/ended", attempt), "run-"+status, "gildway", data)
		})
	})
}

type completion struct {
	Message string           `json:"message"`
	Output  json.RawMessage  `json:"output,omitempty"`
	Error   *completionError `json:"error,omitempty"`
}

type completionError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

func mustExist(ctx context.Context, q querier, task string) error {
	var there bool
	if err := q.QueryRow(ctx, `select exists(select from tasks where id = $1)`, task).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fault.Wrap(fault.NotFound, errNoRow, "No task with id '%s' found", task)
	}
	return nil
}

func nullable(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return raw
}

// RequestCancel notes that someone asked to cancel a task: a `cancelled` event in Backstage's shape,
// which names the newest event's step, and an audit entry. It happens once in an attempt, and to the last one only.
func (s *Store) RequestCancel(ctx context.Context, task string, attempt int, by string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var now int
			err := tx.QueryRow(ctx, `select attempt from tasks where id = $1 for update`, task).Scan(&now)
			if err != nil || now != attempt {
				return err
			}
			step, err := lastStep(ctx, tx, task)
			if err != nil {
				return err
			}
			body := logBody{Message: fmt.Sprintf("Step %s has been cancelled.", step), Step: step, Status: StatusCancelled}
			if step == "" {
				body.Message = "The task has been cancelled."
			}
			if err := appendEvent(ctx, tx, task, attemptKey("cancelled", attempt), "cancelled", body); err != nil {
				return err
			}
			return appendAudit(ctx, tx, task, attemptKey(task+"/cancel", attempt), "cancel-requested", by, nil)
		})
	})
}

// lastStep is the step of the newest event that has one, since the task was last retried.
func lastStep(ctx context.Context, tx pgx.Tx, task string) (step string, err error) {
	err = tx.QueryRow(ctx, `select coalesce(body->>'stepId', '') from task_events
		where task = $1 and (body->>'stepId' is not null or type = 'recovered') order by id desc limit 1`, task).Scan(&step)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return step, err
}
