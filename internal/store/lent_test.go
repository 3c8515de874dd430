package store

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// takeBack gives the attempts whose secrets are to be forgotten.
func takeBack(t *testing.T, s *Store) (forgotten []string) {
	t.Helper()
	for {
		found, err := s.TakeBackSecrets(t.Context(), 0, func(_ context.Context, task string, attempt int) error {
			raw, err := json.Marshal([]any{task, attempt})
			forgotten = append(forgotten, string(raw))
			return err
		})
		require.NoError(t, err)
		if !found {
			return forgotten
		}
	}
}

func TestLentSecrets_OfWhatNeverCameToBe_AreTakenBackOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	never := uuid.NewString()
	require.NoError(t, s.LendSecrets(t.Context(), never, 0))
	require.NoError(t, s.LendSecrets(t.Context(), never, 0), "it is tried again")
	found, err := s.TakeBackSecrets(t.Context(), time.Hour, func(context.Context, string, int) error {
		t.Error("it is taken back too early")
		return nil
	})
	require.NoError(t, err)
	require.False(t, found)

	_, err = s.TakeBackSecrets(t.Context(), 0, func(context.Context, string, int) error { return fault.New(fault.Unavailable, "Vault is away") })
	require.ErrorIs(t, err, fault.Unavailable)
	require.Equal(t, []string{`["` + never + `",0]`}, takeBack(t, s))
	require.Empty(t, takeBack(t, s))
}

func TestLentSecrets_OfAnAcceptedTask_StayUntilItEnds(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := newTask("user:default/a")
	task.Lent = true
	require.NoError(t, s.LendSecrets(t.Context(), task.ID, 0))
	_, err := s.CreateTask(t.Context(), task)
	require.NoError(t, err)
	_, err = s.CreateTask(t.Context(), task)
	require.NoError(t, err, "an answer was lost")
	require.NoError(t, s.LendSecrets(t.Context(), task.ID, 0), "somebody was too late")
	require.Empty(t, takeBack(t, s))

	late := newTask("user:default/a")
	late.Lent = true
	require.NoError(t, s.LendSecrets(t.Context(), late.ID, 0))
	require.Len(t, takeBack(t, s), 1)
	_, err = s.CreateTask(t.Context(), late)
	require.ErrorIs(t, err, fault.Unavailable)
	_, err = s.Task(t.Context(), late.ID)
	require.ErrorIs(t, err, fault.NotFound, "a run without its secrets is not accepted")
}

func TestLentSecrets_OfARetry_BelongToIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := newTask("user:default/a")
	_, err := s.CreateTask(t.Context(), task)
	require.NoError(t, err)
	require.NoError(t, s.Complete(t.Context(), task.ID, 0, StatusFailed, "", nil, fault.New(fault.Conflict, "no")))
	again := NewAttempt{Task: task.ID, Attempt: 1, Run: json.RawMessage("{}"), Strategy: "none", By: "user:default/a", Lent: true}

	require.NoError(t, s.LendSecrets(t.Context(), task.ID, 1))
	require.ErrorIs(t, s.Retry(t.Context(), again, func(context.Context) error { return fault.New(fault.Denied, "no") }), fault.Denied)
	require.Equal(t, []string{`["` + task.ID + `",1]`}, takeBack(t, s), "its task exists, the attempt doesn't")

	require.NoError(t, s.LendSecrets(t.Context(), task.ID, 1))
	require.NoError(t, s.Retry(t.Context(), again, func(context.Context) error { return nil }))
	require.NoError(t, s.LendSecrets(t.Context(), task.ID, 1), "another retry loses the race")
	require.ErrorIs(t, s.Retry(t.Context(), again, func(context.Context) error { return nil }), fault.Conflict)
	require.Empty(t, takeBack(t, s))
}
