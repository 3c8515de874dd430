package vault_test

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestCheck_WhateverWasDoneToAKey_IsSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    func(t *testing.T, root *api.Client, m vault.Minted) error
		drift activities.DriftKind
		says  string
	}{
		"nothing": {func(*testing.T, *api.Client, vault.Minted) error { return nil }, "", ""},
		"deleted": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			return root.KVv2(m.Mount).DeleteMetadata(t.Context(), m.Path)
		}, activities.Gone, "is not in Vault any more"},
		"value deleted": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			return root.KVv2(m.Mount).Delete(t.Context(), m.Path)
		}, activities.Gone, "was deleted in Vault"},
		"value replaced": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			_, err := root.KVv2(m.Mount).Put(t.Context(), m.Path, map[string]any{"key": "mine"}, api.WithCheckAndSet(1))
			return err
		}, activities.Changed, "was replaced in Vault"},
		"made anew": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			if err := root.KVv2(m.Mount).DeleteMetadata(t.Context(), m.Path); err != nil {
				return err
			}
			_, err := root.KVv2(m.Mount).Put(t.Context(), m.Path, map[string]any{"key": "mine"})
			return err
		}, activities.Changed, "is another one"},
		"policy opened": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			return root.Sys().PutPolicyWithContext(t.Context(), m.Policy, `path "team-keys/*" { capabilities = ["read"] }`)
		}, activities.Changed, "in Vault was changed"},
		"policy deleted": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			return root.Sys().DeletePolicyWithContext(t.Context(), m.Policy)
		}, activities.Gone, "the policy gildway-key-"},
		"role deleted": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			_, err := root.Logical().DeleteWithContext(t.Context(), "auth/token/roles/"+m.Role)
			return err
		}, activities.Gone, "the token role gildway-key-"},
		"token revoked": {func(t *testing.T, root *api.Client, m vault.Minted) error {
			return root.Sys().RevokePrefixWithContext(t.Context(), "auth/token/create/"+m.Role+"/")
		}, activities.Gone, "was ended in Vault before its time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := exercise.StartVault(t)
			m, call, r := minter(v), exercise.NewMemory().Call(), vault.Request{Team: newTeam(), Tool: tool}
			made, err := m.Mint(t.Context(), call, r)
			require.NoError(t, err)
			require.NoError(t, c.do(t, v.Root, made))
			standing, err := m.Check(t.Context(), call, r)
			require.NoError(t, err)
			require.Equal(t, c.drift, standing.Drift, standing.Says)
			require.Contains(t, standing.Says, c.says)
		})
	}
}

func TestCheck_CollectedKey_IsInOrder(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	m, call, r := minter(v), exercise.NewMemory().Call(), vault.Request{Team: newTeam(), Tool: tool}
	_, err := m.Mint(t.Context(), call, r)
	require.NoError(t, err)
	left, err := handover(v).Collect(t.Context(), call.Run.Task, "effect", unclaimed)
	require.NoError(t, err)
	unwrap(t, v, left)
	standing, err := m.Check(t.Context(), call, r)
	require.NoError(t, err)
	require.Empty(t, standing)
}

func TestCheck_OurOwnTokenIsNoGood_IsNoDrift(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	call, r := exercise.NewMemory().Call(), vault.Request{Team: newTeam(), Tool: tool}
	_, err := minter(v).Mint(t.Context(), call, r)
	require.NoError(t, err)
	_, err = vault.New(vault.Config{Address: v.Address, Token: secrets.New("canary-wrong")}).Check(t.Context(), call, r)
	require.ErrorIs(t, err, fault.Denied)
}
