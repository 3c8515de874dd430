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
}

// Ended reports whether the task is in a final state.
func (t Task) Ended() bool {
	return t.Status == StatusCompleted || t.Status == StatusFailed || t.Status == StatusCancelled
}

// NewTask is a task to be accepted.
type NewTask struct {
	ID             string
	TemplateRef    string
	TemplateDigest string
	Spec           json.RawMessage
	Run            json.RawMessage
	Digest         string
	CreatedBy      string
	Owner          string
	Tags           []string // of the template
	Teams          []string // groups of the creator
	IdempotencyKey string   // optional
	Request        string   // hash of what was asked, compared if the key comes again
	Quotas         []Quota  // that it must fit into
	Lent           bool     // secrets were lent for it: it is only accepted while they are kept
}

// CreateTask accepts a task: after a nil error it will run, whatever crashes. With an idempotency key
// that its creator has used before it returns the first task's id, or a Conflict fault if something
// else was asked for then; a key is good for as long as its task is kept. A RateLimited fault means that a quota is
// used up; what is refused is not counted.
func (s *Store) CreateTask(ctx context.Context, n NewTask) (id string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			id, err = createTask(ctx, tx, n)
			return err
		})
	})
	return id, err
}

func createTask(ctx context.Context, tx pgx.Tx, n NewTask) (string, error) {
	if n.IdempotencyKey != "" {
		if id, err := taskOfKey(ctx, tx, n); !errors.Is(err, pgx.ErrNoRows) {
			return id, err
		}
	}
	refused := admit(ctx, tx, n.Quotas)
	if refused != nil && !errors.Is(refused, fault.RateLimited) {
		return "", refused
	}
	if err := mustExist(ctx, tx, n.ID); !errors.Is(err, errNoRow) {
		return n.ID, err // there already, and maybe what fills the quota: an earlier try of ours got through
	}
	if refused != nil {
		return "", refused
	}
	made, err := tx.Exec(ctx, `
		insert into tasks (id, template_ref, template_digest, spec, run, digest, created_by, owner, tags, teams)
		values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, '{}'::text[]), coalesce($10, '{}'::text[]))
		on conflict (id) do nothing`,
		n.ID, n.TemplateRef, n.TemplateDigest, n.Spec, n.Run, n.Digest, n.CreatedBy, n.Owner, n.Tags, n.Teams)
	if err != nil || made.RowsAffected() == 0 { // an earlier try of ours that was still under way
		return n.ID, err
	}
	if n.Lent {
		if err := keepSecrets(ctx, tx, n.ID, 0); err != nil {
			return "", err
		}
	}
	if n.IdempotencyKey != "" {
		_, err := tx.Exec(ctx, `insert into idempotency_keys (created_by, key, request, task) values ($1, $2, $3, $4)`,
			n.CreatedBy, n.IdempotencyKey, n.Request, n.ID)
		if err != nil {
			return "", err
		}
	}
	return n.ID, appendAudit(ctx, tx, n.ID, n.ID+"/created", "task-created", n.CreatedBy, map[string]any{
		"template": n.TemplateRef, "templateDigest": n.TemplateDigest, "digest": n.Digest,
	})
}

// taskOfKey finds the task that the creator's key was used for, or gives pgx.ErrNoRows. Whoever comes with the same
// key waits for the end of the transaction.
func taskOfKey(ctx context.Context, tx pgx.Tx, n NewTask) (id string, err error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, $2))`, n.CreatedBy+" "+n.IdempotencyKey, keyLocks); err != nil {
		return "", err
	}
	var request string
	err = tx.QueryRow(ctx, `select task::text, request from idempotency_keys where created_by = $1 and key = $2`,
		n.CreatedBy, n.IdempotencyKey).Scan(&id, &request)
	if err == nil && request != n.Request {
		return "", fault.New(fault.Conflict, "this Idempotency-Key was used before for another request")
	}
	return id, err
}

// keyLocks keeps the locks of idempotency keys apart from others.
const keyLocks = 0x6b657973 // "keys"

const taskColumns = `id::text, template_ref, template_digest, spec, run, digest, status, ended_at is null and paused_at is not null,
	attempt, created_by, owner, tags, output, created_at, last_heartbeat_at, started_at, ended_at`

// listColumns leave out the workflow's input, which is large and which no list shows.
var listColumns = strings.Replace(taskColumns, " run,", " null::json as run,", 1)

func scanTask(row pgx.CollectableRow) (t Task, err error) {
	err = row.Scan(&t.ID, &t.TemplateRef, &t.TemplateDigest, &t.Spec, &t.Run, &t.Digest, &t.Status, &t.Paused, &t.Attempt,
		&t.CreatedBy, &t.Owner, &t.Tags, &t.Output, &t.CreatedAt, &t.LastHeartbeat, &t.StartedAt, &t.EndedAt)
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
