//go:build linux

package main_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

// byHand changes a membership as somebody with an account in Okta would.
func (s *localStack) byHand(t *testing.T, method, group string, p person) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.endpoints.Sandbox["okta"]+s.membership(t, group, p), nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "SSWS "+s.endpoints.Providers["okta"])
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
}

// standing is how the grants of a run are listed, by their steps.
func (r run) standing(t *testing.T) map[string]client.Lease {
	t.Helper()
	said, err := client.List[client.Lease](t.Context(), r.by.Client, "access", map[string][]string{"task": {r.id}})
	require.NoError(t, err)
	by := map[string]client.Lease{}
	for _, l := range said.Value.Items {
		by[strings.TrimPrefix(l.ID, "lease/"+r.id+"/")] = l
	}
	return by
}

// told counts the notices of a task that say something.
func (p person) told(t *testing.T, task, text string) (n int) {
	t.Helper()
	type notification struct{ Kind, Task, Title, Text string }
	list, err := client.List[notification](t.Context(), p.Client, "notifications", map[string][]string{"limit": {"200"}})
	require.NoError(t, err)
	for _, told := range list.Value.Items {
		if told.Kind == "access-drifted" && told.Task == task && strings.Contains(told.Title+told.Text, text) {
			n++
		}
	}
	return n
}

// looks has the person's access checked and gives what that says.
func (p person) looks(t *testing.T) client.AccessCheck {
	t.Helper()
	said := p.types(t, "access", "check", "--user", p.ref(), "--wait")
	require.Zero(t, said.code, said.err)
	now, err := p.AccessCheck(t.Context(), p.ref())
	require.NoError(t, err)
	require.Equal(t, "done", now.Value.State)
	return now.Value
}

// auditedOf counts a task's entries of a kind that say something.
func (s *localStack) auditedOf(t *testing.T, task, kind, text string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	const count = `select count(*) from audit_leaves where coalesce(task::text, '') = $1 and convert_from(body, 'UTF8')::json ->> 'kind' = $2
		and strpos(convert_from(body, 'UTF8'), $3) > 0`
	require.NoError(t, db.QueryRow(t.Context(), count, task, kind, text).Scan(&n))
	return n
}

// What somebody changes in Okta and Vault is listed, told and audited, once; looking changes nothing.
func TestDrift_ChangedBehindOurBack_IsSeenOnceAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	const group = "llm-gateway-users"
	s := shared(t)
	p, intruder := s.newcomer(t, "dora"), s.newcomer(t, "dirk")
	owner := s.role("approver") // of the group that owns the template
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	r.grants(t, 2)
	require.Equal(t, client.AccessCheck{State: "done", Checked: 2}, p.looks(t))
	for step, l := range r.standing(t) {
		require.Nil(t, l.Drift, step)
		require.NotNil(t, l.CheckedAt, step)
	}

	s.byHand(t, http.MethodDelete, group, p)
	s.byHand(t, http.MethodPut, group, intruder)
	operator := s.vault(t, s.endpoints.VaultToken)
	require.NoError(t, operator.Sys().RevokePrefix("auth/token/create/gildway-key-"+r.id+"-key/"))
	before := s.effects(t, p.login(), intruder.login(), r.id)
	for range 2 {
		require.Equal(t, client.AccessCheck{State: "done", Checked: 2, Drifted: 2}, p.looks(t))
	}
	require.Equal(t, before, s.effects(t, p.login(), intruder.login(), r.id), "a look has no effect")
	require.NotContains(t, s.oktaMembers(t, group), p.login())

	now := r.standing(t)
	require.Equal(t, "gone", now["membership"].Drift.Kind)
	require.Contains(t, now["membership"].Drift.Says, p.login()+" is not in the Okta group")
	require.Equal(t, "gone", now["key"].Drift.Kind)
	require.Contains(t, now["key"].Drift.Says, "was ended in Vault before its time")
	require.Contains(t, p.types(t, "access", "list", "--task", r.id).out, "gone, seen ")
	require.Contains(t, p.types(t, "access", "drift").out, p.login())
	require.Equal(t, 1, owner.told(t, r.id, p.login()+" is not in the Okta group"))
	require.Equal(t, 1, owner.told(t, r.id, "was ended in Vault before its time"))
	said := owner.types(t, "access", "drift")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, intruder.login()+" is in the Okta group "+group+", and no run has granted that")
	require.NotContains(t, p.types(t, "access", "drift").out, intruder.login(), "of others their owner is told")

	s.byHand(t, http.MethodPut, group, p)
	s.byHand(t, http.MethodDelete, group, intruder)
	require.Equal(t, client.AccessCheck{State: "done", Checked: 2, Drifted: 1}, p.looks(t))
	now = r.standing(t)
	require.Nil(t, now["membership"].Drift, "it is in order again")
	require.NotNil(t, now["key"].Drift)
	require.NotContains(t, owner.types(t, "access", "drift").out, intruder.login())
	for _, text := range []string{p.login() + " is not in", intruder.login() + " is in"} {
		require.Equal(t, 1, s.auditedOf(t, r.id, "access-drifted", text), text)
		require.Equal(t, 1, s.auditedOf(t, r.id, "access-in-order", text), text)
	}

	// What is left of it can be ended.
	said = p.types(t, "access", "revoke", now["key"].ID, "--wait")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, "revoked")
	require.NotContains(t, p.types(t, "access", "drift").out, r.id)

	require.Equal(t, 3, p.types(t, "access", "check").code, "of everybody")
	require.Equal(t, 3, p.types(t, "access", "check", "--user", intruder.ref()).code)
}
