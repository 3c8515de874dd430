package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/fault"
)

func weekly(id, owner string) Schedule {
	return Schedule{
		ID: id, Owner: owner, Template: "template:default/x", TemplateOwner: "group:default/platform", TemplateTags: []string{"t"},
		Values: json.RawMessage(`{"b":1, "a":2}`), Cron: "0 3 * * 1", TimeZone: "Europe/Berlin", Overlap: "skip",
	}
}

// given hands over all changes and says what they were.
func given(t *testing.T, s *Store) (changes []string) {
	t.Helper()
	for {
		found, err := s.TakeSchedule(t.Context(), func(_ context.Context, c Schedule) error {
			what := "keep " + c.ID
			switch {
			case c.DeletedAt != nil:
				what = "drop " + c.ID
			case c.PausedAt != nil:
				what = "pause " + c.ID
			}
			changes = append(changes, what)
			return nil
		})
		require.NoError(t, err)
		if !found {
			return changes
		}
	}
}

func TestSchedules_EachChangeIsHandedOverOnce_AndAudited(t *testing.T) {
	t.Parallel()
	s := open(t)
	made, err := s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	again, err := s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	require.Equal(t, made, again)
	require.JSONEq(t, `{"a":2,"b":1}`, string(made.Values))

	_, err = s.TakeSchedule(t.Context(), func(context.Context, Schedule) error { return fault.New(fault.Unavailable, "away") })
	require.ErrorIs(t, err, fault.Unavailable)
	require.Equal(t, []string{"keep w"}, given(t, s))
	require.Empty(t, given(t, s))

	for range 2 { // the second changes nothing
		require.NoError(t, s.PauseSchedule(t.Context(), "w", "user:default/b", true))
	}
	require.Equal(t, []string{"pause w"}, given(t, s))
	require.NoError(t, s.PauseSchedule(t.Context(), "w", "user:default/b", false))
	require.Equal(t, []string{"keep w"}, given(t, s))

	require.NoError(t, s.DeleteSchedule(t.Context(), "w", "user:default/b"))
	_, err = s.Schedule(t.Context(), "w")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.ErrorIs(t, err, fault.Conflict, "the engine still has the one before")
	require.NoError(t, s.PauseSchedule(t.Context(), "w", "user:default/b", true), "nothing is there to pause")
	require.Equal(t, []string{"drop w"}, given(t, s))
	_, err = s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	for kind, times := range map[string]int{"schedule-created": 2, "schedule-paused": 1, "schedule-resumed": 1, "schedule-deleted": 1} {
		require.Equal(t, times, audits(t, s, "", kind), kind)
	}
}

func TestSchedules_IdOfAnother_Conflict(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	for name, change := range map[string]func(*Schedule){
		"owner":  func(c *Schedule) { c.Owner = "user:default/b" },
		"values": func(c *Schedule) { c.Values = json.RawMessage(`{"a":3}`) },
		"time":   func(c *Schedule) { c.Cron = "@daily" },
		"zone":   func(c *Schedule) { c.TimeZone = "UTC" },
	} {
		other := weekly("w", "user:default/a")
		change(&other)
		_, err := s.CreateSchedule(t.Context(), other, 0)
		require.ErrorIs(t, err, fault.Conflict, name)
	}
}

func TestSchedules_ListOwnAndThoseOfOnesTemplates(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, c := range []Schedule{weekly("one", "user:default/a"), weekly("two", "user:default/b"), weekly("three", "user:default/a")} {
		_, err := s.CreateSchedule(t.Context(), c, 0)
		require.NoError(t, err)
	}
	ids := func(f ScheduleFilter) (ids []string) {
		list, err := s.Schedules(t.Context(), f)
		require.NoError(t, err)
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		return ids
	}
	require.Equal(t, []string{"three", "two", "one"}, ids(ScheduleFilter{Limit: 9}))
	require.Equal(t, []string{"three", "one"}, ids(ScheduleFilter{Owner: "user:default/a", Limit: 9}))
	require.Len(t, ids(ScheduleFilter{Owner: "user:default/c", Owners: []string{"group:default/platform"}, Limit: 9}), 3)
	two, err := s.Schedule(t.Context(), "two")
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, ids(ScheduleFilter{Before: two.Seq, Limit: 9}))
}

func TestRefuseFiring_ToldOnce_UntilATaskIsAccepted(t *testing.T) {
	t.Parallel()
	s := open(t)
	c, err := s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	task := newTask("user:default/a")
	for range 2 {
		require.NoError(t, s.RefuseFiring(t.Context(), RefusedFiring{Schedule: c, Task: task.ID, Why: "has left"}))
	}
	c, err = s.Schedule(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "has left", c.Problem)
	require.NotNil(t, c.ProblemAt)
	require.Equal(t, 1, audits(t, s, "", "schedule-refused"))
	for _, who := range []string{"user:default/a", "group:default/platform"} {
		told, err := s.Notices(t.Context(), []string{who}, 0, 9)
		require.NoError(t, err)
		require.Len(t, told, 1, who)
		require.Contains(t, told[0].Text, "has left")
	}

	task.Schedule = "w"
	_, err = s.CreateTask(t.Context(), task)
	require.NoError(t, err)
	c, err = s.Schedule(t.Context(), "w")
	require.NoError(t, err)
	require.Empty(t, c.Problem)
	ran, err := s.TaskPage(t.Context(), TaskPageFilter{Schedule: "w", Limit: 9})
	require.NoError(t, err)
	require.Len(t, ran, 1)
	require.Equal(t, task.ID, ran[0].ID)
}

func TestTakeSchedule_EngineRefuses_TheScheduleSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.CreateSchedule(t.Context(), weekly("w", "user:default/a"), 0)
	require.NoError(t, err)
	found, err := s.TakeSchedule(t.Context(), func(context.Context, Schedule) error { return fault.New(fault.Invalid, "no such time") })
	require.NoError(t, err)
	require.True(t, found)
	require.Empty(t, given(t, s), "it would be refused again")
	c, err := s.Schedule(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "no such time", c.Problem)
}

func TestSchedules_AtMostSoMany_WhoeverIsFaster(t *testing.T) {
	t.Parallel()
	s := open(t)
	var made, refused atomic.Int32
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			switch _, err := s.CreateSchedule(t.Context(), weekly(fmt.Sprint("w", i), "user:default/a"), 3); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, fault.Conflict):
				refused.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 3, made.Load())
	require.EqualValues(t, 5, refused.Load())
	require.Equal(t, 3, audits(t, s, "", "schedule-created"))

	there, err := s.Schedules(t.Context(), ScheduleFilter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, there, 3)
	_, err = s.CreateSchedule(t.Context(), weekly(there[0].ID, "user:default/a"), 3)
	require.NoError(t, err, "the same again is not one more")
	_, err = s.CreateSchedule(t.Context(), weekly("others", "user:default/b"), 3)
	require.NoError(t, err)
	_, err = s.CreateSchedule(t.Context(), weekly("more", "user:default/a"), 3)
	require.ErrorContains(t, err, "user:default/a has 3 schedules, and may have no more; delete one first")
	require.NoError(t, s.DeleteSchedule(t.Context(), there[0].ID, "user:default/a"))
	_, err = s.CreateSchedule(t.Context(), weekly("more", "user:default/a"), 3)
	require.NoError(t, err)
}
