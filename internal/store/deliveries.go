package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/notice"
)

// ClaimNotice takes the notice that has waited longest for its deliveries, and says how often it was taken. Nobody else
// gets it for as long as it is held. If there is none, try is 0.
func (s *Store) ClaimNotice(ctx context.Context, hold time.Duration) (n notice.Notice, try int, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			update notices set tries = tries + 1, next_try = now() + $1
			where key = (select key from notices where addressed_at is null and next_try <= now() order by next_try, seq limit 1 for update skip locked)
			returning key, kind, recipients, coalesce(task::text, ''), title, body, link, due, tries`, hold)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			return struct{}{}, row.Scan(&n.Key, &n.Kind, &n.To, &n.Task, &n.Title, &n.Text, &n.Link, &n.Due, &try)
		})
		return err
	})
	return n, try, err
}

// Address notes where a notice is to be sent; to the same address once. Those with a problem are given up at once, with
// an entry in the audit log. If more is to be found out, the notice can be claimed again after a while.
func (s *Store) Address(ctx context.Context, n notice.Notice, to []notice.Addressee, again time.Duration) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			for _, a := range to {
				_, err := tx.Exec(ctx, `
					insert into deliveries (notice, channel, address, problem, given_up_at, person) values ($1, $2, $3, $4, case when $4::text <> '' then now() end, $5)
					on conflict (notice, channel, address) do nothing`, n.Key, a.Channel, a.Address, a.Problem, a.Person)
				if err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `
				update notices set addressed_at = case when $3 then now() end, next_try = now() + $2
				where key = $1 and addressed_at is null`, n.Key, again, again == 0)
			if err != nil {
				return err
			}
			for _, a := range to {
				if a.Problem == "" {
					continue
				}
				if err := auditUndelivered(ctx, tx, n, a.Channel, a.Address, a.Problem); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func auditUndelivered(ctx context.Context, tx pgx.Tx, n notice.Notice, channel, address, problem string) error {
	return appendAudit(ctx, tx, n.Task, n.Key+"/undelivered/"+channel+"/"+address, "notice-undelivered", "gildway", map[string]any{
		"kind": string(n.Kind), "channel": channel, "address": address, "problem": problem,
	})
}

// ClaimDelivery takes what has waited longest to be sent by a channel; nil if nothing waits. Nobody else gets it for as
// long as it is held. Whoever holds it says how it ended; until somebody does, it is in doubt.
func (s *Store) ClaimDelivery(ctx context.Context, channel string, hold time.Duration) (claimed *notice.Delivery, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			with next as (
				select notice, channel, address, in_doubt from deliveries
				where channel = $1 and sent_at is null and given_up_at is null and next_try <= now()
				order by next_try limit 1 for update skip locked)
			update deliveries d set tries = d.tries + 1, next_try = now() + $2, in_doubt = true
			from next join notices n on n.key = next.notice
			where d.notice = next.notice and d.channel = next.channel and d.address = next.address
			returning n.key, n.kind, n.recipients, coalesce(n.task::text, ''), n.title, n.body, n.link, n.due, n.approval,
				d.channel, d.address, d.person, d.tries, next.in_doubt, d.created_at`, channel, hold)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			claimed = &notice.Delivery{}
			return struct{}{}, row.Scan(&claimed.Key, &claimed.Kind, &claimed.To, &claimed.Task, &claimed.Title, &claimed.Text, &claimed.Link, &claimed.Due, &claimed.Approval,
				&claimed.Channel, &claimed.Address, &claimed.Person, &claimed.Try, &claimed.InDoubt, &claimed.Since)
		})
		return err
	})
	return claimed, err
}

// Sent notes that a delivery has arrived.
func (s *Store) Sent(ctx context.Context, d notice.Delivery) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			update deliveries set sent_at = now(), in_doubt = false, problem = ''
			where notice = $1 and channel = $2 and address = $3 and sent_at is null`, d.Key, d.Channel, d.Address)
		return err
	})
}

// Unsent notes that a delivery is to be tried again after a while, and whether it may have arrived all the same. What
// somebody else has taken meanwhile stays theirs.
func (s *Store) Unsent(ctx context.Context, d notice.Delivery, again time.Duration, inDoubt bool, problem string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			update deliveries set next_try = now() + $5, in_doubt = $6, problem = $7
			where notice = $1 and channel = $2 and address = $3 and tries = $4 and sent_at is null and given_up_at is null`,
			d.Key, d.Channel, d.Address, d.Try, again, inDoubt, problem)
		return err
	})
}

// GiveUp notes that a delivery is not tried again, with an entry in the audit log.
func (s *Store) GiveUp(ctx context.Context, d notice.Delivery, problem string) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			done, err := tx.Exec(ctx, `
				update deliveries set given_up_at = now(), problem = $5
				where notice = $1 and channel = $2 and address = $3 and tries = $4 and sent_at is null and given_up_at is null`,
				d.Key, d.Channel, d.Address, d.Try, problem)
			if err != nil || done.RowsAffected() == 0 {
				return err
			}
			return auditUndelivered(ctx, tx, d.Notice, d.Channel, d.Address, problem)
		})
	})
}

// Backlogs tells for each channel what waits to be sent and what was given up.
func (s *Store) Backlogs(ctx context.Context) (list []notice.Backlog, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select channel, sum(waiting)::int, sum(given_up)::int from (
				select channel, count(*) as waiting, 0 as given_up from deliveries where sent_at is null and given_up_at is null group by channel
				union all
				select channel, 0, count(*) from deliveries where given_up_at is not null group by channel) as counted
			group by channel order by channel`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[notice.Backlog])
		return err
	})
	return list, err
}
