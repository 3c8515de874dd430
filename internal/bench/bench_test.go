package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func TestMedian_OddAndEven_MiddleOfTheSorted(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2*time.Second, median([]time.Duration{3 * time.Second, time.Second, 2 * time.Second}))
	require.Equal(t, 1500*time.Millisecond, median([]time.Duration{2 * time.Second, time.Second}))
}

func TestMedians_FunctionsTakeTurns(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	note := func(s string) func(context.Context) error {
		return func(context.Context) error { order.WriteString(s); return nil }
	}
	took, err := medians(t.Context(), 2, note("a"), note("b"))
	require.NoError(t, err)
	require.Len(t, took, 2)
	require.Equal(t, "ababababab", order.String())
}

func TestMedians_OneFails_NoNumbers(t *testing.T) {
	t.Parallel()
	_, err := medians(t.Context(), 2, func(context.Context) error { return errors.New("broken") })
	require.EqualError(t, err, "broken")
}

func TestPrintTable_RatiosAndAbsoluteNumbers(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, printTable(&out, []row{
		held("a run", 74_321*time.Microsecond, 20*time.Millisecond, "by hand", 30),
		{what: "render", measured: "9 files/s", against: "-", samples: 15},
	}))
	require.Equal(t, `what    measured   against       ratio     samples
a run   74.3ms     20ms by hand  3.72      30
render  9 files/s  -             absolute  15
`, out.String())
}

func TestSameSteps_PlansAreWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	actions := templates.Actions{}
	for _, info := range worker.Registry(config.Config{}, templates.Golden()).Infos() {
		actions[info.ID] = info
	}
	for _, c := range []struct {
		template sameSteps
		local    bool
	}{
		{sameSteps{name: "a", action: "debug:log", input: "{}", steps: 10, chained: true}, true},
		{sameSteps{name: "b", action: "debug:log", input: "{}", steps: 10}, true},
		{sameSteps{name: "c", action: "debug:wait", input: waits(0), steps: 10, chained: true}, false},
		{sameSteps{name: "d", action: "debug:wait", input: waits(200 * time.Millisecond), steps: 8}, false},
	} {
		p, err := compiled(c.template.source(), actions)
		require.NoError(t, err)
		require.Len(t, p.Steps, c.template.steps)
		require.Equal(t, c.template.steps, p.Parallel)
		for i, s := range p.Steps {
			needs := 0
			if c.template.chained && i > 0 {
				needs = 1
			}
			require.Equal(t, c.local, s.Local)
			require.Len(t, s.Needs, needs)
		}
	}
}

func TestRender_TheGoldenSkeleton(t *testing.T) {
	t.Parallel()
	rows, err := rendering(t.Context(), worker.Registry(config.Config{}, templates.Golden()))
	require.NoError(t, err)
	require.Len(t, rows, 2)
}

func TestSkeletonRow_GildwayAndNode_SameText(t *testing.T) {
	t.Parallel()
	r, err := skeletonRow(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, r.measured)
	t.Log(r.measured, "against", r.against)
}
