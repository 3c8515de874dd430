package store

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/audit"
)

// granted makes an effect of a task of somebody's, with a lease.
func granted(t *testing.T, s *Store, by, step string) (task, key string) {
	t.Helper()
	task = create(t, s, by)
	key = task + "/" + step
	require.NoError(t, s.EffectBegins(t.Context(), Effect{Key: key, Task: task, Step: step, Action: "okta:group:add-member", Queue: "okta", Call: json.RawMessage(`{}`)}))
	require.NoError(t, s.EffectDone(t.Context(), key, json.RawMessage(`{"user":"user:default/jonas"}`)))
	require.NoError(t, s.OpenLease(t.Context(), Lease{
		ID: "lease/" + key, Task: task, Step: step, Action: "okta:group:add-member", Requester: by, Template: "template:default/x",
		ExpiresAt: time.Now().Add(time.Hour), Policy: json.RawMessage(`{}`), Output: json.RawMessage(`{"user":"user:default/jonas"}`),
	}))
	return task, key
}

// audits are the kinds of a task's entries that begin like this.
func audits(t *testing.T, s *Store, task, kind string) (n int) {
	t.Helper()
	leaves, err := s.AuditLeaves(t.Context(), 0, 10_000)
	require.NoError(t, err)
	for _, l := range leaves {
		var e audit.Entry
		require.NoError(t, json.Unmarshal(l.Body, &e))
		if e.Task == task && e.Kind == kind {
			n++
		}
	}
	return n
}

func TestStands_EachChange_IsToldOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	task, key := granted(t, s, "user:default/rosa", "group")
	lease := func() Lease {
		l, err := s.Lease(ctx, "lease/"+key)
		require.NoError(t, err)
		return l
	}
	require.Nil(t, lease().CheckedAt)
	stands := func(drift, says string) Lease {
		t.Helper()
		require.NoError(t, s.Stands(ctx, key, drift, says))
		return lease()
	}
	require.NotNil(t, stands("", "").CheckedAt)
	require.Zero(t, audits(t, s, task, "access-drifted")+audits(t, s, task, "access-in-order"), "in order is what everybody expects")

	first := stands("gone", "rosa is gone")
	second := stands("gone", "rosa is gone")
	require.Equal(t, "gone", second.Drift)
	require.Equal(t, "rosa is gone", second.Says)
	require.Equal(t, first.DriftedAt, second.DriftedAt, "first seen")
	require.True(t, second.CheckedAt.After(*first.CheckedAt))
	require.Equal(t, 1, audits(t, s, task, "access-drifted"))
	told, err := s.Notices(ctx, []string{"user:default/rosa"}, 0, 10)
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Contains(t, told[0].Text, "rosa is gone")

	require.NoError(t, s.Unchecked(ctx, []string{key}, "Okta does not answer"))
	down := lease()
	require.NoError(t, s.Unchecked(ctx, []string{key}, "Okta still does not"))
	require.Equal(t, "Okta still does not", lease().Unchecked)
	require.Equal(t, down.FailingSince, lease().FailingSince)
	require.Equal(t, "gone", lease().Drift, "nobody has seen it otherwise")
	require.Equal(t, 1, audits(t, s, task, "access-drifted"))

	well := stands("", "")
	require.Empty(t, well.Drift)
	require.Nil(t, well.DriftedAt)
	require.Nil(t, well.FailingSince)
	require.Equal(t, 1, audits(t, s, task, "access-in-order"))
	stands("gone", "rosa is gone")
	require.Equal(t, 2, audits(t, s, task, "access-drifted"), "another change")

	require.NoError(t, s.EffectUndone(ctx, key, true))
	stands("changed", "no matter")
	require.Empty(t, lease().Drift, "it is not to be there")
	require.Equal(t, 2, audits(t, s, task, "access-drifted"))
}

func TestStands_GrantedAgain_ForgetsWhatWasSeen(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	task, key := granted(t, s, "user:default/rosa", "group")
	require.NoError(t, s.Stands(ctx, key, "gone", "gone"))
	require.NoError(t, s.EffectBegins(ctx, Effect{Key: key, Task: task, Step: "group", Action: "okta:group:add-member", Queue: "okta", Call: json.RawMessage(`{}`)}))
	require.NoError(t, s.EffectDone(ctx, key, json.RawMessage(`{}`)))
	l, err := s.Lease(ctx, "lease/"+key)
	require.NoError(t, err)
	require.Empty(t, l.Drift)
	list, err := s.Drifts(ctx, DriftFilter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestGrants_OnlyWhatIsToBeThere_PageByPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	var keys []string
	for i := range 5 {
		_, key := granted(t, s, fmt.Sprintf("user:default/p%d", i%2), "group")
		keys = append(keys, key)
	}
	require.NoError(t, s.EffectUndone(ctx, keys[1], true))
	task := create(t, s, "user:default/p0")
	require.NoError(t, s.EffectBegins(ctx, Effect{Key: task + "/x", Task: task, Step: "x", Action: "okta:group:add-member", Queue: "okta", Call: json.RawMessage(`{}`)}))
	actions := []string{"okta:group:add-member"}
	found := func(f GrantFilter) (got []string, last int64) {
		list, err := s.Grants(ctx, f)
		require.NoError(t, err)
		for _, g := range list {
			got, last = append(got, g.Key), g.Seq
			require.NotNil(t, g.Ends)
			require.False(t, g.Ending)
		}
		return got, last
	}
	first, last := found(GrantFilter{Actions: actions, Limit: 3})
	require.Equal(t, []string{keys[0], keys[2], keys[3]}, first)
	rest, _ := found(GrantFilter{Actions: actions, After: last, Limit: 3})
	require.Equal(t, keys[4:], rest)
	none, _ := found(GrantFilter{Actions: []string{"vault:mint-key"}, Limit: 3})
	require.Empty(t, none)
	theirs, _ := found(GrantFilter{Person: "user:default/p1", Limit: 9})
	require.Equal(t, []string{keys[3]}, theirs)
	given, _ := found(GrantFilter{Person: "user:default/jonas", Limit: 9})
	require.Len(t, given, 4)
	some, _ := found(GrantFilter{Keys: keys[:2], Limit: 9})
	require.Equal(t, keys[:1], some)
	require.NoError(t, s.AskToRevoke(ctx, []string{"lease/" + keys[0]}, "user:default/admin", "enough"))
	list, err := s.Grants(ctx, GrantFilter{Keys: keys[:1], Limit: 1})
	require.NoError(t, err)
	require.True(t, list[0].Ending)
}

func TestStrangers_ComeAndGo_AreToldOnceAndTogether(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	task, key := granted(t, s, "user:default/rosa", "group")
	list := []Stranger{{"okta/g/eve", "eve is in g"}, {"okta/g/ed", "ed is in g"}}
	see := func(list ...Stranger) { require.NoError(t, s.Strangers(ctx, key, "okta/g/", list)) }
	drifts := func() (says []string) {
		all, err := s.Drifts(ctx, DriftFilter{Limit: 10})
		require.NoError(t, err)
		for _, d := range all {
			require.Equal(t, "unmanaged", d.Kind)
			says = append(says, d.Says)
		}
		return says
	}
	see(list...)
	see(list...)
	require.ElementsMatch(t, []string{"eve is in g", "ed is in g"}, drifts())
	require.Equal(t, 2, audits(t, s, task, "access-drifted"))
	told, err := s.Notices(ctx, []string{"user:default/rosa"}, 0, 10)
	require.NoError(t, err)
	require.Len(t, told, 1, "all that is new in one notice")

	see(list[0])
	require.Equal(t, []string{"eve is in g"}, drifts())
	require.Equal(t, 1, audits(t, s, task, "access-in-order"))
	see()
	require.Empty(t, drifts())
	see(list[0])
	require.Equal(t, 3, audits(t, s, task, "access-drifted"), "again is a change")

	nobody, err := s.Drifts(ctx, DriftFilter{Requester: "user:default/eve", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, nobody)
}
