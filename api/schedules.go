package api

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/robfig/cron"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/store"
)

type scheduleStore interface {
	CreateSchedule(ctx context.Context, n store.Schedule, most int) (store.Schedule, error)
	Schedule(ctx context.Context, id string) (store.Schedule, error)
	Schedules(ctx context.Context, f store.ScheduleFilter) ([]store.Schedule, error)
	PauseSchedule(ctx context.Context, id, by string, paused bool) error
	DeleteSchedule(ctx context.Context, id, by string) error
	TakeSchedule(ctx context.Context, give func(context.Context, store.Schedule) error) (found bool, err error)
	RefuseFiring(ctx context.Context, r store.RefusedFiring) error
}

func (h handlers) CreateSchedule(ctx context.Context, r CreateScheduleRequestObject) (CreateScheduleResponseObject, error) {
	version, err := h.runnable(ctx, r.Body.Template, identity.Run)
	if err != nil {
		return nil, err
	}
	values := r.Body.Values
	if values == nil {
		values = json.RawMessage("{}")
	}
	if err := runsUnattended(version, values); err != nil { // in words of its own: refused values have Backstage's form
		f := fault.From(inWords(err))
		return nil, fault.New(f.Kind, "%s", f.Public)
	}
	if err := h.stillHere(ctx, callerOf(ctx).Ref, "whose schedule this is"); err != nil {
		return nil, err
	}
	zone := cmp.Or(r.Body.Timezone, "UTC")
	if err := checkTimes(r.Body.Cron, zone); err != nil {
		return nil, err
	}
	made, err := h.Store.CreateSchedule(ctx, store.Schedule{
		ID: cmp.Or(r.Body.Id, uuid.NewString()), Owner: callerOf(ctx).Ref, Template: version.Ref, TemplateOwner: version.Template.Owner,
		TemplateTags: version.Template.Tags(), Values: values, Cron: r.Body.Cron, TimeZone: zone, Overlap: cmp.Or(r.Body.Overlap, "skip"),
	}, h.Limits.Schedules)
	if err != nil {
		return nil, err
	}
	h.scheduler.Hurry()
	return CreateSchedule201JSONResponse(shownSchedule(made)), nil
}

// oftenest is how often a schedule may run: as often as minute, hour and day can say.
const oftenest = time.Minute

// checkTimes refuses what Temporal would not understand, or not as whoever wrote it does, and what is too often.
func checkTimes(expression, zone string) error {
	times, err := cron.ParseStandard(expression)
	if err != nil || strings.Contains(expression, "TZ=") {
		return fault.Wrap(fault.Invalid, err, "cron: %q is no time; write minute, hour, day of the month, month and day of the week, e.g. 0 3 * * 1, or @daily", expression)
	}
	if every, is := times.(cron.ConstantDelaySchedule); is && every.Delay < oftenest {
		return fault.New(fault.Invalid, "cron: %q is too often; write @every 1m or longer", expression)
	}
	if fields := strings.Fields(expression); len(fields) == 5 && fields[2][0] != '*' && fields[4][0] != '*' {
		return fault.New(fault.Invalid, "cron: %q names days of the month and days of the week; write * for one of them", expression)
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return fault.Wrap(fault.Invalid, err, "timezone: %q is none; write one of the IANA database, e.g. Europe/Berlin", zone)
	}
	return nil
}

func (h handlers) ListSchedules(ctx context.Context, r ListSchedulesRequestObject) (ListSchedulesResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := store.ScheduleFilter{Before: page.before, Limit: page.limit + 1}
	caller := callerOf(ctx)
	if all, err := h.readsAll(ctx, &caller); err != nil {
		return nil, err
	} else if !all {
		filter.Owner, filter.Owners = caller.Ref, append([]string{caller.Ref}, caller.Groups...)
	}
	found, err := h.Store.Schedules(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListSchedules200JSONResponse{Items: []Schedule{}}
	for i, c := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, shownSchedule(c))
	}
	return list, nil
}

func shownSchedule(c store.Schedule) Schedule {
	return Schedule{
		Id: c.ID, Template: c.Template, Owner: c.Owner, Values: c.Values, Cron: c.Cron, Timezone: c.TimeZone, Overlap: c.Overlap,
		CreatedAt: moment(c.CreatedAt), PausedAt: momentOf(c.PausedAt), Problem: c.Problem, ProblemAt: momentOf(c.ProblemAt),
	}
}

// lastScheduled is how many tasks are shown with their schedule.
const lastScheduled = 10

func (h handlers) GetSchedule(ctx context.Context, _ GetScheduleRequestObject) (GetScheduleResponseObject, error) {
	line := shownSchedule(askedIn(ctx).schedule)
	shown := GetSchedule200JSONResponse{
		Id: line.Id, Template: line.Template, Owner: line.Owner, Values: line.Values, Cron: line.Cron, Timezone: line.Timezone, Overlap: line.Overlap,
		CreatedAt: line.CreatedAt, PausedAt: line.PausedAt, Problem: line.Problem, ProblemAt: line.ProblemAt, Next: []string{}, Tasks: []TaskSummary{},
	}
	next, err := h.Engine.NextTimes(ctx, line.Id)
	if err != nil {
		return nil, err
	}
	for _, at := range next {
		shown.Next = append(shown.Next, moment(at))
	}
	tasks, err := h.Store.TaskPage(ctx, store.TaskPageFilter{Schedule: line.Id, CreatedBy: line.Owner, Limit: lastScheduled})
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		shown.Tasks = append(shown.Tasks, summary(t))
	}
	return shown, nil
}

func (h handlers) PauseSchedule(ctx context.Context, _ PauseScheduleRequestObject) (PauseScheduleResponseObject, error) {
	c, err := h.pauseSchedule(ctx, true)
	return PauseSchedule202JSONResponse(c), err
}

func (h handlers) ResumeSchedule(ctx context.Context, _ ResumeScheduleRequestObject) (ResumeScheduleResponseObject, error) {
	c, err := h.pauseSchedule(ctx, false)
	return ResumeSchedule202JSONResponse(c), err
}

func (h handlers) pauseSchedule(ctx context.Context, paused bool) (Schedule, error) {
	a := askedIn(ctx)
	if err := h.Store.PauseSchedule(ctx, a.schedule.ID, a.caller.Ref, paused); err != nil {
		return Schedule{}, err
	}
	h.scheduler.Hurry()
	c, err := h.Store.Schedule(ctx, a.schedule.ID)
	return shownSchedule(c), err
}

func (h handlers) DeleteSchedule(ctx context.Context, _ DeleteScheduleRequestObject) (DeleteScheduleResponseObject, error) {
	a := askedIn(ctx)
	if err := h.Store.DeleteSchedule(ctx, a.schedule.ID, a.caller.Ref); err != nil {
		return nil, err
	}
	h.scheduler.Hurry()
	return DeleteSchedule202JSONResponse(shownSchedule(a.schedule)), nil
}

// RunSchedule hands the wish over at once: nobody waits days for something that was to be now.
func (h handlers) RunSchedule(ctx context.Context, _ RunScheduleRequestObject) (RunScheduleResponseObject, error) {
	a := askedIn(ctx)
	for more := true; more; { // it may be new
		var err error
		if more, err = h.scheduler.pass(ctx); err != nil {
			return nil, err
		}
	}
	key := "schedule/" + strconv.FormatInt(a.schedule.Seq, 10) + "/run/" + uuid.NewString()
	if err := h.Store.Audit(ctx, "", key, "schedule-run", a.caller.Ref, map[string]any{"schedule": a.schedule.ID}); err != nil {
		return nil, err
	}
	if err := h.Engine.RunSchedule(ctx, a.schedule.ID); err != nil {
		return nil, err
	}
	return RunSchedule202JSONResponse(shownSchedule(a.schedule)), nil
}
