package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
)

func limitedTo(l config.Limits) func(*Server) {
	return func(s *Server) {
		s.Limits = Limits{Quotas: l.Quotas, DryRuns: l.DryRuns.AtOnce, DryRunsPerCaller: l.DryRuns.PerUser}
	}
}

var noopTask = map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}}

func retryAfter(t *testing.T, a answer) int {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, seconds)
	return seconds
}

func TestLimits_TooManyTasks_AreRefusedInBackstagesWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limitedTo(config.Limits{Users: config.Quota{Running: 3, PerMinute: 100}}))
	var accepted, refused atomic.Int64
	var g errgroup.Group
	for range 10 {
		g.Go(func() error {
			switch got := w.as(rosa, http.MethodPost, tasksPath, noopTask); got.status {
			case http.StatusCreated:
				accepted.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 3, accepted.Load())
	require.EqualValues(t, 7, refused.Load())

	got := w.as(rosa, http.MethodPost, tasksPath, noopTask)
	require.Equal(t, http.StatusTooManyRequests, got.status)
	retryAfter(t, got)
	require.JSONEq(t, `{
		"error": {"name": "TooManyRequestsError", "message": "too many tasks at once: `+rosa+` has 3 that have not ended, and may have no more"},
		"request": {"method": "POST", "url": "/v2/tasks"}, "response": {"statusCode": 429}}`, got.text)
	require.Equal(t, http.StatusCreated, w.as(eve, http.MethodPost, tasksPath, noopTask).status, "others are not disturbed")
}

func TestLimits_TeamsAndTemplates_CountTheirMembersTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limitedTo(config.Limits{Teams: config.Quota{PerMinute: 2}, Templates: config.Quota{PerMinute: 3}}))
	submit := func(who string) answer { return w.as(who, http.MethodPost, tasksPath, noopTask) }
	require.Equal(t, http.StatusCreated, submit(rosa).status)
	require.Equal(t, http.StatusCreated, submit(ben).status)
	got := submit(rosa) // whose team is ben's
	require.Equal(t, http.StatusTooManyRequests, got.status)
	require.Contains(t, got.text, "too many submissions: "+leads+" has 2 a minute")
	require.LessOrEqual(t, retryAfter(t, got), 30)
	require.Equal(t, http.StatusCreated, submit(eve).status)
	require.Contains(t, submit(eve).text, "too many submissions: template:default/noop has 3 a minute")
}

func TestLimits_Retry_IsASubmission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limitedTo(config.Limits{Users: config.Quota{Running: 1}}))
	id := w.submit()
	require.NoError(t, w.store.Complete(t.Context(), id, 0, "failed", "", nil, fault.New(fault.Invalid, "no")))
	w.submit()
	got := w.as(rosa, http.MethodPost, tasksPath+"/"+id+"/retry", nil)
	require.Equal(t, http.StatusTooManyRequests, got.status, got.text)
	retryAfter(t, got)
}

// slowTries are dry runs that end when they are told to.
type slowTries struct {
	begun chan struct{}
	end   chan struct{}
}

func (s slowTries) Run(ctx context.Context, _ dryrun.Request) (dryrun.Result, error) {
	s.begun <- struct{}{}
	select {
	case <-s.end:
	case <-ctx.Done():
	}
	return dryrun.Result{}, nil
}

func TestLimits_DryRuns_ABoundedNumberAtOnce(t *testing.T) {
	t.Parallel()
	slow := slowTries{make(chan struct{}), make(chan struct{})}
	w := newWorld(t, limitedTo(config.Limits{DryRuns: config.DryRuns{AtOnce: 3, PerUser: 2}}), func(s *Server) { s.DryRuns = slow })
	try := func(who string) answer {
		return w.as(who, http.MethodPost, "/api/gildway/v1/dry-run", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}})
	}
	var g errgroup.Group
	hold := func(who string) {
		g.Go(func() error {
			try(who)
			return nil
		})
		<-slow.begun
	}
	hold(rosa)
	hold(rosa)
	got := try(rosa)
	require.Equal(t, http.StatusTooManyRequests, got.status)
	retryAfter(t, got)
	problem := got.json(t)
	require.Equal(t, "RateLimited", problem["kind"])
	require.Equal(t, "too many dry runs at once: "+rosa+" has 2, and may have no more", problem["detail"])
	hold(ben)
	require.Contains(t, try(eve).text, "too many dry runs at once; try again in a moment")
	close(slow.end)
	require.NoError(t, g.Wait())
	hold(rosa)
	require.NoError(t, g.Wait())
}

func TestRequestID_WellFormed_IsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for given, kept := range map[string]bool{
		"req-1": true, "01HZX.a_b:c": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, `a"b`: false, "<script>": false, "-x": false, "é": false,
	} {
		got := w.as(rosa, http.MethodGet, "/api/gildway/v1/tasks/x/graph", nil, "X-Request-Id", given)
		id := got.header.Get("X-Request-Id")
		require.NotEmpty(t, id)
		require.Equal(t, kept, id == given, given)
		require.Equal(t, id, got.json(t)["request"])
	}
}

func TestIdempotencyKey_TooLongOrEmpty_IsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for key, status := range map[string]int{strings.Repeat("k", 200): 201, strings.Repeat("k", 201): 400, "": 400} {
		require.Equal(t, status, w.as(rosa, http.MethodPost, tasksPath, noopTask, "Idempotency-Key", key).status, len(key))
	}
}
