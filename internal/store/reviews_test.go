package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// owned is granted, by a template that somebody owns.
func owned(t *testing.T, s *Store, owner, step string) (task, lease string) {
	t.Helper()
	task, key := granted(t, s, "user:default/rosa", step)
	_, err := s.pool.Exec(t.Context(), `update tasks set owner = $2 where id = $1`, task, owner)
	require.NoError(t, err)
	_, err = s.pool.Exec(t.Context(), `update leases set output = '{"user":"user:default/jonas"}' where task = $1`, task)
	require.NoError(t, err)
	return task, "lease/" + key
}

func TestReviews_AnsweredOnce_RestIsTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	owner, tess := "group:default/"+uuid.NewString(), "user:default/tess"
	keptTask, kept := owned(t, s, owner, "kept")
	revokedTask, revoked := owned(t, s, owner, "revoked")
	_, late := owned(t, s, owner, "late")
	_, going := owned(t, s, owner, "going")
	require.NoError(t, s.AskToRevoke(ctx, []string{going}, tess, "no longer needed"))
	_, foreign := owned(t, s, owner+"-other", "foreign")

	owners, err := s.ReviewedOwners(ctx)
	require.NoError(t, err)
	require.Subset(t, owners, []string{owner, owner + "-other"})
	id, due := "access-review/"+owner, time.Now().Add(time.Hour)
	for range 2 {
		items, err := s.OpenReview(ctx, id, owner, due)
		require.NoError(t, err)
		require.Equal(t, 3, items)
	}
	_, later := owned(t, s, owner, "later")
	items, err := s.ReviewItems(ctx, id)
	require.NoError(t, err)
	require.Len(t, items, 3)
	for _, i := range items {
		require.NotContains(t, []string{going, foreign, later}, i.Lease)
		require.True(t, i.Of("user:default/rosa", nil) && i.Of("user:default/jonas", nil) && !i.Of(tess, nil) && i.Of("x", []string{i.Grantee}), "%+v", i)
	}

	said := ReviewDecision{Review: id, By: tess, Confirm: []string{kept}, Revoke: []string{revoked}, Comment: "spring", Nonce: uuid.NewString(), Turn: 1}
	for range 2 {
		left, err := s.DecideReview(ctx, said)
		require.NoError(t, err, "the same turn again is nothing")
		require.Equal(t, 1, left)
	}
	again := said
	again.Turn = 2
	_, err = s.DecideReview(ctx, again)
	require.ErrorIs(t, err, fault.Conflict)
	require.Equal(t, 1, audits(t, s, keptTask, "access-reviewed"))
	require.Zero(t, audits(t, s, keptTask, "lease-revoke-asked"))
	require.Equal(t, 1, audits(t, s, revokedTask, "access-reviewed"))
	require.Equal(t, 1, audits(t, s, revokedTask, "lease-revoke-asked"))
	l, err := s.Lease(ctx, revoked)
	require.NoError(t, err)
	require.NotNil(t, l.RevokedAt)

	for range 2 {
		require.NoError(t, s.CloseReview(ctx, id))
	}
	told, err := s.Notices(ctx, []string{owner}, 0, 10)
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Equal(t, "An access review is over: 1 grant has no answer", told[0].Title)
	l, err = s.Lease(ctx, late)
	require.NoError(t, err)
	require.Nil(t, l.RevokedAt, "it stays")
	r, err := s.Review(ctx, id)
	require.NoError(t, err)
	require.Equal(t, [2]int{3, 1}, [2]int{r.Items, r.Left})
	require.NotNil(t, r.ClosedAt)
	found, err := s.Reviews(ctx, ReviewFilter{Open: true, Owners: []string{owner}, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestReviews_OfNothing_IsNone(t *testing.T) {
	t.Parallel()
	s := open(t)
	items, err := s.OpenReview(t.Context(), "access-review/none", "group:default/"+uuid.NewString(), time.Now())
	require.NoError(t, err)
	require.Zero(t, items)
	_, err = s.Review(t.Context(), "access-review/none")
	require.ErrorIs(t, err, fault.NotFound)
}
