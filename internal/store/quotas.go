package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// Quota bounds what is asked for by one requester, by the members of one team or of one template.
type Quota struct {
	Of        QuotaOf
	Ref       string
	Running   int // tasks that have not ended; 0 = no limit
	PerMinute int // submissions, and as many at once after a quiet minute; 0 = no limit
	// Except are tasks that don't count among those that run: a task that another one waits for must not wait for that one.
	Except []string
}

// QuotaOf says which of a task's marks the quota counts by.
type QuotaOf string

// What a quota can be of. The values are conditions on a task.
const (
	OfRequester QuotaOf = "created_by = $1"
	OfTeam      QuotaOf = "teams @> array[$1]"
	OfTemplate  QuotaOf = "template_ref = $1"
)

// slotWait is when to ask again for a task to run; nobody knows when one ends.
const slotWait = 30 * time.Second

// admit takes one submission out of each quota, or gives a RateLimited fault that says which one is used up and when
// to come back. It locks the quotas until the end of the transaction: whoever comes next sees what this one adds.
// They are locked in one order, so that nobody waits in a circle; the database's clock counts, so that all agree.
func admit(ctx context.Context, tx pgx.Tx, quotas []Quota) error {
	quotas = slices.DeleteFunc(slices.Clone(quotas), func(q Quota) bool { return q.PerMinute == 0 && q.Running == 0 })
	slices.SortFunc(quotas, func(a, b Quota) int { return cmp.Compare(a.Ref, b.Ref) })
	var batch pgx.Batch // one way to the server and back, while others wait
	for _, q := range quotas {
		q.take(&batch)
	}
	for _, q := range quotas {
		if q.Running > 0 {
			q.fits(&batch)
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &batch).Close()
}

func (q Quota) take(batch *pgx.Batch) {
	batch.Queue(`
		insert into allowances as a (subject, tokens, at) values ($1, $2::float8 - 1, clock_timestamp())
		on conflict (subject) do update set at = clock_timestamp(),
			tokens = least($2::float8, a.tokens + greatest(extract(epoch from clock_timestamp() - a.at), 0) * $2::float8 / 60) - 1
		returning tokens`, q.Ref, float64(q.PerMinute)).QueryRow(func(row pgx.Row) error {
		var left float64
		if err := row.Scan(&left); err != nil || left >= 0 || q.PerMinute == 0 {
			return err
		}
		refused := fault.New(fault.RateLimited, "too many submissions: %s has %d a minute", q.Ref, q.PerMinute)
		refused.RetryAfter = time.Duration(-left * float64(time.Minute) / float64(q.PerMinute))
		return refused
	})
}

func (q Quota) fits(batch *pgx.Batch) {
	batch.Queue(`select count(*) from (select from tasks where ended_at is null and `+string(q.Of)+` and id <> all($3::text[]::uuid[]) limit $2) t`,
		q.Ref, q.Running, append([]string{}, q.Except...)).QueryRow(func(row pgx.Row) error {
		var running int
		if err := row.Scan(&running); err != nil || running < q.Running {
			return err
		}
		refused := fault.New(fault.RateLimited, "too many tasks at once: %s has %d that have not ended, and may have no more", q.Ref, running)
		refused.RetryAfter = slotWait
		return refused
	})
}
