package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// Approval is a gate as people see it.
type Approval struct {
	ID        string
	Seq       int64 // grows with each approval
	Task      string
	Step      string
	Title     string
	Reason    string
	Digest    string // of what is approved
	Requester string
	Template  string
	Approvers []string
	Required  int
	State     string // pending, approved, rejected or cancelled
	Why       string
	CreatedAt time.Time
	ExpiresAt *time.Time
	ClosedAt  *time.Time
	Decisions []Decision

	Shown  string          // digest of Seen
	Seen   json.RawMessage // what approvers are shown and decide about; nil at gates of older releases
	Policy json.RawMessage // plan.Approval; likewise
}

// Decision is what one approver said.
type Decision struct {
	By      string
	As      string
	Verdict string
	Comment string
	At      time.Time
	Nonce   string
	Stage   int
	To      string // of verdict delegate: who decides instead
	For     string // who had delegated
	Via     string // how they proved who they are, if not by signing in; in the audit log alone
	Void    bool   // it was about something else than what is shown now
}

// OpenApproval shows a gate to its approvers. The same id again changes nothing but what an open gate shows: the last one
// to open it is the one that is answered.
func (s *Store) OpenApproval(ctx context.Context, a Approval) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				insert into approvals (id, task, step, title, reason, digest, requester, template_ref, approvers, required, expires_at, shown, seen, policy)
				values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
				on conflict (id) do update set shown = excluded.shown, seen = excluded.seen where approvals.state = 'pending'`,
				a.ID, a.Task, a.Step, a.Title, a.Reason, a.Digest, a.Requester, a.Template, append([]string{}, a.Approvers...), max(a.Required, 1),
				a.ExpiresAt, a.Shown, nullable(a.Seen), nullable(a.Policy))
			if err != nil {
				return err
			}
			data := map[string]any{"gate": a.ID, "approvers": a.Approvers, "required": max(a.Required, 1), "digest": a.Digest}
			if a.Shown != "" {
				data["shown"], data["policy"] = a.Shown, a.Policy
			}
			return appendAudit(ctx, tx, a.Task, a.ID+"/opened", "approval-opened", "gildway", data)
		})
	})
}

// ReopenApproval shows something else to the approvers of an open gate. Decisions so far are void.
func (s *Store) ReopenApproval(ctx context.Context, id, before, shown string, seen json.RawMessage, expires *time.Time) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `update approvals set shown = $3, seen = $4, expires_at = $5 where id = $1 and shown = $2 and state = 'pending' returning task::text`,
				id, before, shown, seen, expires)
			if err != nil {
				return err
			}
			reopened, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(reopened) == 0 {
				return err
			}
			if _, err := tx.Exec(ctx, `update approval_decisions set void = true where gate = $1`, id); err != nil {
				return err
			}
			return appendAudit(ctx, tx, reopened[0], id+"/"+shown+"/again", "approval-reopened", "gildway", map[string]any{"gate": id, "before": before, "shown": shown})
		})
	})
}

// EscalateApproval lets more people decide, until another time.
func (s *Store) EscalateApproval(ctx context.Context, id string, approvers []string, policy json.RawMessage, expires *time.Time) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `update approvals set approvers = $2, policy = $3, expires_at = $4 where id = $1 and state = 'pending' returning task::text`,
				id, append([]string{}, approvers...), nullable(policy), expires)
			if err != nil {
				return err
			}
			escalated, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(escalated) == 0 {
				return err
			}
			return appendAudit(ctx, tx, escalated[0], id+"/escalated", "approval-escalated", "gildway", map[string]any{"gate": id, "approvers": approvers})
		})
	})
}

// RecordDecision keeps a verified decision. The very same one again is no error; its nonce in any
// other decision is a Conflict fault.
func (s *Store) RecordDecision(ctx context.Context, gate string, d Decision) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			made, err := tx.Exec(ctx, `
				insert into approval_decisions (nonce, gate, decided_by, decided_as, verdict, comment, decided_at, stage, delegate, decided_for)
				values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				on conflict (nonce) do nothing`, d.Nonce, gate, d.By, d.As, d.Verdict, d.Comment, d.At, d.Stage, d.To, d.For)
			if err != nil {
				return err
			}
			if made.RowsAffected() == 0 {
				var same bool
				err := tx.QueryRow(ctx, `select gate = $2 and decided_by = $3 and verdict = $4 and comment = $5 and delegate = $6
					from approval_decisions where nonce = $1`, d.Nonce, gate, d.By, d.Verdict, d.Comment, d.To).Scan(&same)
				if err == nil && !same {
					return fault.New(fault.Conflict, "this proof of a decision was used before")
				}
				return err
			}
			var task string
			if err := tx.QueryRow(ctx, `select task::text from approvals where id = $1`, gate).Scan(&task); err != nil {
				return err
			}
			data := map[string]any{"gate": gate, "as": d.As, "verdict": d.Verdict, "comment": d.Comment, "nonce": d.Nonce}
			for key, value := range map[string]string{"to": d.To, "for": d.For, "via": d.Via} {
				if value != "" {
					data[key] = value
				}
			}
			return appendAudit(ctx, tx, task, gate+"/decision/"+d.Nonce, "approval-decided", d.By, data)
		})
	})
}

// CloseApproval ends a gate; the first outcome stays. An outcome of pending means that the run ended
// before anyone decided.
func (s *Store) CloseApproval(ctx context.Context, gate, outcome, why string) error {
	if outcome == "pending" {
		outcome = StatusCancelled
	}
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `update approvals set state = $2, why = $3, closed_at = now()
				where id = $1 and state = 'pending' returning task::text`, gate, outcome, why)
			if err != nil {
				return err
			}
			closed, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(closed) == 0 {
				return err
			}
			if err := tellOutcome(ctx, tx, gate, outcome); err != nil {
				return err
			}
			return appendAudit(ctx, tx, closed[0], gate+"/closed", "approval-"+outcome, "gildway", map[string]any{"gate": gate, "why": why})
		})
	})
}

const approvalColumns = `id, seq, task::text, step, title, reason, digest, requester, template_ref, approvers, required, state, why,
	created_at, expires_at, closed_at, shown, seen, policy`

func scanApproval(row pgx.CollectableRow) (a Approval, err error) {
	err = row.Scan(&a.ID, &a.Seq, &a.Task, &a.Step, &a.Title, &a.Reason, &a.Digest, &a.Requester, &a.Template, &a.Approvers,
		&a.Required, &a.State, &a.Why, &a.CreatedAt, &a.ExpiresAt, &a.ClosedAt, &a.Shown, &a.Seen, &a.Policy)
	return a, err
}

// ApprovalFilter selects approvals. What is empty selects all.
type ApprovalFilter struct {
	Task  string
	State string
	// VisibleTo limits the list to what one of these refs asked for or may decide, also in somebody's place; nil = no limit.
	VisibleTo []string
	Before    int64 // Seq of the last one seen; 0 = from the newest
	Limit     int
}

// Approvals lists approvals with their decisions, newest first.
func (s *Store) Approvals(ctx context.Context, f ApprovalFilter) ([]Approval, error) {
	return s.approvals(ctx, `
		where ($1 = '' or task = nullif($1, '')::uuid) and ($2 = '' or state = $2)
		and ($3::text[] is null or requester = any($3) or approvers && $3 or id in (`+delegatedTo("gate", "$3")+`)) and ($4 = 0 or seq < $4)
		order by seq desc limit $5`, f.Task, f.State, f.VisibleTo, f.Before, f.Limit)
}

// Approval finds an approval.
func (s *Store) Approval(ctx context.Context, id string) (Approval, error) {
	found, err := s.approvals(ctx, ` where id = $1`, id)
	if err == nil && len(found) == 0 {
		err = fault.Wrap(fault.NotFound, errNoRow, "there is no approval %q", id)
	}
	if err != nil {
		return Approval{}, err
	}
	return found[0], nil
}

func (s *Store) approvals(ctx context.Context, where string, args ...any) (list []Approval, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+approvalColumns+` from approvals`+where, args...)
		if err != nil {
			return err
		}
		if list, err = pgx.CollectRows(rows, scanApproval); err != nil {
			return err
		}
		ids, at := make([]string, len(list)), map[string]int{}
		for i, a := range list {
			ids[i], at[a.ID] = a.ID, i
		}
		rows, err = s.pool.Query(ctx, `select gate, decided_by, decided_as, verdict, comment, decided_at, nonce, stage, delegate, decided_for, void from approval_decisions
			where gate = any($1) order by decided_at, nonce`, ids)
		if err != nil {
			return err
		}
		var gate string
		var d Decision
		_, err = pgx.ForEachRow(rows, []any{&gate, &d.By, &d.As, &d.Verdict, &d.Comment, &d.At, &d.Nonce, &d.Stage, &d.To, &d.For, &d.Void}, func() error {
			list[at[gate]].Decisions = append(list[at[gate]].Decisions, d)
			return nil
		})
		return err
	})
	return list, err
}

// delegatedTo selects a column of the delegations to one of the refs: these may decide, too, about what is shown still.
func delegatedTo(column, refs string) string {
	return "select " + column + " from approval_decisions where delegate = any(" + refs + ") and delegate <> '' and not void"
}

// Approvers lists all refs that may decide at any gate that the task has opened, also in somebody's place.
func (s *Store) Approvers(ctx context.Context, task string) (refs []string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select unnest(approvers) from approvals where task = $1
			union select d.delegate from approvals a join approval_decisions d on d.gate = a.id where a.task = $1 and d.delegate <> '' and not d.void`, task)
		if err != nil {
			return err
		}
		refs, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return refs, err
}
