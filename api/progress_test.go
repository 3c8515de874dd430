package api

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// ran writes down when a step began and ended, in seconds; end < 0 is a step that is still at it.
func ran(begin, end int) *stepProgress {
	at := func(s int) *time.Time { t := time.Unix(int64(s), 0); return &t }
	if end < 0 {
		return &stepProgress{state: "processing", begun: at(begin)}
	}
	return &stepProgress{state: "completed", begun: at(begin), ended: at(end)}
}

func TestCriticalPath(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Steps: []plan.Step{
		{ID: "a"}, {ID: "b"}, {ID: "c", Needs: []string{"a", "b"}}, {ID: "d", Needs: []string{"a"}}, {ID: "e", Needs: []string{"c", "d"}},
	}}
	for name, c := range map[string]struct {
		progress map[string]*stepProgress
		want     string
	}{
		"nothing has begun":  {map[string]*stepProgress{}, ""},
		"the slower branch":  {map[string]*stepProgress{"a": ran(0, 1), "b": ran(0, 5), "c": ran(5, 6), "d": ran(1, 4), "e": ran(6, 7)}, "b c e"},
		"the other one":      {map[string]*stepProgress{"a": ran(0, 1), "b": ran(0, 2), "c": ran(2, 3), "d": ran(1, 9), "e": ran(9, 10)}, "a d e"},
		"one is at work":     {map[string]*stepProgress{"a": ran(0, 1), "b": ran(0, 2), "c": ran(2, 3), "d": ran(1, -1)}, "a d"},
		"longest at work":    {map[string]*stepProgress{"a": ran(0, 1), "b": ran(0, 2), "c": ran(2, -1), "d": ran(1, -1)}, "a d"},
		"a branch not taken": {map[string]*stepProgress{"a": ran(0, 1), "b": {state: "skipped", ended: &time.Time{}}, "c": ran(1, 2), "e": ran(2, 3)}, "a c e"},
	} {
		require.Equal(t, c.want, strings.Join(criticalPath(p, c.progress), " "), name)
	}
}

func TestGraph_SaysWhyStepsWait(t *testing.T) {
	t.Parallel()
	begun := time.Unix(0, 0)
	in := graphing{
		task: store.Task{ID: "t", Status: "processing", StartedAt: &begun, Attempt: 1},
		plan: plan.Plan{Parallel: 4, Steps: []plan.Step{
			{ID: "made"}, {ID: "ask", Kind: plan.GateStep}, {ID: "after", Needs: []string{"made", "ask"}}, {ID: "late", Needs: []string{"made"}},
		}},
		progress: map[string]*stepProgress{"made": ran(1, 3), "ask": ran(2, -1)},
		stumbles: map[string]int{"made": 2},
		open:     []store.Approval{{ID: "t.ask", Step: "ask", Required: 1, Approvers: []string{"group:default/leads"}}},
		now:      time.Unix(10, 0),
	}
	g := in.graph()
	require.EqualValues(t, 10_000, g.TookMs)
	require.Equal(t, []string{"ask"}, g.CriticalPath)
	require.Equal(t, 3, g.Steps[0].Attempts)
	require.EqualValues(t, 2000, g.Steps[0].TookMs)
	require.Empty(t, g.Steps[0].WaitingFor)
	require.EqualValues(t, 8000, g.Steps[1].TookMs)
	require.Equal(t, []WaitingFor{{Kind: "approval", Id: "t.ask", Says: "1 of group:default/leads"}}, g.Steps[1].WaitingFor)
	require.Equal(t, []WaitingFor{{Kind: "step", Id: "ask", Says: "step ask"}}, g.Steps[2].WaitingFor)
	require.Equal(t, []WaitingFor{{Kind: "place", Says: "its turn; at most 4 steps run at once"}}, g.Steps[3].WaitingFor)

	notes := notesOf(g)
	require.Equal(t, "2s, 3 attempts", notes["made"].Text)
	require.Equal(t, "8s, waiting for 1 of group:default/leads", notes["ask"].Text)
	require.True(t, notes["ask"].Critical)

	in.task.StartedAt = nil
	require.Equal(t, "start", in.graph().Steps[3].WaitingFor[0].Kind)
	in.task.Status = "failed"
	require.Nil(t, in.graph().Steps[3].WaitingFor)
}
