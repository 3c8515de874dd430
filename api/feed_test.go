package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// oneLog is the log of one task in memory that counts how often it is read, and wakes whoever waits for it.
type oneLog struct {
	mu     sync.Mutex
	events []store.Event
	reads  int
	err    error
	wake   map[int]func()
	nth    int
}

func (s *oneLog) Events(_ context.Context, _ string, after int64, withCompletion bool, limit int) (page []store.Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, e := range s.events {
		if len(page) < limit && (e.ID > after || withCompletion && e.Type == "completion") {
			page = append(page, e)
		}
	}
	return page, s.err
}

func (s *oneLog) LastEvent(context.Context, string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		return 0, s.err
	}
	return s.events[len(s.events)-1].ID, s.err
}

func (s *oneLog) Subscribe(_ string, wake func()) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nth++
	n := s.nth
	s.wake[n] = wake
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.wake, n)
	}
}

// change lets f do something with the log and tells whoever waits.
func (s *oneLog) change(f func()) {
	s.mu.Lock()
	f()
	var calls []func()
	for _, wake := range s.wake {
		calls = append(calls, wake)
	}
	s.mu.Unlock()
	for _, wake := range calls {
		wake()
	}
}

func (s *oneLog) add(kind string, ids ...int64) {
	s.change(func() {
		for _, id := range ids {
			s.events = append(s.events, store.Event{ID: id, Task: "t", Type: kind, Body: json.RawMessage(`{"message":"x"}`)})
		}
	})
}

func (s *oneLog) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func newLog() (*oneLog, *feeds) {
	s := &oneLog{wake: map[int]func(){}}
	return s, newFeeds(s, s)
}

// hears gives what a follower is told next.
func hears(t *testing.T, f *follower) (ids []int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		lines, wait, err := f.take(ctx)
		require.NoError(t, err)
		for _, l := range lines {
			ids = append(ids, l.event.Id)
		}
		if len(ids) > 0 {
			return ids
		}
		select {
		case <-wait:
		case <-ctx.Done():
			require.Fail(t, "nothing was heard")
		}
	}
}

// hearsNothing checks that nothing more is there, once all that was asked for has been read.
func hearsNothing(t *testing.T, f *follower) {
	t.Helper()
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.reading
	}, 20*time.Second, time.Millisecond)
	lines, _, err := f.take(t.Context())
	require.NoError(t, err)
	require.Empty(t, lines)
}

func TestFeed_ThreeFollowers_OneReadForAll(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	s.add("log", 1, 2)
	var page []*follower
	for range 3 {
		f := feeds.follow("t", false, 0)
		defer f.close()
		page = append(page, f)
	}
	for _, f := range page {
		require.Equal(t, []int64{1, 2}, hears(t, f))
		hearsNothing(t, f)
	}
	opened := s.count()
	require.LessOrEqual(t, opened, 3)
	for n := int64(3); n < 10; n++ {
		s.add("log", n)
		for _, f := range page {
			require.Equal(t, []int64{n}, hears(t, f))
		}
	}
	require.Equal(t, opened+7, s.count())

	page[0].rest(0) // a quiet feed keeps nothing
	require.Empty(t, page[0].lines)
	late := feeds.follow("t", false, 4)
	defer late.close()
	require.Equal(t, []int64{5, 6, 7, 8, 9}, hears(t, late))
	for _, f := range page {
		hearsNothing(t, f)
		f.close()
		f.close() // twice is once
	}
	late.close()
	require.Empty(t, feeds.open)
	require.Empty(t, s.wake)
}

func TestFeed_AfterAnyID_NoGapNoRepeat(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	for id := int64(1); id <= 3*batch; id++ {
		s.add("log", 2*id)
	}
	for _, after := range []int64{0, 1, 2, 999, 5*batch + 1, 6*batch - 2, 6 * batch} { // the feed lags, and leads
		f := feeds.follow("t", false, after)
		defer f.close()
		s.add("log", s.events[len(s.events)-1].ID+2)
		last := s.events[len(s.events)-1].ID
		var got, want []int64
		for _, e := range s.events {
			if e.ID > after {
				want = append(want, e.ID)
			}
		}
		for len(got) == 0 || got[len(got)-1] != last {
			got = append(got, hears(t, f)...)
		}
		require.Equal(t, want, got, "after %d", after)
	}
}

func TestFeed_Completion_ToldOnceToWhoeverIsPastIt(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	s.add("log", 1, 2)
	beyond := feeds.follow("t", true, 1_000_000) // no event has such an id, yet
	defer beyond.close()
	hearsNothing(t, beyond)
	s.add("completion", 3)
	require.Equal(t, []int64{3}, hears(t, beyond))
	s.add("log", 4)
	hearsNothing(t, beyond)
	again := feeds.follow("t", true, 4)
	defer again.close()
	require.Equal(t, []int64{3}, hears(t, again))
	hearsNothing(t, again)
}

func TestFeed_Retry_OldCompletionIsGoneNewOneComes(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	s.add("log", 1)
	s.add("completion", 2)
	watching := feeds.follow("t", true, 0)
	defer watching.close()
	require.Equal(t, []int64{1, 2}, hears(t, watching))
	s.change(func() {
		s.events = slices.DeleteFunc(s.events, func(e store.Event) bool { return e.ID == 2 })
		s.events = append(s.events, store.Event{ID: 3, Task: "t", Type: "recovered", Body: json.RawMessage(`{}`)})
	})
	require.Equal(t, []int64{3}, hears(t, watching))
	fresh := feeds.follow("t", true, 0)
	defer fresh.close()
	require.Equal(t, []int64{1, 3}, hears(t, fresh))
	s.add("completion", 4)
	require.Equal(t, []int64{4}, hears(t, watching))
	require.Equal(t, []int64{4}, hears(t, fresh))
}

func TestFeed_DatabaseAway_IsWaitedFor_OtherErrorsAreTold(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	f := feeds.follow("t", false, 0)
	defer f.close()
	hearsNothing(t, f)
	s.change(func() { s.err = fault.New(fault.Unavailable, "restarting") })
	require.Eventually(t, func() bool { return s.count() >= 2 }, 20*time.Second, time.Millisecond)
	s.mu.Lock()
	s.err = nil
	s.mu.Unlock()
	s.add("log", 1)
	require.Equal(t, []int64{1}, hears(t, f))

	s.change(func() { s.err = errors.New("broken") })
	require.Eventually(t, func() bool {
		_, _, err := f.take(t.Context())
		return err != nil
	}, 20*time.Second, time.Millisecond)
	s.change(func() { s.err = nil })
	next := feeds.follow("t", false, 0)
	defer next.close()
	require.Equal(t, []int64{1}, hears(t, next))
}

// Followers come and go at any place while a log grows, with events that are hidden and shown again.
func TestFeed_ManyFollowers_EachHasTheWholeLog(t *testing.T) {
	t.Parallel()
	s, feeds := newLog()
	const last = 2000
	var all errgroup.Group
	all.Go(func() error {
		for id := int64(1); id < last; id++ {
			s.add("log", id)
		}
		s.add("completion", last)
		return nil
	})
	for n := range 40 {
		all.Go(func() error {
			got, after := int64(0), int64(0)
			for got < last {
				f := feeds.follow("t", false, after)
				for range 3 + n {
					lines, wait, err := f.take(t.Context())
					if err != nil {
						f.close()
						return err
					}
					for _, l := range lines {
						if got++; l.event.Id != got {
							f.close()
							return fmt.Errorf("event %d came as number %d", l.event.Id, got)
						}
						after = l.event.Id
					}
					if got == last {
						break
					}
					if len(lines) == 0 {
						<-wait
					}
				}
				f.rest(0)
				f.close()
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
	require.Empty(t, feeds.open)
}

func TestLineOf_AsBackstageWrites(t *testing.T) {
	t.Parallel()
	l := lineOf(store.Event{ID: 7, Task: "t", Type: "log", Body: json.RawMessage(`{"message":"<b>"}`)}, true)
	require.Equal(t, `event: log
data: {"id":7,"isTaskRecoverable":true,"taskId":"t","body":{"message":"<b>"},"type":"log","createdAt":"0001-01-01T00:00:00.000Z"}

`, string(l.text))
}
