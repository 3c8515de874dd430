package okta_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestCheck_WhoeverNoRunHasAdded_IsAStranger(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := client(p)
	memory := exercise.NewMemory()
	input := json.RawMessage(`{"group":"` + group + `"}`)
	output, err := c.Actions()[0].Do(t.Context(), memory.Call(), input)
	require.NoError(t, err)
	look := func() activities.Standing {
		standing, err := c.Actions()[0].Check(t.Context(), memory.Call(), input, output)
		require.NoError(t, err)
		return standing
	}
	require.Empty(t, look().Circles[0].Strangers)

	jonas, err := c.Find(t.Context(), group, "jonas@acme.example")
	require.NoError(t, err)
	put(t, p, jonas)
	stands := look()
	require.Empty(t, stands.Drift)
	circle := stands.Circles[0]
	require.Equal(t, "okta/"+jonas.GroupID+"/", circle.ID)
	require.Equal(t, []activities.Stranger{{
		Resource: circle.ID + jonas.UserID, Says: "jonas@acme.example is in the Okta group " + group + ", and no run has granted that",
	}}, circle.Strangers)

	_, err = c.Actions()[0].Do(t.Context(), memory.Beside().Call(), json.RawMessage(`{"group":"`+group+`","user":"jonas@acme.example"}`))
	require.NoError(t, err)
	require.Empty(t, look().Circles[0].Strangers, "now a run has")
}

// Many grants in one group read its members once.
func TestCheck_OneLook_ReadsAGroupOnce(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := client(p)
	memory := exercise.NewMemory()
	m, err := c.Find(t.Context(), group, login)
	require.NoError(t, err)
	require.NoError(t, c.Add(t.Context(), memory.Call(), m))
	call := memory.Call()
	looks, seen := 0, map[string]any{}
	call.Look = func(ctx context.Context, name string, fn func(context.Context) (any, error)) (any, error) {
		if _, before := seen[name]; !before {
			looks++
			seen[name], err = fn(ctx)
		}
		return seen[name], err
	}
	for range 3 {
		standing, err := c.Check(t.Context(), call, m)
		require.NoError(t, err)
		require.Empty(t, standing.Drift)
	}
	require.Equal(t, 1, looks)
}

func TestCheck_NoGroupIsGone_NoOktaIsNoAnswer(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	call := exercise.NewMemory().Call()
	standing, err := client(p).Check(t.Context(), call, okta.Membership{GroupID: "00gNowhere0000000000", Group: "away", UserID: "00u1"})
	require.NoError(t, err)
	require.Equal(t, activities.Standing{Drift: activities.Gone, Says: "the Okta group away is not there any more"}, standing)

	wrong := okta.New(okta.Config{URL: p.Endpoint("okta"), Token: secrets.New("canary-wrong")}, nil)
	m, err := client(p).Find(t.Context(), group, login)
	require.NoError(t, err)
	_, err = wrong.Check(t.Context(), call, m)
	require.ErrorIs(t, err, fault.Denied)
}
