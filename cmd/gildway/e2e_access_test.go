//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	temporal "go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
)

// grants are the leases of a run, once there are as many as there should be; -1: as many as there are.
func (r run) grants(t *testing.T, want int) (list []client.Lease) {
	t.Helper()
	eventually(t, "the grants to be listed", func() bool {
		all, err := r.by.Leases(t.Context())
		require.NoError(t, err)
		list = list[:0]
		for _, l := range all {
			if l.Task == r.id {
				list = append(list, l)
			}
		}
		return want < 0 || len(list) == want
	})
	return list
}

func TestAccess_RenewedThenRevokedForALeaver(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "leah")
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	first, err := p.Collect(t.Context(), r.id)
	require.NoError(t, err)
	require.Len(t, first, 1)

	for _, before := range r.grants(t, 2) {
		said := p.types(t, "access", "renew", before.ID)
		require.Zero(t, said.code, said.err)
		require.Contains(t, said.out, "renewed")
		after, err := p.Lease(t.Context(), before.ID)
		require.NoError(t, err)
		require.True(t, after.ExpiresAt.After(before.ExpiresAt), "%s ends at %s, as before", before.ID, after.ExpiresAt)
	}
	require.Equal(t, 2, s.audited(t, r.id, "lease-renewed"))
	second, err := p.Collect(t.Context(), r.id)
	require.NoError(t, err, "a renewed key has another token to collect")
	require.Equal(t, first[0].Path, second[0].Path)
	holders := []string{unwrap(t, s, first[0].WrappingToken), unwrap(t, s, second[0].WrappingToken)}
	for _, token := range holders {
		_, err := s.vault(t, token).KVv2(keyMount).Get(t.Context(), r.keyPath())
		require.NoError(t, err)
	}

	// A lost answer is asked for again, and renews nothing more.
	var ends []string
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoints.API+"/api/gildway/v1/access/"+url.PathEscape(r.grants(t, 2)[0].ID)+"/renew", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+p.token)
		req.Header.Set("Idempotency-Key", "once")
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		var said struct{ ExpiresAt string }
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&said))
		require.NoError(t, answer.Body.Close())
		ends = append(ends, said.ExpiresAt)
	}
	require.Equal(t, ends[0], ends[1])
	require.Equal(t, 3, s.audited(t, r.id, "lease-renewed"))

	// Who can write to Temporal can't keep access alive.
	lease := r.grants(t, 2)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handle, err := s.temporal(t).UpdateWorkflow(ctx, temporal.UpdateWorkflowOptions{
		WorkflowID: lease.ID, UpdateName: activities.RenewMessage, WaitForStage: temporal.WorkflowUpdateStageCompleted,
		Args: []any{activities.RenewLease{Statement: "trust me"}},
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "%v", err)
	require.Equal(t, 1, s.audited(t, r.id, "renewal-refused"))

	stranger := s.newcomer(t, "lars")
	require.Equal(t, 3, stranger.types(t, "access", "revoke", lease.ID).code)
	said := stranger.types(t, "access", "revoke", "--user", p.ref())
	require.Zero(t, said.code, said.err)
	require.NotContains(t, said.out, r.id)

	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	said = s.role("admin").types(t, "access", "revoke", "--user", p.ref(), "--reason", "has left", "--wait")
	require.Zero(t, said.code, said.err)
	require.Equal(t, 2, strings.Count(said.out, "revoked"), said.out)
	require.NotContains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	for _, token := range holders {
		_, err := s.vault(t, token).KVv2(keyMount).Get(t.Context(), r.keyPath())
		requireForbidden(t, err)
	}
	require.Equal(t, 2, s.audited(t, r.id, "lease-revoked"))
	require.Equal(t, 1, p.types(t, "access", "renew", lease.ID).code)
}
