package store

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/fault"
)

func openGate(t *testing.T, s *Store, task, step string, approvers ...string) string {
	t.Helper()
	id := task + "." + step
	for range 2 {
		require.NoError(t, s.OpenApproval(t.Context(), Approval{ID: id, Task: task, Step: step, Title: "Title", Reason: "why", Digest: "sha256:d", Requester: "user:default/a", Template: "template:default/x", Approvers: approvers, Required: 1}))
	}
	return id
}

func TestApprovals_Lifecycle(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	gate := openGate(t, s, task, "approve", "group:default/g")
	at := time.Now().UTC().Truncate(time.Microsecond)
	decide := func(by, nonce string) error {
		return s.RecordDecision(t.Context(), gate, Decision{By: by, As: "group:default/g", Verdict: "approve", Comment: "ok", Nonce: nonce, At: at})
	}
	require.NoError(t, decide("user:default/b", "n1"))
	require.NoError(t, decide("user:default/b", "n1"))
	require.ErrorIs(t, decide("user:default/c", "n1"), fault.Conflict)
	require.ErrorIs(t, s.RecordDecision(t.Context(), "none", Decision{By: "u", As: "u", Verdict: "approve", Nonce: "n9", At: at}), fault.NotFound)
	require.NoError(t, s.CloseApproval(t.Context(), gate, "approved", ""))
	require.NoError(t, s.CloseApproval(t.Context(), gate, "rejected", "late"))
	told, err := s.Notices(t.Context(), []string{"user:default/a"}, 0, 10)
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Equal(t, "Your request was approved: Title", told[0].Title)

	got, err := s.Approval(t.Context(), gate)
	require.NoError(t, err)
	require.Equal(t, "approved", got.State)
	require.Len(t, got.Decisions, 1)
	require.Equal(t, "user:default/b", got.Decisions[0].By)
	require.True(t, at.Equal(got.Decisions[0].At))
	_, err = s.Approval(t.Context(), "none")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestApprovals_FilterVisibilityPaging(t *testing.T) {
	t.Parallel()
	s := open(t)
	task, other := create(t, s, "user:default/a"), create(t, s, "user:default/a")
	g1, g2, g3 := openGate(t, s, task, "one", "group:default/g"), openGate(t, s, task, "two", "user:default/b"), openGate(t, s, other, "one", "group:default/h")
	require.NoError(t, s.CloseApproval(t.Context(), g2, "pending", "run ended"))

	ids := func(f ApprovalFilter) (ids []string) {
		f.Limit = 2
		list, err := s.Approvals(t.Context(), f)
		require.NoError(t, err)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return ids
	}
	require.Equal(t, []string{g3, g2}, ids(ApprovalFilter{}))
	last, err := s.Approval(t.Context(), g2)
	require.NoError(t, err)
	require.Equal(t, []string{g1}, ids(ApprovalFilter{Before: last.Seq}))
	require.Equal(t, []string{g2, g1}, ids(ApprovalFilter{Task: task}))
	require.Equal(t, []string{g2}, ids(ApprovalFilter{State: "cancelled"}))
	require.Equal(t, []string{g2, g1}, ids(ApprovalFilter{VisibleTo: []string{"user:default/b", "group:default/g"}}))
	require.Empty(t, ids(ApprovalFilter{VisibleTo: []string{}}))
	refs, err := s.Approvers(t.Context(), task)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"group:default/g", "user:default/b"}, refs)
}

func TestApprovals_Delegated_AreSeenByWhoDecidesInstead(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	gate, _ := openGate(t, s, task, "one", "group:default/g"), openGate(t, s, task, "two", "group:default/g")
	const instead = "user:default/d"
	require.NoError(t, s.RecordDecision(t.Context(), gate, Decision{By: "user:default/b", As: "group:default/g", Verdict: "delegate", To: instead, Nonce: "n1", At: time.Now()}))
	sees := func(refs ...string) (ids []string) {
		list, err := s.Approvals(t.Context(), ApprovalFilter{VisibleTo: refs, Limit: 10})
		require.NoError(t, err)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return ids
	}
	require.Equal(t, []string{gate}, sees("group:default/z", instead))
	require.Empty(t, sees("", "user:default/b"))
	refs, err := s.Approvers(t.Context(), task)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"group:default/g", instead}, refs)

	require.NoError(t, s.ReopenApproval(t.Context(), gate, "", "sha256:other", nil, nil)) // so that it was delegated no more
	require.Empty(t, sees(instead))
	refs, err = s.Approvers(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, []string{"group:default/g"}, refs)
}

func TestLeases_Lifecycle(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	for range 2 {
		require.NoError(t, s.OpenLease(t.Context(), Lease{ID: "lease/1", Task: task, Step: "grant", Action: "okta:group:add-member", Requester: "user:default/a", Template: "template:default/x", ExpiresAt: ends, Output: json.RawMessage(`{"g":1}`)}))
	}
	require.NoError(t, s.CloseLease(t.Context(), "lease/1", "expired", ends))
	require.NoError(t, s.CloseLease(t.Context(), "lease/1", "revoked", ends))
	list, err := s.Leases(t.Context(), LeaseFilter{Requester: "user:default/a", Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "expired", list[0].State)
	require.True(t, ends.Equal(*list[0].EndedAt))
	list, err = s.Leases(t.Context(), LeaseFilter{Requester: "user:default/b", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestCheckpoint_FirstWriterWins(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, found, err := s.LoadCheckpoint(t.Context(), "k", "n")
	require.NoError(t, err)
	require.False(t, found)
	first, err := s.SaveCheckpoint(t.Context(), "k", "n", json.RawMessage(`{"v":1}`))
	require.NoError(t, err)
	second, err := s.SaveCheckpoint(t.Context(), "k", "n", json.RawMessage(`{"v":2}`))
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
	loaded, found, err := s.LoadCheckpoint(t.Context(), "k", "n")
	require.NoError(t, err)
	require.True(t, found)
	require.JSONEq(t, `{"v":1}`, string(loaded))
}

func TestClaimCollection_OnlyTheFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	var won atomic.Int64
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			if s.ClaimCollection(t.Context(), task, "key", "user:default/a") == nil {
				won.Add(1)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, won.Load())
	require.ErrorIs(t, s.ClaimCollection(t.Context(), task, "key", "user:default/a"), fault.Gone)
	require.NoError(t, s.ReleaseCollection(t.Context(), task, "key"))
	require.NoError(t, s.ClaimCollection(t.Context(), task, "key", "user:default/a"))
}
