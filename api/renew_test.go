package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// lease opens a lease of a task for rosa and gives its id.
func (w *world) lease(task, action string, policy plan.Lease) string {
	w.t.Helper()
	raw, err := json.Marshal(policy)
	require.NoError(w.t, err)
	id := "lease/" + task + "/" + action
	require.NoError(w.t, w.store.OpenLease(w.t.Context(), store.Lease{
		ID: id, Task: task, Step: "grant", Action: action, Requester: rosa, Template: "template:default/noop",
		ExpiresAt: time.Now().Add(time.Hour), Policy: raw,
	}))
	return id
}

func (w *world) audits(kind string) (n int) {
	w.t.Helper()
	leaves, err := w.store.AuditLeaves(w.t.Context(), 0, 1000)
	require.NoError(w.t, err)
	for _, l := range leaves {
		var entry struct{ Kind string }
		require.NoError(w.t, json.Unmarshal(l.Body, &entry))
		if entry.Kind == kind {
			n++
		}
	}
	return n
}

func access(lease, do string) string { return "/api/gildway/v1/access/" + segment(lease) + do }

func TestRenewAccess_WhoMay_IsHandedOnSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	lease := w.lease(task, "a:b", plan.Lease{TTL: plan.Duration(time.Hour), Renewable: true})
	for who, want := range map[string]int{rosa: 200, eve: 403, olga: 403, adam: 403} {
		require.Equal(t, want, w.as(who, http.MethodPost, access(lease, "/renew"), nil).status, who)
	}
	require.Len(t, w.engine.renewed, 1)
	said, err := w.verify.Verify(w.engine.renewed[0].Statement, time.Now())
	require.NoError(t, err)
	require.Equal(t, [4]string{rosa, task, lease, "renew"}, [4]string{said.Approver, said.Task, said.Gate, said.Verdict})

	w.engine.renewalIDs = nil
	for _, header := range [][]string{{"Idempotency-Key", "k"}, {"Idempotency-Key", "k"}, {"Idempotency-Key", "l"}, nil} {
		require.Equal(t, http.StatusOK, w.as(rosa, http.MethodPost, access(lease, "/renew"), nil, header...).status)
	}
	ids := w.engine.renewalIDs
	require.Equal(t, ids[0], ids[1], "the same wish is one update")
	require.NotEqual(t, ids[0], ids[2])
	require.Empty(t, ids[3])

	fixed := w.lease(task, "c:d", plan.Lease{TTL: plan.Duration(time.Hour)})
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, access(fixed, "/renew"), nil).status)
}

// Where others renew, the requester can only ask them, and they are told once.
func TestRenewAccess_OthersRenew_AreAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := w.lease(w.submit(), "a:b", plan.Lease{TTL: plan.Duration(time.Hour), Renewable: true, Approvers: []string{leads}})
	for range 2 {
		asked := w.as(rosa, http.MethodPost, access(lease, "/renew"), nil) // she is in the group, which doesn't help her
		require.Equal(t, http.StatusAccepted, asked.status, asked.text)
		require.Equal(t, []any{leads}, asked.json(t)["asked"])
	}
	require.Empty(t, w.engine.renewed)
	require.Equal(t, 1, w.audits("lease-renewal-asked"))
	require.Equal(t, http.StatusForbidden, w.as(eve, http.MethodPost, access(lease, "/renew"), nil).status)
	require.Equal(t, http.StatusOK, w.as(ben, http.MethodPost, access(lease, "/renew"), nil).status)
	require.Len(t, w.engine.renewed, 1)
}

func TestRevokeAccess_Promised_IsKeptWhenTheEngineIsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := w.lease(w.submit(), "a:b", plan.Lease{})
	for who, want := range map[string]int{eve: 403, olga: 403, ben: 403} {
		require.Equal(t, want, w.as(who, http.MethodPost, access(lease, "/revoke"), nil).status, who)
	}
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Unavailable, "away") })
	got := w.as(rosa, http.MethodPost, access(lease, "/revoke"), map[string]any{"reason": "no longer needed"})
	require.Equal(t, http.StatusAccepted, got.status, got.text)
	require.NotEmpty(t, got.json(t)["revokedAt"])
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, access(lease, "/renew"), nil).status)
	w.engine.set(func(e *fakeEngine) { e.err = nil })
	require.Eventually(t, func() bool {
		w.engine.mu.Lock()
		defer w.engine.mu.Unlock()
		return len(w.engine.revoked) == 1
	}, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, store.Revocation{ID: lease, Why: "revoked by user:default/rosa: no longer needed"}, w.engine.revoked[0])
	require.Eventually(t, func() bool {
		left, err := w.store.Revocations(t.Context(), 10)
		return err == nil && len(left) == 0
	}, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, w.audits("lease-revoke-asked"))
	require.NoError(t, w.store.CloseLease(t.Context(), lease, "revoked", time.Now()))
	require.Equal(t, http.StatusConflict, w.as(rosa, http.MethodPost, access(lease, "/revoke"), nil).status)
}

// Somebody leaves: all of their grants end, and nobody else's.
func TestRevokeAccessOf_Leaver_AllAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	for _, action := range []string{"a:b", "c:d", "e:f"} {
		w.lease(task, action, plan.Lease{})
	}
	const all = "/api/gildway/v1/access/revoke"
	leaver := map[string]any{"user": "User:Rosa", "reason": "has left"}
	require.Equal(t, http.StatusForbidden, w.as(olga, http.MethodPost, all, leaver).status)
	none := w.as(eve, http.MethodPost, all, leaver) // she may end her own, of which there are none
	require.Equal(t, http.StatusAccepted, none.status, none.text)
	require.Empty(t, none.json(t)["items"])
	got := w.as(adam, http.MethodPost, all, leaver)
	require.Equal(t, http.StatusAccepted, got.status, got.text)
	require.Len(t, got.json(t)["items"], 3)
	require.Equal(t, 3, w.audits("lease-revoke-asked"))
	require.Equal(t, http.StatusBadRequest, w.as(adam, http.MethodPost, all, map[string]any{"user": "group:default/x"}).status)
}

// What names a leaver by their login ends with the rest; what is a team's, or has no lease, is told.
func TestRevokeAccessOf_LoginsAndTeams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.as(ben, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}}).json(t)["id"].(string)
	grant := func(step, output string, leased bool) {
		t.Helper()
		key := task + "/" + step
		require.NoError(t, w.store.EffectBegins(t.Context(), store.Effect{Key: key, Task: task, Step: step, Action: "a:b", Queue: "q", Call: json.RawMessage(`{}`)}))
		require.NoError(t, w.store.EffectDone(t.Context(), key, json.RawMessage(output)))
		if leased {
			require.NoError(t, w.store.OpenLease(t.Context(), store.Lease{
				ID: "lease/" + key, Task: task, Step: step, Action: "a:b", Requester: ben, Template: "template:default/noop",
				ExpiresAt: time.Now().Add(time.Hour), Output: json.RawMessage(output),
			}))
		}
	}
	grant("login", `{"user":"rosa@acme.com","login":"rosa@acme.com"}`, true)
	grant("team", `{"members":["kim@acme.com","rosa@acme.com"]}`, true)
	grant("alone", `{"user":"user:default/rosa","login":"rosa@acme.com"}`, false)

	steps := func(list any) (steps []string) {
		items, _ := list.([]any)
		for _, i := range items {
			steps = append(steps, i.(map[string]any)["step"].(string))
		}
		return steps
	}
	const all = "/api/gildway/v1/access/revoke"
	got := w.as(adam, http.MethodPost, all, map[string]any{"user": "rosa"})
	require.Equal(t, http.StatusAccepted, got.status, got.text)
	require.Equal(t, []string{"login"}, steps(got.json(t)["items"]))
	require.Equal(t, []string{"team", "alone"}, steps(got.json(t)["stays"]))
	require.Contains(t, got.text, "take user:default/rosa out of the group by hand")
	require.NotContains(t, got.json(t), "unsure")
	own := w.as(rosa, http.MethodPost, all, map[string]any{"user": rosa})
	require.NotContains(t, own.json(t), "stays", "what she may not end is not shown to her")

	unknown := w.as(adam, http.MethodPost, all, map[string]any{"user": "gone"})
	require.Contains(t, unknown.json(t)["unsure"], "a login of user:default/gone may be missing")
	listed := w.as(adam, http.MethodGet, "/api/gildway/v1/access?user=rosa", nil)
	require.Equal(t, []string{"login"}, steps(listed.json(t)["items"]))
}

// Somebody has terminated the lease's workflow: its grant would stay for ever, so people are told.
func TestRevokeAccess_LeaseIsGone_OwnerIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := w.lease(w.submit(), "a:b", plan.Lease{})
	w.engine.set(func(e *fakeEngine) { e.gone = true })
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, access(lease, "/revoke"), nil).status)
	require.Eventually(t, func() bool {
		told, err := w.store.Notices(t.Context(), []string{"group:default/platform", rosa}, 0, 10)
		return err == nil && len(told) == 1 && told[0].Title == "Access of user:default/rosa can't end by itself: grant"
	}, 30*time.Second, 10*time.Millisecond)
}
