package store

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

// Schedule runs a template regularly.
type Schedule struct {
	ID            string
	Seq           int64  // grows with each schedule
	Owner         string // in whose name its tasks are
	Template      string
	TemplateOwner string
	TemplateTags  []string
	Values        json.RawMessage
	Cron          string
	TimeZone      string
	Overlap       string // skip, buffer-one or allow-all
	CreatedAt     time.Time
	PausedAt      *time.Time
	DeletedAt     *time.Time // when somebody asked for its end
	Problem       string     // why it last ran nothing
	ProblemAt     *time.Time

	wanted int
}

// CreateSchedule promises a schedule, or gives the one that is there if its owner has asked for the same before. An id that
// stands for another one is a Conflict fault, and so is one more than its owner may have; 0 is no limit.
func (s *Store) CreateSchedule(ctx context.Context, n Schedule, most int) (Schedule, error) {
	err := s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			// Whoever asks for another one in the same name waits, and counts this one.
			if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, $2))`, n.Owner, scheduleLocks); err != nil {
				return err
			}
			var seq int64
			err := tx.QueryRow(ctx, `
				insert into schedules (id, owner, template_ref, template_owner, template_tags, task_values, cron, timezone, overlap)
				values ($1, $2, $3, $4, coalesce($5, '{}'::text[]), $6, $7, $8, $9) on conflict (id) do nothing returning seq`,
				n.ID, n.Owner, n.Template, n.TemplateOwner, n.TemplateTags, n.Values, n.Cron, n.TimeZone, n.Overlap).Scan(&seq)
			if err == nil {
				if err := fitsSchedules(ctx, tx, n.Owner, most); err != nil {
					return err
				}
				return appendAudit(ctx, tx, "", scheduleKey(seq, "created"), "schedule-created", n.Owner, map[string]any{
					"schedule": n.ID, "template": n.Template, "cron": n.Cron, "timezone": n.TimeZone,
				})
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			var same bool
			err = tx.QueryRow(ctx, `
				select owner = $2 and template_ref = $3 and task_values::jsonb = $4::jsonb and cron = $5 and timezone = $6 and overlap = $7 and deleted_at is null
				from schedules where id = $1`, n.ID, n.Owner, n.Template, string(n.Values), n.Cron, n.TimeZone, n.Overlap).Scan(&same)
			if err == nil && !same {
				return fault.New(fault.Conflict, "there is another schedule with the id %s; choose another id, or delete it first", n.ID)
			}
			return err
		})
	})
	if err != nil {
		return Schedule{}, err
	}
	return s.Schedule(ctx, n.ID)
}

// scheduleLocks keeps the locks of owners apart from others.
const scheduleLocks = 0x736368 // "sch"

func fitsSchedules(ctx context.Context, tx pgx.Tx, owner string, most int) error {
	if most == 0 {
		return nil
	}
	var there int
	err := tx.QueryRow(ctx, `select count(*) from schedules where owner = $1 and deleted_at is null`, owner).Scan(&there)
	if err == nil && there > most {
		return fault.New(fault.Conflict, "%s has %d schedules, and may have no more; delete one first", owner, there-1)
	}
	return err
}

// scheduleKey is the key of an audit entry: the id of a schedule that is deleted can be used again.
func scheduleKey(seq int64, what string) string {
	return "schedule/" + strconv.FormatInt(seq, 10) + "/" + what
}

// ScheduleFilter selects schedules. What is empty selects all.
type ScheduleFilter struct {
	ID     string
	Owner  string
	Owners []string // with Owner: or the template's owner is one of them
	Before int64    // Seq of the last one seen; 0 = from the newest
	Limit  int
}

const scheduleColumns = `id, seq, owner, template_ref, template_owner, template_tags, task_values, cron, timezone, overlap, created_at, paused_at, deleted_at,
	problem, problem_at, wanted`

func scanSchedule(row pgx.CollectableRow) (c Schedule, err error) {
	err = row.Scan(&c.ID, &c.Seq, &c.Owner, &c.Template, &c.TemplateOwner, &c.TemplateTags, &c.Values, &c.Cron, &c.TimeZone, &c.Overlap, &c.CreatedAt,
		&c.PausedAt, &c.DeletedAt, &c.Problem, &c.ProblemAt, &c.wanted)
	return c, err
}

// Schedules lists schedules that nobody has deleted, newest first.
func (s *Store) Schedules(ctx context.Context, f ScheduleFilter) (list []Schedule, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `
			select `+scheduleColumns+` from schedules
			where deleted_at is null and ($1 = '' or id = $1) and ($2 = '' or owner = $2 or template_owner = any($3)) and ($4 = 0 or seq < $4)
			order by seq desc limit $5`, f.ID, f.Owner, append([]string{}, f.Owners...), f.Before, f.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanSchedule)
		return err
	})
	return list, err
}

// Schedule gives one schedule. One that isn't there, or was deleted, is a NotFound fault.
func (s *Store) Schedule(ctx context.Context, id string) (Schedule, error) {
	found, err := s.Schedules(ctx, ScheduleFilter{ID: id, Limit: 1})
	switch {
	case err != nil:
		return Schedule{}, err
	case len(found) == 0 || id == "":
		return Schedule{}, fault.New(fault.NotFound, "there is no such schedule")
	}
	return found[0], nil
}

// PauseSchedule notes that a schedule is to run nothing, or to go on. One that is so already stays as it is.
func (s *Store) PauseSchedule(ctx context.Context, id, by string, paused bool) error {
	kind := "schedule-resumed"
	if paused {
		kind = "schedule-paused"
	}
	return s.changeSchedule(ctx, id, by, kind, `paused_at = case when $2 then now() end where id = $1 and (paused_at is null) = $2`, paused)
}

// DeleteSchedule notes that a schedule is to end. Tasks that it has begun go on.
func (s *Store) DeleteSchedule(ctx context.Context, id, by string) error {
	return s.changeSchedule(ctx, id, by, "schedule-deleted", `deleted_at = now() where id = $1`)
}

func (s *Store) changeSchedule(ctx context.Context, id, by, kind, change string, args ...any) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var seq int64
			var wanted int
			err := tx.QueryRow(ctx, `update schedules set wanted = wanted + 1, `+change+` and deleted_at is null returning seq, wanted`,
				append([]any{id}, args...)...).Scan(&seq, &wanted)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, "", scheduleKey(seq, strconv.Itoa(wanted)), kind, by, map[string]any{"schedule": id})
		})
	})
}

// TakeSchedule hands over the change to a schedule that the engine doesn't know of for the longest time, and says if there was
// one. Nobody else changes it or hands it over meanwhile. An Invalid fault of give is the schedule's problem, any other error leaves
// it as it was.
func (s *Store) TakeSchedule(ctx context.Context, give func(context.Context, Schedule) error) (found bool, err error) {
	err = s.once(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `
				select `+scheduleColumns+` from schedules where taken < wanted order by seq limit 1 for update`)
			if err != nil {
				return err
			}
			changed, err := pgx.CollectRows(rows, scanSchedule)
			if found = len(changed) > 0; err != nil || !found {
				return err
			}
			c := changed[0]
			problem := ""
			switch err := give(ctx, c); {
			case errors.Is(err, fault.Invalid):
				problem = fault.From(err).Public
			case err != nil:
				return err
			}
			if c.DeletedAt != nil {
				_, err = tx.Exec(ctx, `delete from schedules where id = $1`, c.ID)
				return err
			}
			_, err = tx.Exec(ctx, `
				update schedules set taken = $2, problem = coalesce(nullif($3, ''), problem), problem_at = case when $3 = '' then problem_at else now() end
				where id = $1`, c.ID, c.wanted, problem)
			return err
		})
	})
	return found, err
}

// RefusedFiring is a time at which a schedule could run nothing.
type RefusedFiring struct {
	Schedule Schedule
	Task     string // the id that its task would have got
	Why      string
}

// RefuseFiring notes that a schedule could run nothing, and tells its owner and the template's. The same again is nothing.
func (s *Store) RefuseFiring(ctx context.Context, r RefusedFiring) error {
	c, key := r.Schedule, r.Task+"/refused"
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `update schedules set problem = $2, problem_at = now() where id = $1`, c.ID, r.Why); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `
				insert into notices (key, kind, recipients, title, body, link)
				values ($1, $2, case when $4::text in ('', $3::text) then array[$3::text] else array[$3::text, $4::text] end, $5, $6, '') on conflict (key) do nothing`,
				key, string(notice.ScheduleRefused), c.Owner, c.TemplateOwner, "The schedule "+c.ID+" could not run "+c.Template,
				r.Why+"\nIt tries again at its next time; see: gildway task schedule show "+c.ID)
			if err != nil {
				return err
			}
			return appendAudit(ctx, tx, "", key, "schedule-refused", c.Owner, map[string]any{"schedule": c.ID, "template": c.Template, "why": r.Why})
		})
	})
}

// ranSchedule notes that a schedule runs again what it is to run.
func ranSchedule(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, `update schedules set problem = '', problem_at = null where id = $1 and problem <> ''`, id)
	return err
}
