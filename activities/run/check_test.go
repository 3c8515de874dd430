package run

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// grantBook keeps in memory what the store keeps of grants.
type grantBook struct {
	granted   []activities.Granted
	stands    []string
	strangers []string
	unchecked []string
}

func (a *grantBook) Grants(_ context.Context, _ activities.GrantsQuery, actions []string) (page activities.GrantPage, err error) {
	page.Batches = []activities.GrantBatch{{Keys: actions}}
	return page, nil
}

func (a *grantBook) Granted(context.Context, []string) ([]activities.Granted, error) {
	return a.granted, nil
}

func (a *grantBook) Stands(_ context.Context, key string, drift activities.DriftKind, says string) error {
	a.stands = append(a.stands, key+" "+string(drift)+" "+says)
	return nil
}

func (a *grantBook) Strangers(_ context.Context, _ string, c activities.Circle) error {
	a.strangers = append(a.strangers, c.ID)
	return nil
}

func (a *grantBook) Unchecked(_ context.Context, keys []string, why string) error {
	a.unchecked = append(a.unchecked, keys[0]+" "+why)
	return nil
}

// estate is a bench with grants of test:make, which are what their name says.
func estate(t *testing.T, names ...string) (*bench, *grantBook) {
	t.Helper()
	looks := 0
	b := newBench(t, nil, maker(echo, func(s *activities.Spec[thing, thing]) {
		s.Check = func(ctx context.Context, call *activities.Call, _, out thing) (activities.Standing, error) {
			_, err := call.Look(ctx, "all", func(context.Context) (any, error) { looks++; return looks, nil })
			require.NoError(t, err)
			require.LessOrEqual(t, looks, 1, "one look at several grants looks once")
			switch out.Name {
			case "gone":
				return activities.Standing{Drift: activities.Gone, Says: "it is gone", Circles: []activities.Circle{{ID: "x/"}}}, nil
			case "denied":
				return activities.Standing{}, fault.New(fault.Denied, "our token is no good")
			case "down":
				return activities.Standing{}, fault.New(fault.Unavailable, "no answer")
			case "limited":
				return activities.Standing{}, &fault.Error{Kind: fault.RateLimited, Public: "slow down", RetryAfter: time.Minute}
			default:
				return activities.Standing{Circles: []activities.Circle{{ID: "x/"}}}, nil
			}
		}
	}))
	a := &grantBook{}
	b.access = a
	for _, name := range names {
		in := invocation(`{"name":"` + name + `"}`)
		in.Step = name
		a.granted = append(a.granted, activities.Granted{Effect: activities.Effect{Call: in, Action: "test:make", Output: json.RawMessage(`{"name":"` + name + `"}`)}})
	}
	return b, a
}

func keyOf(step string) string { return info().Task + "/" + step }

func TestCheckGrants_WhatLooksChanged_IsWrittenDownWhenConfirmed(t *testing.T) {
	t.Parallel()
	b, a := estate(t, "well", "gone")
	found, err := b.CheckGrants(t.Context(), activities.CheckGrants{})
	require.NoError(t, err)
	require.Equal(t, activities.CheckedAccess{Checked: 1, Suspects: []string{keyOf("gone")}}, found)
	require.Equal(t, []string{keyOf("well") + "  "}, a.stands)
	require.Equal(t, []string{"x/"}, a.strangers)

	b, a = estate(t, "well", "gone")
	found, err = b.CheckGrants(t.Context(), activities.CheckGrants{Confirm: true})
	require.NoError(t, err)
	require.Equal(t, activities.CheckedAccess{Checked: 2, Drifted: 1}, found)
	require.Contains(t, a.stands, keyOf("gone")+" gone it is gone")
	require.Equal(t, []string{"x/"}, a.strangers, "a circle once")
	require.Empty(t, b.journal.events, "a look is no part of the run")
	require.Empty(t, b.journal.effects)
}

func TestCheckGrants_WhatIsToEnd_MayBeGone(t *testing.T) {
	t.Parallel()
	past, longPast := time.Now().Add(-time.Minute), time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		grant string
		set   func(*activities.Granted)
		drift activities.DriftKind
	}{
		"revoked":               {"gone", func(g *activities.Granted) { g.Ending = true }, ""},
		"over":                  {"gone", func(g *activities.Granted) { g.Ends = &past }, ""},
		"over, about to be":     {"well", func(g *activities.Granted) { g.Ends = &past }, ""},
		"over and still there":  {"well", func(g *activities.Granted) { g.Ends = &longPast }, activities.Overdue},
		"revoked, still there":  {"well", func(g *activities.Granted) { g.Ending, g.Ends = true, &longPast }, activities.Overdue},
		"gone before its time":  {"gone", func(*activities.Granted) {}, activities.Gone},
		"as it was granted":     {"well", func(*activities.Granted) {}, ""},
		"known to be gone, too": {"gone", func(g *activities.Granted) { g.Drift = activities.Gone }, activities.Gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, a := estate(t, c.grant)
			c.set(&a.granted[0])
			_, err := b.CheckGrants(t.Context(), activities.CheckGrants{Confirm: true})
			require.NoError(t, err)
			require.Len(t, a.stands, 1)
			require.Contains(t, a.stands[0], keyOf(c.grant)+" "+string(c.drift)+" ")
		})
	}
}

func TestCheckGrants_NoAnswer_IsNoDrift(t *testing.T) {
	t.Parallel()
	b, a := estate(t, "denied", "well")
	found, err := b.CheckGrants(t.Context(), activities.CheckGrants{})
	require.NoError(t, err)
	require.Equal(t, activities.CheckedAccess{Checked: 1, Unchecked: 1}, found)
	require.Equal(t, []string{keyOf("denied") + " our token is no good"}, a.unchecked)
	for name, kind := range map[string]fault.Kind{"down": fault.Unavailable, "limited": fault.RateLimited} {
		b, a := estate(t, name)
		_, err := b.CheckGrants(t.Context(), activities.CheckGrants{})
		require.Equal(t, kind, fault.Unseal(err).Kind, "it is tried again")
		require.Empty(t, a.stands)
		require.Empty(t, a.unchecked)
	}
}

func TestGrants_OnlyOfActionsThatCheck(t *testing.T) {
	t.Parallel()
	b, _ := estate(t)
	page, err := b.Grants(t.Context(), activities.GrantsQuery{})
	require.NoError(t, err)
	require.Equal(t, []string{"test:make"}, page.Batches[0].Keys)
	b = newBench(t, nil, maker(echo))
	b.access = &grantBook{}
	page, err = b.Grants(t.Context(), activities.GrantsQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Batches[0].Keys)
}
