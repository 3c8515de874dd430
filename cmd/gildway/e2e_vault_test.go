//go:build linux

package main_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	vault "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

const keyMount, tool = "team-keys", "acme-llm-gateway"

func TestKey_Collected_OpensItsOwnPathAlone(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "kim")
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	collected, err := p.Collect(t.Context(), r.id)
	require.NoError(t, err)
	require.Len(t, collected, 1)
	require.Equal(t, r.keyPath(), collected[0].Path)

	holder := shared(t).vault(t, unwrap(t, shared(t), collected[0].WrappingToken))
	own, err := holder.KVv2(keyMount).Get(t.Context(), r.keyPath())
	require.NoError(t, err)
	require.Equal(t, p.team, own.Data["team"])
	require.True(t, strings.HasPrefix(own.Data["key"].(string), "gw_"))

	other := shared(t).newcomer(t, "kai").submitAccess(t, fewTokens)
	other.completes(t)
	_, err = holder.KVv2(keyMount).Get(t.Context(), other.keyPath())
	requireForbidden(t, err)
	_, err = holder.KVv2(keyMount).Put(t.Context(), r.keyPath(), map[string]any{"key": "mine"})
	requireForbidden(t, err)

	_, err = shared(t).vault(t, "").Logical().UnwrapWithContext(t.Context(), collected[0].WrappingToken)
	require.Error(t, err, "a wrapping token opens once")
	_, err = p.Collect(t.Context(), r.id)
	requireStatus(t, http.StatusGone, err)
	require.Equal(t, 1, tokensOf(t, r, "key"), "live tokens that may read the key")
}

func (r run) keyPath() string {
	return strings.TrimPrefix(r.by.team, "group:default/") + "/" + tool + "/" + r.id
}

// vault speaks to the stack's Vault.
func (s *localStack) vault(t *testing.T, token string) *vault.Client {
	t.Helper()
	config := vault.DefaultConfig()
	config.Address = s.endpoints.Vault
	v, err := vault.NewClient(config)
	require.NoError(t, err)
	v.ClearToken()
	if token != "" {
		v.SetToken(token)
	}
	return v
}

func unwrap(t *testing.T, s *localStack, wrapping string) string {
	t.Helper()
	opened, err := s.vault(t, "").Logical().UnwrapWithContext(t.Context(), wrapping)
	require.NoError(t, err)
	return opened.Auth.ClientToken
}

// requireOneKey checks that a step made one key, once, and one token for it that waits to be collected.
func requireOneKey(t *testing.T, r run, step string) {
	t.Helper()
	operator := r.by.stack.vault(t, r.by.stack.endpoints.VaultToken)
	meta, err := operator.KVv2(keyMount).GetMetadata(t.Context(), r.keyPath())
	require.NoError(t, err)
	require.Len(t, meta.Versions, 1, "versions of the key")
	require.Equal(t, 1, meta.CurrentVersion)
	require.Equal(t, 2, tokensOf(t, r, step), "live tokens: one that may read the key, and its wrapping")
}

// tokensOf counts the live tokens that were made through a step's role, by their leases: Vault takes a
// token for broken and ends it when somebody looks it up while it is being made.
func tokensOf(t *testing.T, r run, step string) int {
	t.Helper()
	operator := r.by.stack.vault(t, r.by.stack.endpoints.VaultToken)
	list, err := operator.Logical().ListWithContext(t.Context(), "sys/leases/lookup/auth/token/create/gildway-key-"+r.id+"-"+step)
	require.NoError(t, err)
	if list == nil {
		return 0
	}
	return len(list.Data["keys"].([]any))
}

func requireForbidden(t *testing.T, err error) {
	t.Helper()
	var refused *vault.ResponseError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
}

// requireStatus checks with which status the API refused.
func requireStatus(t *testing.T, status int, err error) {
	t.Helper()
	var problem *client.Problem
	require.True(t, errors.As(err, &problem), "want a refusal with %d, got %v", status, err)
	require.Equal(t, status, problem.Status, problem.Error())
}
