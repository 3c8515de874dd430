package worker

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
)

// A page is an answer of an activity: neither many effects nor large ones make it too large.
func TestJournal_EffectsPage_HoldsWhatAnAnswerCan(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	task, err := db.CreateTask(t.Context(), store.NewTask{
		ID: uuid.NewString(), TemplateRef: "template:default/x", TemplateDigest: "sha256:t", Digest: "sha256:d", CreatedBy: "user:default/rosa",
		Spec: json.RawMessage(`{}`), Run: json.RawMessage(`{}`),
	})
	require.NoError(t, err)
	j := Journal{db}
	large := json.RawMessage(`"` + strings.Repeat("x", 300<<10) + `"`)
	want := make([]string, 210)
	for i := range want {
		call := activities.Invocation{Run: activities.RunInfo{Task: task}, Step: "a", Iteration: strconv.Itoa(i)}
		if i >= 205 {
			call.Input = large
		}
		require.NoError(t, j.EffectBegins(t.Context(), task, call.Key(), activities.Effect{Action: "x", Queue: "q", Call: call}))
		require.NoError(t, j.EffectDone(t.Context(), call.Key(), json.RawMessage(`{}`)))
		want[len(want)-1-i] = call.Iteration
	}
	var got []string
	var sizes []int
	for q := (activities.EffectsQuery{Task: task}); ; {
		page, err := j.EffectsPage(t.Context(), q)
		require.NoError(t, err)
		raw, err := json.Marshal(page)
		require.NoError(t, err)
		require.Less(t, len(raw), 2<<20)
		for _, e := range page.Effects {
			got = append(got, e.Call.Iteration)
		}
		sizes = append(sizes, len(page.Effects))
		if q.After = page.Next; q.After == nil {
			break
		}
		raw, err = json.Marshal(q) // as it goes through history
		require.NoError(t, err)
		q = activities.EffectsQuery{}
		require.NoError(t, json.Unmarshal(raw, &q))
	}
	require.Equal(t, want, got)
	require.Equal(t, []int{3, 100, 100, 7}, sizes)
}
