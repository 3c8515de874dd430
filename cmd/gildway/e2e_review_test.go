//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	temporal "go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
)

// An owner is asked by the configuration, confirms one grant and ends the other; nobody else's word counts.
func TestReview_OwnerConfirmsAndRevokes_ForgedIsRefused(t *testing.T) {
	t.Parallel()
	const group = "llm-gateway-users"
	s := shared(t)
	owner := s.role("approver") // of the group that owns the template
	stays, leaves := s.newcomer(t, "rhea"), s.newcomer(t, "roy")
	membership := func(p person) string {
		r := p.submitAccess(t, fewTokens)
		r.completes(t)
		r.grants(t, 2)
		return "lease/" + r.id + "/membership"
	}
	kept, ended := membership(stays), membership(leaves)

	another := s.newReplica(t) // that wants reviews, which the stack's own server doesn't
	another.env = []string{"GILDWAY_ACCESS_REVIEWEVERY=365d", "GILDWAY_ACCESS_REVIEWWITHIN=30d"}
	another.start(t, s)
	var review client.AccessReview
	eventually(t, "the owner to be asked", func() bool {
		open, err := client.List[client.AccessReview](t.Context(), owner.Client, "access/reviews", map[string][]string{"state": {"open"}})
		require.NoError(t, err)
		for _, r := range open.Value.Items {
			said, err := owner.AccessReview(t.Context(), r.ID)
			require.NoError(t, err)
			if slices.ContainsFunc(said.Value.Items, func(i client.ReviewedGrant) bool { return i.Lease == kept }) {
				review = said.Value
			}
		}
		return review.ID != ""
	})
	require.Contains(t, owner.types(t, "access", "review", "list", "--open").out, review.ID)
	type notification struct{ Kind, Text string }
	eventually(t, "the owner to be told", func() bool {
		list, err := client.List[notification](t.Context(), owner.Client, "notifications", map[string][]string{"limit": {"200"}})
		require.NoError(t, err)
		return slices.ContainsFunc(list.Value.Items, func(n notification) bool { return n.Kind == "review-due" && strings.Contains(n.Text, review.ID) })
	})

	// Who can write to Temporal decides nothing.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handle, err := s.temporal(t).UpdateWorkflow(ctx, temporal.UpdateWorkflowOptions{
		WorkflowID: review.ID, UpdateName: activities.ReviewMessage, WaitForStage: temporal.WorkflowUpdateStageCompleted,
		Args: []any{activities.DecideReview{Revoke: []string{kept}, Statement: "trust me"}},
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "%v", err)
	require.Equal(t, 1, s.auditedAbout(t, "review-refused", review.ID))
	require.Equal(t, 3, stays.types(t, "access", "review", "decide", review.ID, "--confirm", kept).code)

	said := owner.types(t, "access", "review", "decide", review.ID, "--confirm", kept, "--revoke", ended, "--comment", "has changed teams", "--output", "json")
	require.Zero(t, said.code, said.err)
	var now client.AccessReview
	require.NoError(t, json.Unmarshal([]byte(said.out), &now))
	require.LessOrEqual(t, now.Left, review.Left-2, "other people's grants of this stack may end meanwhile, too")
	eventually(t, "the revoked membership to be gone", func() bool { return !slices.Contains(s.oktaMembers(t, group), leaves.login()) })
	require.Contains(t, s.oktaMembers(t, group), stays.login())
	for _, i := range now.Items {
		switch i.Lease {
		case kept:
			require.Equal(t, "confirm", i.Verdict)
		case ended:
			require.Equal(t, "revoke", i.Verdict)
			require.True(t, i.Ended)
		}
	}
	shown := owner.types(t, "access", "review", "show", review.ID)
	require.Zero(t, shown.code, shown.err)
	require.Contains(t, shown.out, "confirm")
	for _, lease := range []string{kept, ended} {
		require.Equal(t, 1, s.auditedAbout(t, "access-reviewed", lease))
	}
	require.Equal(t, 1, s.auditedAbout(t, "lease-revoke-asked", ended))
	require.Zero(t, s.auditedAbout(t, "lease-revoke-asked", kept))
	require.Equal(t, 1, owner.types(t, "access", "review", "decide", review.ID, "--confirm", ended).code, "it has an answer")
}

// auditedAbout counts the entries of a kind that name something.
func (s *localStack) auditedAbout(t *testing.T, kind, what string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	const count = `select count(*) from audit_leaves where convert_from(body, 'UTF8')::json ->> 'kind' = $1 and strpos(convert_from(body, 'UTF8'), $2) > 0`
	require.NoError(t, db.QueryRow(t.Context(), count, kind, what).Scan(&n))
	return n
}
