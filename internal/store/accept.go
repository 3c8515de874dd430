package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

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

	Parent     string // the task whose step it is done for; "" = somebody has submitted it
	ParentStep string
	Schedule   string // that runs it; "" = none does
	Started    bool   // whoever asks for it starts its workflow, and nobody else
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
		insert into tasks (id, template_ref, template_digest, spec, run, digest, created_by, owner, tags, teams, parent, parent_step, schedule, started_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, '{}'::text[]), coalesce($10, '{}'::text[]), nullif($11, '')::uuid, $12, $13,
			case when $14 then now() end)
		on conflict (id) do nothing`,
		n.ID, n.TemplateRef, n.TemplateDigest, n.Spec, n.Run, n.Digest, n.CreatedBy, n.Owner, n.Tags, n.Teams, n.Parent, n.ParentStep, n.Schedule, n.Started)
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
	if n.Schedule != "" {
		if err := ranSchedule(ctx, tx, n.Schedule); err != nil {
			return "", err
		}
	}
	data := map[string]any{"template": n.TemplateRef, "templateDigest": n.TemplateDigest, "digest": n.Digest}
	if n.Parent != "" {
		data["parent"], data["step"] = n.Parent, n.ParentStep
	}
	if n.Schedule != "" {
		data["schedule"] = n.Schedule
	}
	return n.ID, appendAudit(ctx, tx, n.ID, n.ID+"/created", "task-created", n.CreatedBy, data)
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
