package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

// keptNotices is how long people find what they were told.
const keptNotices = 90 * 24 * time.Hour

// Notify tells people something. A notice with the same key again is nothing.
func (s *Store) Notify(ctx context.Context, n notice.Notice) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				insert into notices (key, kind, recipients, task, title, body, link, due, approval) values ($1, $2, $3, nullif($4, '')::uuid, $5, $6, $7, $8, $9)
				on conflict (key) do nothing`,
				n.Key, string(n.Kind), n.To, n.Task, n.Title, n.Text, n.Link, n.Due, n.Approval)
			if err != nil {
				return err
			}
			// A few of those that are too old go with each new one, so that they never pile up.
			_, err = tx.Exec(ctx, `delete from notices where key in (
				select key from notices where created_at < $1 order by seq limit 10 for update skip locked)`, time.Now().Add(-keptNotices))
			return err
		})
	})
}

// tellEnd tells whoever asked for a task how it ended; of a failure its template's owner, too.
func tellEnd(ctx context.Context, tx pgx.Tx, task, key, status string, failure *fault.Error) error {
	kind, text := notice.RunCompleted, ""
	if failure != nil {
		kind, text = notice.RunFailed, failure.Public
	}
	_, err := tx.Exec(ctx, `
		insert into notices (key, kind, recipients, task, title, body, link)
		select $2, $3, case when $4::text = 'failed' and owner <> '' and owner <> created_by then array[created_by, owner] else array[created_by] end, id,
			coalesce(spec #>> '{templateInfo,entity,metadata,title}', template_ref) || ' has ' ||
				case $4::text when 'completed' then 'completed' when 'cancelled' then 'been cancelled' else 'failed' end,
			$5, ''
		from tasks where id = $1
		on conflict (key) do nothing`, task, key, string(kind), status, text)
	return err
}

// tellOutcome tells whoever asked for it how an approval ended; of one that ended with its run, the end of the run tells.
func tellOutcome(ctx context.Context, tx pgx.Tx, gate, outcome string) error {
	if outcome == StatusCancelled {
		return nil
	}
	_, err := tx.Exec(ctx, `
		insert into notices (key, kind, recipients, task, title, body, link)
		select id || '/closed', $2, array[requester], task, 'Your request was ' || $3::text || ': ' || title, why, '' from approvals where id = $1
		on conflict (key) do nothing`, gate, string(notice.ApprovalClosed), outcome)
	return err
}

// Told is a notice as its recipients find it.
type Told struct {
	notice.Notice
	Seq int64 // grows with each notice
	At  time.Time
}

// Notices lists what any of these refs was told, newest first. Before is the Seq of the last one seen; 0 = from the newest.
func (s *Store) Notices(ctx context.Context, refs []string, before int64, limit int) (list []Told, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select key, kind, recipients, coalesce(task::text, ''), title, body, link, due, seq, created_at from notices
			where recipients && $1 and ($2 = 0 or seq < $2) order by seq desc limit $3`, refs, before, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Told, err error) {
			err = row.Scan(&t.Key, &t.Kind, &t.To, &t.Task, &t.Title, &t.Text, &t.Link, &t.Due, &t.Seq, &t.At)
			return t, err
		})
		return err
	})
	return list, err
}
