package approval_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/fault"
)

func TestSeen_ValuesAndEffects_AreWhatIsDecided(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := invocation(t, map[string]any{"approvers": []string{owners}, "timeout": "1d"})
	in.Written = json.RawMessage(`{}`)
	add := approval.Effect{Step: "grant", Action: "okta:group:add-member", Would: []string{"add rosa to the Okta group llm"}}
	d.forecast = approval.Forecast{Values: json.RawMessage(`{"team":"a"}`), Effects: []approval.Effect{add}}
	opened, err := d.Open(t.Context(), in)
	require.NoError(t, err)
	require.True(t, opened.Foreseen)
	var seen approval.Seen
	require.NoError(t, json.Unmarshal(d.opened[0].Seen, &seen))
	require.JSONEq(t, `{"team":"a"}`, string(seen.Values))
	require.Equal(t, []approval.Effect{add}, seen.Effects)

	check := activities.CheckGate{GateInvocation: in, Shown: opened.Shown, Approval: opened.Approval}
	same, err := d.Check(t.Context(), check)
	require.NoError(t, err)
	require.Equal(t, opened.Shown, same.Shown)
	require.Empty(t, d.reopened)

	d.forecast.Effects[0].Would = []string{"nothing: rosa is in the Okta group llm"}
	for range 2 { // the same question again, by another attempt
		changed, err := d.Check(t.Context(), check)
		require.NoError(t, err)
		require.NotEqual(t, opened.Shown, changed.Shown)
		require.Equal(t, []string{gateID, opened.Shown, changed.Shown}, d.reopened[:3])
	}
	require.Equal(t, d.notices[1].Key, d.notices[2].Key, "told once")
	require.NotEqual(t, d.notices[0].Key, d.notices[1].Key)
	require.Equal(t, []string{owners}, d.notices[1].To)
	require.Contains(t, d.lines[1], "no longer what would be done; asking again: https://")

	d.forecast = approval.Forecast{Unforeseen: "the catalog does not answer"}
	_, err = d.Check(t.Context(), check)
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind, "it is tried again")
}

func TestSeen_Unforeseen_SaysWhy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := invocation(t, map[string]any{"approvers": []string{owners}})
	in.Written = json.RawMessage(`{}`)
	d.forecast = approval.Forecast{Unforeseen: "the catalog does not answer", Values: json.RawMessage(`"` + strings.Repeat("x", 70<<10) + `"`)}
	opened, err := d.Open(t.Context(), in)
	require.NoError(t, err)
	require.False(t, opened.Foreseen, "people are asked all the same, and nothing can change under them")
	var seen approval.Seen
	require.NoError(t, json.Unmarshal(d.opened[0].Seen, &seen))
	require.Equal(t, "the catalog does not answer", seen.Unforeseen)
	require.Equal(t, `"70 KiB, see the task"`, string(seen.Values))
}
