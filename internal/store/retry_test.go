package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/fault"
)

func prepared(context.Context) error { return nil }

func attemptAt(task string, n int) NewAttempt {
	return NewAttempt{Task: task, Attempt: n, Run: json.RawMessage(`{"attempt":1}`), Strategy: "none", By: "user:default/a"}
}

func typesOf(t *testing.T, s *Store, task string, after int64) (types []string) {
	t.Helper()
	events, err := s.Events(t.Context(), task, after, true, 100)
	require.NoError(t, err)
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

func TestRetry_EndedTask_RunsAgainWithTheSameLog(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Log(t.Context(), task, "1", "a", "processing", "x"))
	require.NoError(t, s.RequestCancel(t.Context(), task, 0, "user:default/a"))
	require.ErrorIs(t, s.Retry(t.Context(), attemptAt(task, 1), prepared), fault.Conflict, "it has not ended")
	require.NoError(t, s.MarkStarted(t.Context(), task, 0))
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, fault.New(fault.Denied, "no")))
	require.NoError(t, s.Retry(t.Context(), attemptAt(task, 1), prepared))

	got, err := s.Task(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, StatusOpen, got.Status)
	require.Equal(t, 1, got.Attempt)
	require.Nil(t, got.StartedAt)
	require.Nil(t, got.EndedAt)
	require.JSONEq(t, `{"attempt":1}`, string(got.Run))
	require.Equal(t, []string{"log", "recovered"}, typesOf(t, s, task, 0))
	waiting, err := s.Unstarted(t.Context(), 10)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(waiting, func(t Task) bool { return t.ID == task }))

	// Whatever the attempt before still says changes nothing.
	require.NoError(t, s.MarkStarted(t.Context(), task, 0))
	require.NoError(t, s.SetStatus(t.Context(), task, 0, StatusProcessing))
	require.NoError(t, s.RequestCancel(t.Context(), task, 0, "user:default/a"))
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, nil))
	got, err = s.Task(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, StatusOpen, got.Status)
	require.Nil(t, got.StartedAt)
	for attempt, over := range map[int]bool{0: true, 1: false} {
		is, err := s.AttemptIsOver(t.Context(), task, attempt)
		require.NoError(t, err)
		require.Equal(t, over, is)
	}

	require.NoError(t, s.RequestCancel(t.Context(), task, 1, "user:default/a"))
	require.NoError(t, s.Complete(t.Context(), task, 1, StatusCompleted, "", nil, nil))
	events, err := s.Events(t.Context(), task, 0, true, 100)
	require.NoError(t, err)
	require.Equal(t, []string{"log", "recovered", "cancelled", "completion"}, typesOf(t, s, task, 0))
	require.Equal(t, `{"recoverStrategy":"none"}`, string(events[1].Body))
	require.Equal(t, `{"message":"The task has been cancelled.","status":"cancelled"}`, string(events[2].Body), "no step of this attempt has begun")
	leaves, err := s.AuditLeaves(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Len(t, leaves, 6, "created, cancel, ended, retried, cancel, ended")
}

func TestRetry_StartOver_HidesWhatWasSaidBefore(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Log(t.Context(), task, "1", "", "", "x"))
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, nil))
	n := attemptAt(task, 1)
	n.Strategy = "startOver"
	require.NoError(t, s.Retry(t.Context(), n, prepared))
	require.Empty(t, typesOf(t, s, task, 0), "as in Backstage, until something follows")
	require.NoError(t, s.Log(t.Context(), task, "1@1", "", "", "x"))
	require.Equal(t, []string{"recovered", "log"}, typesOf(t, s, task, 0))
}

func TestRetry_ManyAtOnce_OneGetsIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, nil))
	var g errgroup.Group
	var won, preparations atomic.Int32
	for range 8 {
		g.Go(func() error {
			err := s.Retry(context.Background(), attemptAt(task, 1), func(context.Context) error { preparations.Add(1); return nil })
			if errors.Is(err, fault.Conflict) {
				return nil
			}
			won.Add(1)
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 1, preparations.Load())
}

func TestRetry_PreparationFails_TaskStaysEnded(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, nil))
	down := fault.New(fault.Unavailable, "Vault is away")
	require.ErrorIs(t, s.Retry(t.Context(), attemptAt(task, 1), func(context.Context) error { return down }), fault.Unavailable)
	got, err := s.Task(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, StatusFailed, got.Status)
	require.Equal(t, []string{"completion"}, typesOf(t, s, task, 0))
}

func TestForgetCall_CanBeMadeAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	key := task + "/a"
	_, err := s.SaveCheckpoint(t.Context(), key, "n", json.RawMessage(`1`))
	require.NoError(t, err)
	_, err = s.SaveCheckpoint(t.Context(), key+"b", "n", json.RawMessage(`1`))
	require.NoError(t, err)
	require.NoError(t, s.ClaimCollection(t.Context(), task, "a", "user:default/a"))
	require.NoError(t, s.ForgetCall(t.Context(), task, "a", key))
	_, found, err := s.LoadCheckpoint(t.Context(), key, "n")
	require.NoError(t, err)
	require.False(t, found)
	_, found, err = s.LoadCheckpoint(t.Context(), key+"b", "n")
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, s.ClaimCollection(t.Context(), task, "a", "user:default/a"))
}

func TestOpenLease_GrantedAgainAfterItsEnd_IsActive(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	id := "lease/" + task + "/a"
	first, second := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	grant := func(ends time.Time) {
		t.Helper()
		require.NoError(t, s.OpenLease(t.Context(), Lease{ID: id, Task: task, Step: "a", Action: "x", Requester: "user:default/a", Template: "template:default/x", ExpiresAt: ends}))
	}
	state := func() Lease {
		t.Helper()
		list, err := s.Leases(t.Context(), LeaseFilter{Task: task, Limit: 10})
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0]
	}
	grant(first)
	require.NoError(t, s.CloseLease(t.Context(), id, "revoked", time.Now()))
	grant(first) // another attempt of the same note
	require.Equal(t, "revoked", state().State)
	grant(second)
	require.Equal(t, "active", state().State)
	require.Nil(t, state().EndedAt)
	require.NoError(t, s.CloseLease(t.Context(), id, "expired", time.Now()))
	leaves, err := s.AuditLeaves(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Len(t, leaves, 5, "created, opened, revoked, opened, expired")
}

// A lease whose undo was refused has failed and left its grant open; the next attempt grants it anew.
func TestOpenLease_GrantedAgainWhileTheOldOneIsOpen_TakesItsPlace(t *testing.T) {
	t.Parallel()
	s := open(t)
	task, key := granted(t, s, "user:default/rosa", "group")
	id := "lease/" + key
	require.NoError(t, s.AskToRevoke(t.Context(), []string{id}, "user:default/admin", "enough"))
	require.NoError(t, s.RevocationSent(t.Context(), id))
	first, err := s.Lease(t.Context(), id)
	require.NoError(t, err)
	again := func(ends time.Time) Lease {
		t.Helper()
		require.NoError(t, s.OpenLease(t.Context(), Lease{ID: id, Task: task, Step: "group", Action: "x", Requester: "user:default/rosa", Template: "template:default/x", ExpiresAt: ends}))
		l, err := s.Lease(t.Context(), id)
		require.NoError(t, err)
		return l
	}
	require.Equal(t, first.ExpiresAt, again(time.Now().Add(3*time.Hour)).ExpiresAt, "the note of a lease that was renewed meanwhile")

	require.NoError(t, s.EffectBegins(t.Context(), Effect{Key: key, Task: task, Step: "group", Action: "x", Queue: "okta", Call: json.RawMessage(`{}`)}))
	require.NoError(t, s.EffectDone(t.Context(), key, json.RawMessage(`{}`)))
	second := again(time.Now().Add(2 * time.Hour))
	require.True(t, second.ExpiresAt.After(first.ExpiresAt))
	require.Nil(t, second.RevokedAt)
	require.NoError(t, s.AskToRevoke(t.Context(), []string{id}, "user:default/admin", "enough"))
	asked, err := s.Revocations(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []Revocation{{id, "enough"}}, asked)
}

func TestEffectUndone_NotByItsLease_EndsIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, byLease := range []bool{false, true} {
		task, key := granted(t, s, "user:default/"+strconv.FormatBool(byLease), "group")
		require.NoError(t, s.EffectUndone(t.Context(), key, byLease))
		l, err := s.Lease(t.Context(), "lease/"+key)
		require.NoError(t, err)
		require.Equal(t, byLease, l.EndedAt == nil, "its lease notes that itself")
		require.NoError(t, s.EffectUndone(t.Context(), key, false))
		require.NoError(t, s.CloseLease(t.Context(), "lease/"+key, "expired", time.Now()))
		require.NoError(t, s.EffectUndone(t.Context(), key, false))
		l, err = s.Lease(t.Context(), "lease/"+key)
		require.NoError(t, err)
		require.Equal(t, map[bool]string{false: "revoked", true: "expired"}[byLease], l.State)
		require.Equal(t, 1, audits(t, s, task, "lease-"+l.State))
		told, err := s.Notices(t.Context(), []string{l.Requester}, 0, 10)
		require.NoError(t, err)
		require.Len(t, told, 1)
	}
}

func TestEffects_ByKey_OnlyWhatIsNotUndone(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, key := granted(t, s, "user:default/rosa", "group")
	granted(t, s, "user:default/rosa", "group")
	found, err := s.Effects(t.Context(), EffectFilter{Key: key, Limit: 10})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, key, found[0].Key)
	require.NoError(t, s.EffectUndone(t.Context(), key, true))
	found, err = s.Effects(t.Context(), EffectFilter{Key: key, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, found)
}
