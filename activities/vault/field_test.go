package vault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestField_IsReadWhereThePolicyAllows(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	_, err := v.Root.KVv2(vault.SecretsMount).Put(t.Context(), "services", map[string]any{"nightly": "canary-token", "number": 7})
	require.NoError(t, err)
	config := func(token string) vault.Config {
		return vault.Config{Address: v.Address, Token: secrets.New(token)}
	}
	got, err := vault.Field(t.Context(), config(v.Root.Token()), vault.SecretsMount, "services", "nightly")
	require.NoError(t, err)
	require.Equal(t, "canary-token", got.Reveal())
	for _, missing := range [][2]string{{"services", "weekly"}, {"services", "number"}, {"nothing", "nightly"}} {
		_, err = vault.Field(t.Context(), config(v.Root.Token()), vault.SecretsMount, missing[0], missing[1])
		require.ErrorIs(t, err, fault.NotFound)
	}
	_, err = vault.Field(t.Context(), config(v.APIToken), vault.SecretsMount, "services", "nightly")
	require.ErrorIs(t, err, fault.Denied, "the role's own policy decides")
}
