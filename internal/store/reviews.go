package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

// Review asks an owner about what their templates have granted.
type Review struct {
	ID       string
	Seq      int64 // grows with each review
	Owner    string
	OpenedAt time.Time
	DueAt    time.Time
	ClosedAt *time.Time
	Items    int
	Left     int // items without an answer whose grant has not ended
}

// ReviewItem is a grant as it was when a review of it opened, and what became of it.
type ReviewItem struct {
	Lease, Task, Step, Action, Template string
	Requester                           string
	Grantee                             string // whom it was granted to, if that isn't the requester
	ExpiresAt                           time.Time
	Verdict                             string // confirm or revoke; "" = no answer
	DecidedBy, Comment                  string
	DecidedAt                           *time.Time
	Ended                               bool // it has ended since, or is to end
}

// Of reports whether somebody has asked for it or was granted it, by their ref or one of their logins, in lower case.
func (i ReviewItem) Of(user string, logins []string) bool {
	return user == i.Requester || user == i.Grantee || slices.Contains(logins, strings.ToLower(i.Grantee))
}

// ReviewedOwners are the owners of templates that have granted something which goes on.
func (s *Store) ReviewedOwners(ctx context.Context) (owners []string, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select distinct t.owner from leases l join tasks t on t.id = l.task
			where l.ended_at is null and l.revoke_asked_at is null and t.owner <> '' order by 1`)
		if err != nil {
			return err
		}
		owners, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return owners, err
}

// OpenReview notes what templates of an owner have granted and goes on, and says how much that is. Of nothing there is no review.
// The same review again is the one that there is.
func (s *Store) OpenReview(ctx context.Context, id, owner string, due time.Time) (items int, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			made, err := tx.Exec(ctx, `insert into access_reviews (id, owner, due_at) values ($1, $2, $3) on conflict (id) do nothing`, id, owner, due)
			if err != nil {
				return err
			}
			if made.RowsAffected() > 0 {
				_, err := tx.Exec(ctx, `
					insert into access_review_items (review, lease, seq, task, step, action, template, requester, grantee, expires_at)
					select $1, l.id, l.seq, l.task, l.step, l.action, l.template, l.requester, coalesce(l.output->>'user', ''), l.expires_at
					from leases l join tasks t on t.id = l.task
					where t.owner = $2 and l.ended_at is null and l.revoke_asked_at is null`, id, owner)
				if err != nil {
					return err
				}
			}
			if err := tx.QueryRow(ctx, `select count(*) from access_review_items where review = $1`, id).Scan(&items); err != nil {
				return err
			}
			if items == 0 {
				_, err := tx.Exec(ctx, `delete from access_reviews where id = $1`, id)
				return err
			}
			return appendAudit(ctx, tx, "", id+"/opened", "access-review-opened", "gildway", map[string]any{
				"review": id, "owner": owner, "grants": items, "due": due.UTC().Format(time.RFC3339),
			})
		})
	})
	return items, err
}

// ReviewDecision is what an owner has said about some items of a review.
type ReviewDecision struct {
	Review  string
	By      string
	Confirm []string // lease ids
	Revoke  []string
	Comment string
	Nonce   string
	Turn    int // the same nonce in another turn counts for nothing
}

// DecideReview notes what an owner has said, and that what they revoke is to end, and gives how many items are left. The same
// turn again changes nothing. A nonce that was used before is a Conflict fault.
func (s *Store) DecideReview(ctx context.Context, d ReviewDecision) (left int, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `insert into access_review_statements (nonce, review, turn) values ($1, $2, $3) on conflict (nonce) do nothing`, d.Nonce, d.Review, d.Turn)
			if err != nil {
				return err
			}
			var first bool
			err = tx.QueryRow(ctx, `select review = $2 and turn = $3 from access_review_statements where nonce = $1`, d.Nonce, d.Review, d.Turn).Scan(&first)
			if err != nil {
				return err
			}
			if !first {
				return fault.New(fault.Conflict, "this decision was counted before")
			}
			rows, err := tx.Query(ctx, `
				update access_review_items set verdict = case when lease = any($2::text[]) then 'confirm' else 'revoke' end,
					decided_by = $4, comment = $5, decided_at = now()
				where review = $1 and verdict = '' and lease = any($2::text[] || $3::text[])
				returning lease, task::text, verdict`, d.Review, append([]string{}, d.Confirm...), append([]string{}, d.Revoke...), d.By, d.Comment)
			if err != nil {
				return err
			}
			decided, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Lease, Task, Verdict string }])
			if err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, leftInReview, d.Review).Scan(&left); err != nil {
				return err
			}
			why := "revoked by " + d.By + " in an access review"
			if d.Comment != "" {
				why += ": " + d.Comment
			}
			if err := askToRevoke(ctx, tx, d.Revoke, d.By, why); err != nil {
				return err
			}
			for _, i := range decided {
				err := appendAudit(ctx, tx, i.Task, d.Review+"/"+i.Lease, "access-reviewed", d.By, map[string]any{
					"review": d.Review, "lease": i.Lease, "verdict": i.Verdict, "comment": d.Comment,
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	return left, err
}

// unanswered joins the items i without an answer to their leases, as far as these go on.
const unanswered = `access_review_items i join leases l on l.id = i.lease and l.ended_at is null and l.revoke_asked_at is null
	where i.verdict = '' and i.review = `

const leftInReview = `select count(*) from ` + unanswered + `$1`

// CloseReview ends a review, once. That something has no answer goes to the audit log, and to the owner.
func (s *Store) CloseReview(ctx context.Context, id string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var owner string
			err := tx.QueryRow(ctx, `update access_reviews set closed_at = coalesce(closed_at, clock_timestamp()) where id = $1 returning owner`, id).Scan(&owner)
			if err != nil {
				return err
			}
			rows, err := tx.Query(ctx, `select i.lease from `+unanswered+`$1 order by i.seq`, id)
			if err != nil {
				return err
			}
			late, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(late) == 0 {
				return err
			}
			howMany := "1 grant has no answer"
			if len(late) > 1 {
				howMany = strconv.Itoa(len(late)) + " grants have no answer"
			}
			_, err = tx.Exec(ctx, `insert into notices (key, kind, recipients, title, body, link) values ($1, $2, $3, $4, $5, '') on conflict (key) do nothing`,
				id+"/late", string(notice.ReviewDue), []string{owner}, "An access review is over: "+howMany,
				"They stay until they end by themselves. End one now with: gildway access revoke LEASE\nWhich they are: gildway access review show "+id)
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, "", id+"/late", "access-review-late", "gildway", map[string]any{"review": id, "owner": owner, "leases": late})
		})
	})
}

// ReviewFilter selects reviews. What is empty selects all.
type ReviewFilter struct {
	ID     string
	Open   bool
	Owners []string // if not nil
	Before int64    // Seq of the last one seen; 0 = from the newest
	Limit  int
}

// Reviews lists reviews, newest first.
func (s *Store) Reviews(ctx context.Context, f ReviewFilter) (list []Review, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select r.id, r.seq, r.owner, r.opened_at, r.due_at, r.closed_at,
				(select count(*) from access_review_items where review = r.id), (select count(*) from `+unanswered+`r.id)
			from access_reviews r
			where ($1 = '' or r.id = $1) and (not $2 or r.closed_at is null) and ($3::text[] is null or r.owner = any($3)) and ($4 = 0 or r.seq < $4)
			order by r.seq desc limit $5`, f.ID, f.Open, f.Owners, f.Before, f.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Review])
		return err
	})
	return list, err
}

// Review gives one review. One that isn't there is a NotFound fault.
func (s *Store) Review(ctx context.Context, id string) (Review, error) {
	found, err := s.Reviews(ctx, ReviewFilter{ID: id, Limit: 1})
	if err == nil && len(found) == 0 {
		return Review{}, fault.New(fault.NotFound, "there is no such access review")
	}
	if err != nil {
		return Review{}, err
	}
	return found[0], nil
}

// ReviewItems lists what a review is about, newest grant first.
func (s *Store) ReviewItems(ctx context.Context, id string) (list []ReviewItem, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select i.lease, i.task::text, i.step, i.action, i.template, i.requester, i.grantee, coalesce(l.expires_at, i.expires_at),
				i.verdict, i.decided_by, i.comment, i.decided_at, l.id is null or l.ended_at is not null or l.revoke_asked_at is not null
			from access_review_items i left join leases l on l.id = i.lease
			where i.review = $1 order by i.seq desc`, id)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ReviewItem])
		return err
	})
	return list, err
}
