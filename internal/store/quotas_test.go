package store

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/gildway/gildway/internal/fault"
)

func limited(by string, quotas ...Quota) NewTask {
	n := newTask(by)
	n.Teams, n.Quotas = []string{"group:default/one", "group:default/two"}, quotas
	return n
}

func refusal(t require.TestingT, err error) *fault.Error {
	require.ErrorIs(t, err, fault.RateLimited)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Positive(t, f.RetryAfter)
	return f
}

// flood submits n tasks at once over several stores, as replicas would, and says how many were accepted.
func flood(t require.TestingT, replicas []*Store, n int, task func() NewTask) (accepted []string) {
	var g errgroup.Group
	var mu sync.Mutex
	for i := range n {
		g.Go(func() error {
			id, err := replicas[i%len(replicas)].CreateTask(context.Background(), task())
			if errors.Is(err, fault.RateLimited) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			accepted = append(accepted, id)
			return err
		})
	}
	require.NoError(t, g.Wait())
	return accepted
}

func TestQuota_ParallelSubmissions_NeverExceedIt(t *testing.T) {
	t.Parallel()
	a := open(t)
	b, err := Open(t.Context(), a.pool.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(b.Close)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		who := func(kind string) string {
			return kind + ":default/" + string(rune('a'+round/26)) + string(rune('a'+round%26))
		}
		limit := rapid.IntRange(1, 12).Draw(r, "limit")
		rate := rapid.IntRange(1, 12).Draw(r, "rate")
		n := rapid.IntRange(1, 24).Draw(r, "submissions")
		of := rapid.SampledFrom([]QuotaOf{OfRequester, OfTeam, OfTemplate}).Draw(r, "of")
		quota := Quota{Of: of, Ref: who("user"), Running: limit, PerMinute: rate}
		begun := time.Now()
		accepted := flood(r, []*Store{a, b}, n, func() NewTask {
			task := newTask(quota.Ref)
			task.Teams, task.TemplateRef = []string{"group:default/x", quota.Ref}, quota.Ref
			task.Quotas = []Quota{{Of: OfTemplate, Ref: "template:default/other", Running: 1 << 20, PerMinute: 1 << 20}, quota}
			return task
		})
		refilled := int(time.Since(begun).Minutes()*float64(rate)) + 1
		require.GreaterOrEqual(r, len(accepted), min(n, limit, rate))
		require.LessOrEqual(r, len(accepted), min(n, limit, rate+refilled))
	})
}

func TestQuota_Running_IsFreeAgainWhenATaskEnds(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, q := range []Quota{
		{Of: OfRequester, Ref: "user:default/rosa", Running: 2}, {Of: OfTeam, Ref: "group:default/two", Running: 2}, {Of: OfTemplate, Ref: "template:default/x", Running: 2},
	} {
		ids := flood(t, []*Store{s}, 6, func() NewTask { return limited("user:default/rosa", q) })
		require.Len(t, ids, 2)
		_, err := s.CreateTask(t.Context(), limited("user:default/rosa", q))
		require.Equal(t, "too many tasks at once: "+q.Ref+" has 2 that have not ended, and may have no more", refusal(t, err).Public)
		for _, id := range ids {
			require.NoError(t, s.Complete(t.Context(), id, 0, StatusCompleted, "", nil, nil))
		}
		id, err := s.CreateTask(t.Context(), limited("user:default/rosa", q))
		require.NoError(t, err)
		require.NoError(t, s.Complete(t.Context(), id, 0, StatusCompleted, "", nil, nil))
	}
}

func TestQuota_PerMinute_FillsUpWithTime(t *testing.T) {
	t.Parallel()
	s := open(t)
	quota := Quota{Of: OfRequester, Ref: "user:default/rosa", PerMinute: 3}
	require.Len(t, flood(t, []*Store{s}, 9, func() NewTask { return limited("user:default/rosa", quota) }), 3)
	_, err := s.CreateTask(t.Context(), limited("user:default/rosa", quota))
	f := refusal(t, err)
	require.Equal(t, "too many submissions: user:default/rosa has 3 a minute", f.Public)
	require.InDelta(t, 20, f.RetryAfter.Seconds(), 10)

	_, err = s.pool.Exec(t.Context(), `update allowances set at = at - interval '20 seconds'`)
	require.NoError(t, err)
	require.Len(t, flood(t, []*Store{s}, 5, func() NewTask { return limited("user:default/rosa", quota) }), 1)
	_, err = s.pool.Exec(t.Context(), `update allowances set at = at - interval '1 day'`)
	require.NoError(t, err)
	require.Len(t, flood(t, []*Store{s}, 9, func() NewTask { return limited("user:default/rosa", quota) }), 3, "it never holds more than a minute's")
}

func TestQuota_RefusedByOne_IsNotCountedByTheOthers(t *testing.T) {
	t.Parallel()
	s := open(t)
	rate := Quota{Of: OfRequester, Ref: "user:default/rosa", PerMinute: 2}
	full := Quota{Of: OfTemplate, Ref: "template:default/x", Running: 1}
	create(t, s, "user:default/ben")
	require.Empty(t, flood(t, []*Store{s}, 5, func() NewTask { return limited("user:default/rosa", rate, full) }))
	require.Len(t, flood(t, []*Store{s}, 5, func() NewTask { return limited("user:default/rosa", rate) }), 2)
}

func TestQuota_SameIdempotencyKey_CountsOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	ids := flood(t, []*Store{s}, 8, func() NewTask {
		n := limited("user:default/rosa", Quota{Of: OfRequester, Ref: "user:default/rosa", Running: 1, PerMinute: 1})
		n.IdempotencyKey, n.Request = "k", "same"
		return n
	})
	require.Len(t, ids, 8, "none of them is refused")
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestQuota_Retry_NeedsAPlaceToo(t *testing.T) {
	t.Parallel()
	s := open(t)
	quota := Quota{Of: OfRequester, Ref: "user:default/rosa", Running: 1}
	ended := create(t, s, "user:default/rosa")
	require.NoError(t, s.Complete(t.Context(), ended, 0, StatusFailed, "", nil, nil))
	going := create(t, s, "user:default/rosa")
	retry := func() error {
		return s.Retry(t.Context(), NewAttempt{Task: ended, Attempt: 1, Run: json.RawMessage(`{}`), Strategy: "none", By: "user:default/rosa", Quotas: []Quota{quota}},
			func(context.Context) error { return nil })
	}
	refusal(t, retry())
	task, err := s.Task(t.Context(), ended)
	require.NoError(t, err)
	require.True(t, task.Ended())
	require.NoError(t, s.Complete(t.Context(), going, 0, StatusCompleted, "", nil, nil))
	require.NoError(t, retry())
}
