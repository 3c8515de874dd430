package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

func linking(s *Server) { s.Links, s.PublicURL = true, "https://gildway.acme.com" }

// link gives the token of a personal link that somebody has asked for.
func (w *world) link(who, gate string) string {
	w.t.Helper()
	got := w.as(who, http.MethodPost, approvalsPath+"/"+gate+"/link", nil)
	require.Equal(w.t, http.StatusOK, got.status, got.text)
	page, token, _ := strings.Cut(got.json(w.t)["url"].(string), "#")
	require.Equal(w.t, "https://gildway.acme.com/approve", page)
	return token
}

func TestLink_IsGoodForOneApprovalAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	task := w.submit()
	gate, other := w.gate(task), w.gate(w.submit())
	with := func(method, url string, body any) answer {
		return w.call(method, url, body, "Authorization", "Bearer "+w.link(ben, gate))
	}
	shown := with(http.MethodGet, approvalsPath+"/"+gate, nil)
	require.Equal(t, http.StatusOK, shown.status, shown.text)
	require.Equal(t, gate, shown.json(t)["id"])
	yes := map[string]any{"decision": "approve"}
	for url, method := range map[string]string{
		approvalsPath + "/" + other:                   http.MethodGet,
		approvalsPath + "/" + other + "/decision":     http.MethodPost,
		approvalsPath + "/" + gate + "/statement":     http.MethodPost,
		approvalsPath + "/" + gate + "/link":          http.MethodPost,
		approvalsPath:                                 http.MethodGet,
		"/api/gildway/v1/access":                      http.MethodGet,
		"/api/gildway/v1/notifications":               http.MethodGet,
		"/api/gildway/v1/tasks/" + task:               http.MethodGet,
		"/api/scaffolder/v2/tasks/" + task:            http.MethodGet,
		"/api/scaffolder/v2/tasks":                    http.MethodGet,
		"/api/scaffolder/v2/tasks/" + task + "/retry": http.MethodPost,
	} {
		got := with(method, url, yes)
		require.Equal(t, http.StatusForbidden, got.status, url)
		require.Contains(t, got.text, "sign in for anything else", url)
	}
	w.engine.set(func(e *fakeEngine) { require.Empty(t, e.decided) })

	w.engine.set(func(e *fakeEngine) { e.outcome = &activities.Decided{Outcome: plan.Approved} })
	got := with(http.MethodPost, approvalsPath+"/"+gate+"/decision", yes)
	require.Equal(t, http.StatusOK, got.status, got.text)
	w.engine.set(func(e *fakeEngine) {
		said, err := w.verify.Verify(e.decided[0].Statement, time.Now())
		require.NoError(t, err)
		require.Equal(t, []string{ben, "link", "approve"}, []string{said.Approver, said.Via, said.Verdict})
	})
}

func TestLink_OfWhoMayNotDecide_IsGoodForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	gate := w.gate(w.submit())
	for _, who := range []string{rosa, eve, olga} {
		require.Equal(t, http.StatusForbidden, w.as(who, http.MethodPost, approvalsPath+"/"+gate+"/link", nil).status, who)
		token, err := w.server.Signer.SignLink(identity.Link{Person: who, Gate: gate, Expires: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		got := w.call(http.MethodPost, approvalsPath+"/"+gate+"/decision", map[string]any{"decision": "approve"}, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusForbidden, got.status, "who has left the group since: "+who)
	}
	w.engine.set(func(e *fakeEngine) { require.Empty(t, e.decided) })
}

// The gate names them, and no group that they could have left.
func TestLink_OfALeaver_IsGoodForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	const gone = "user:default/gone"
	task, err := w.store.Task(t.Context(), w.submit())
	require.NoError(t, err)
	for _, who := range []string{gone, ben} {
		gate := activities.GateID(task.ID, 0, "ask-"+strings.TrimPrefix(who, "user:default/"))
		require.NoError(t, w.store.OpenApproval(t.Context(), store.Approval{ID: gate, Task: task.ID, Step: "ask", Title: "t", Digest: task.Digest, Requester: rosa, Template: task.TemplateRef, Approvers: []string{who}, Required: 1}))
		token, err := w.server.Signer.SignLink(identity.Link{Person: who, Gate: gate, Expires: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		shown := w.call(http.MethodGet, approvalsPath+"/"+gate, nil, "Authorization", "Bearer "+token)
		said := w.call(http.MethodPost, approvalsPath+"/"+gate+"/decision", map[string]any{"decision": "approve"}, "Authorization", "Bearer "+token)
		if who == ben {
			require.Equal(t, []int{http.StatusOK, http.StatusAccepted}, []int{shown.status, said.status})
			continue
		}
		require.Equal(t, []int{http.StatusForbidden, http.StatusForbidden}, []int{shown.status, said.status})
		require.Contains(t, said.text, gone+", whose link this is, is not in the directory")
	}
}

func TestLink_SwitchedOff_IsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := w.gate(w.submit())
	require.Equal(t, http.StatusNotImplemented, w.as(ben, http.MethodPost, approvalsPath+"/"+gate+"/link", nil).status)
	token, err := w.server.Signer.SignLink(identity.Link{Person: ben, Gate: gate, Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, w.call(http.MethodGet, approvalsPath+"/"+gate, nil, "Authorization", "Bearer "+token).status)
}

func TestApprovePage_RunsItsOwnScriptAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	page := w.call(http.MethodGet, "/approve", nil)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.header.Get("Content-Type"), "text/html")
	policy := page.header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'; script-src 'sha256-")
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, page.text, "innerHTML", "what it shows comes from people")
}

func TestApproval_FollowedInABrowser_LeadsToThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	gate := w.gate(w.submit())
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+approvalsPath+"/"+gate, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	got, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	require.Equal(t, http.StatusSeeOther, got.StatusCode)
	require.Equal(t, "https://gildway.acme.com/approve#"+gate, got.Header.Get("Location"))
}
