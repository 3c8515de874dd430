package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

const approvalsPath = "/api/gildway/v1/approvals"

func TestDecide_OnlyAnApproverWhoIsNotTheRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	gate := w.gate(task)
	url := approvalsPath + "/" + gate + "/decision"
	yes := map[string]any{"decision": "approve", "comment": "fine"}
	w.engine.set(func(e *fakeEngine) { e.outcome = &activities.Decided{Outcome: plan.Approved} })

	for _, who := range []string{rosa, eve, olga, adam} {
		got := w.as(who, http.MethodPost, url, yes)
		require.Equal(t, http.StatusForbidden, got.status, who)
		require.Equal(t, problemType, got.header.Get("Content-Type"))
	}
	w.engine.set(func(e *fakeEngine) { require.Empty(t, e.decided) })

	got := w.as(ben, http.MethodPost, url, yes)
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.JSONEq(t, `{"approval":"`+gate+`","state":"approved"}`, got.text)
	w.engine.set(func(e *fakeEngine) {
		require.Len(t, e.decided, 1)
		require.Equal(t, gate, e.decided[0].Gate)
		said, err := w.verify.Verify(e.decided[0].Statement, time.Now())
		require.NoError(t, err)
		stored, err := w.store.Task(t.Context(), task)
		require.NoError(t, err)
		require.NotEmpty(t, said.Nonce)
		said.Nonce, said.IssuedAt, said.Expires = "", time.Time{}, time.Time{}
		require.Equal(t, identity.Statement{Approver: ben, Task: task, Gate: gate, Digest: stored.Digest, Verdict: "approve", Comment: "fine"}, said)
	})
}

func TestDecide_AnswersOfTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	gate := w.gate(task)
	url := approvalsPath + "/" + gate + "/decision"
	no := map[string]any{"decision": "reject"}

	got := w.as(ben, http.MethodPost, url, no) // nobody there to answer
	require.Equal(t, http.StatusAccepted, got.status)
	require.JSONEq(t, `{"approval":"`+gate+`","state":"pending"}`, got.text)
	for kind, status := range map[fault.Kind]int{fault.Conflict: 409, fault.Denied: 403, fault.Unavailable: 503} {
		w.engine.set(func(e *fakeEngine) { e.err = fault.New(kind, "says the engine") })
		got := w.as(ben, http.MethodPost, url, no)
		require.Equal(t, status, got.status)
		require.Contains(t, got.text, "says the engine")
	}
	for _, body := range []any{map[string]any{"decision": "maybe"}, map[string]any{}, map[string]any{"decision": "approve", "x": 1}, `{`} {
		require.Equal(t, http.StatusBadRequest, w.as(ben, http.MethodPost, url, body).status)
	}
	require.NoError(t, w.store.CloseApproval(t.Context(), gate, "rejected", "no"))
	for range 2 {
		require.Equal(t, http.StatusConflict, w.as(ben, http.MethodPost, url, no).status)
	}
	require.Equal(t, 1, w.audits("approval-refused"), "who is late is written down, once")
	require.Equal(t, http.StatusNotFound, w.as(ben, http.MethodPost, approvalsPath+"/none/decision", no).status)
}

func TestDecide_GateOfAnotherPlan_Conflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	id := activities.GateID(task, 0, "forged")
	require.NoError(t, w.store.OpenApproval(t.Context(), store.Approval{ID: id, Task: task, Step: "forged", Title: "t", Reason: "", Digest: "sha256:other", Requester: rosa, Template: "template:default/noop", Approvers: []string{leads}, Required: 1}))
	got := w.as(ben, http.MethodPost, approvalsPath+"/"+id+"/decision", map[string]any{"decision": "approve"})
	require.Equal(t, http.StatusConflict, got.status)
	w.engine.set(func(e *fakeEngine) { require.Empty(t, e.decided) })
}

func TestListApprovals_SeenByThoseConcerned_Paged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.gate(w.submit()), w.gate(w.submit())
	ids := func(who, query string) (ids []string, next string) {
		got := w.as(who, http.MethodGet, approvalsPath+query, nil)
		require.Equal(t, http.StatusOK, got.status, got.text)
		body := got.json(t)
		for _, item := range body["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, _ = body["next"].(string)
		return ids, next
	}
	for _, who := range []string{rosa, ben, olga, adam} {
		got, next := ids(who, "?state=pending")
		require.Equal(t, []string{second, first}, got, who)
		require.Empty(t, next)
	}
	got, _ := ids(eve, "")
	require.Empty(t, got)
	got, next := ids(ben, "?limit=1")
	require.Equal(t, []string{second}, got)
	got, next = ids(ben, "?limit=1&cursor="+next)
	require.Equal(t, []string{first}, got)
	require.Empty(t, next)
	one, err := w.store.Approval(t.Context(), first)
	require.NoError(t, err)
	got, _ = ids(ben, "?task="+one.Task)
	require.Equal(t, []string{first}, got)
	for _, query := range []string{"?task=x", "?state=x", "?limit=0", "?limit=501", "?cursor=x", "?x=1"} {
		require.Equal(t, http.StatusBadRequest, w.as(ben, http.MethodGet, approvalsPath+query, nil).status, query)
	}
}

func TestApproval_Delegated_IsReadListedAndDecidedInstead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	gate := w.gate(w.submit())
	token, err := w.server.Signer.SignLink(identity.Link{Person: kim, Gate: gate, Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	statuses := func() []int {
		one := approvalsPath + "/" + gate
		return []int{
			w.as(kim, http.MethodGet, one, nil).status,
			w.call(http.MethodGet, one, nil, "Authorization", "Bearer "+token).status,
			w.as(kim, http.MethodPost, one+"/link", nil).status,
			w.as(kim, http.MethodPost, one+"/decision", map[string]any{"decision": "approve"}).status,
		}
	}
	listed := func() []int {
		return []int{
			len(w.as(kim, http.MethodGet, approvalsPath, nil).json(t)["items"].([]any)),
			len(w.as(kim, http.MethodGet, "/api/scaffolder/v2/tasks", nil).json(t)["tasks"].([]any)),
		}
	}
	require.Equal(t, []int{403, 403, 403, 403}, statuses())
	require.Equal(t, []int{0, 0}, listed())

	require.NoError(t, w.store.RecordDecision(t.Context(), gate, store.Decision{By: ben, As: leads, Verdict: "delegate", To: kim, Nonce: "n1", At: time.Now()}))
	require.Equal(t, []int{200, 200, 200, 202}, statuses())
	require.Equal(t, []int{1, 1}, listed())

	require.NoError(t, w.store.ReopenApproval(t.Context(), gate, "", "sha256:other", nil, nil))
	require.Equal(t, []int{403, 403, 403, 403}, statuses(), "something else is shown, and nobody has delegated that")
	require.Equal(t, []int{0, 0}, listed())
}
