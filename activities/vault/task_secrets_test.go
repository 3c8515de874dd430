package vault_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func taskSecrets(v *exercise.Vault, token string) *vault.TaskSecrets {
	return vault.NewTaskSecrets(vault.Config{Address: v.Address, Token: secrets.New(token)})
}

func TestTaskSecrets_FromTheAPIToTheWorker_UntilTheEnd(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	front, back := taskSecrets(v, v.APIToken), taskSecrets(v, v.WorkerToken)
	task, given := uuid.NewString(), map[string]string{"token": "canary-1", "PASS WORD": "ü\n"}

	_, err := back.Get(t.Context(), task)
	require.ErrorIs(t, err, fault.NotFound)
	require.NoError(t, front.Put(t.Context(), task, given))
	require.ErrorIs(t, front.Put(t.Context(), task, map[string]string{"token": "another"}), fault.Denied, "the policy lets nothing be overwritten")
	got, err := back.Get(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, given, got)

	require.NoError(t, back.Forget(t.Context(), task))
	require.NoError(t, back.Forget(t.Context(), task))
	_, err = back.Get(t.Context(), task)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = v.Root.KVv2(vault.SecretsMount).GetMetadata(t.Context(), task)
	require.ErrorIs(t, err, api.ErrSecretNotFound)
}

func TestTaskSecrets_EachRoleHasNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	front, back := taskSecrets(v, v.APIToken), taskSecrets(v, v.WorkerToken)
	task := uuid.NewString()
	require.NoError(t, front.Put(t.Context(), task, map[string]string{"a": "b"}))

	_, err := front.Get(t.Context(), task)
	require.ErrorIs(t, err, fault.Denied, "the API can't read back what it was given")
	require.ErrorIs(t, back.Put(t.Context(), uuid.NewString(), map[string]string{"a": "b"}), fault.Denied)
	require.NoError(t, front.Forget(t.Context(), task), "a submission that comes to nothing is taken back")
}

func TestTaskSecrets_AttemptsAtATask_AreKeptApart(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	front, back := taskSecrets(v, v.APIToken), taskSecrets(v, v.WorkerToken)
	task := uuid.NewString()
	first, second := activities.InAttempt(task, 0), activities.InAttempt(task, 1)
	require.NoError(t, front.Put(t.Context(), first, map[string]string{"a": "1"}))
	// A retry takes away what one that came to nothing has left, and puts its own.
	require.NoError(t, front.Put(t.Context(), second, map[string]string{"a": "left"}))
	require.NoError(t, front.Forget(t.Context(), second))
	require.NoError(t, front.Put(t.Context(), second, map[string]string{"a": "2"}))
	require.NoError(t, back.Forget(t.Context(), first), "the end of the first attempt comes late")
	got, err := back.Get(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "2"}, got)
}
