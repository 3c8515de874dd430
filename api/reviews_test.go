package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// platform owns the template.
const platform = "group:default/platform"

// review opens a review of what there is, under the name of a task.
func (w *world) review(task string) string {
	w.t.Helper()
	id := "access-review/" + platform + "/" + task
	_, err := w.store.OpenReview(w.t.Context(), id, platform, time.Now().Add(time.Hour))
	require.NoError(w.t, err)
	return id
}

func reviewURL(id, do string) string { return "/api/gildway/v1/access/reviews/" + segment(id) + do }

func TestDecideAccessReview_OwnersWord_IsHandedOnSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	kept, ended, other := w.lease(task, "a:b", plan.Lease{}), w.lease(task, "c:d", plan.Lease{}), w.lease(task, "e:f", plan.Lease{})
	id := w.review(task)
	decision := map[string]any{"confirm": []string{kept}, "revoke": []string{ended}, "comment": "as every spring"}
	for who, want := range map[string]int{rosa: 403, eve: 403, ben: 403, olga: 403, adam: 403, tess: 200} {
		require.Equal(t, want, w.as(who, http.MethodPost, reviewURL(id, "/decision"), decision).status, who)
	}
	w.engine.set(func(e *fakeEngine) {
		require.Len(t, e.reviewed, 1)
		in := e.reviewed[0]
		require.Equal(t, [2][]string{{kept}, {ended}}, [2][]string{in.Confirm, in.Revoke})
		said, err := w.verify.Verify(in.Statement, time.Now())
		require.NoError(t, err)
		require.Equal(t, [5]string{tess, id, activities.ReviewVerdict, in.Digest(), "as every spring"},
			[5]string{said.Approver, said.Gate, said.Verdict, said.Digest, said.Comment})
	})

	all := w.as(tess, http.MethodPost, reviewURL(id, "/decision"), map[string]any{"confirmAll": true, "revoke": []string{ended}})
	require.Equal(t, http.StatusOK, all.status, all.text)
	w.engine.set(func(e *fakeEngine) { require.ElementsMatch(t, []string{kept, other}, e.reviewed[1].Confirm) })
	require.Equal(t, http.StatusBadRequest, w.as(tess, http.MethodPost, reviewURL(id, "/decision"), map[string]any{"comment": "fine"}).status)
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Unavailable, "no engine") })
	require.Equal(t, http.StatusServiceUnavailable, w.as(tess, http.MethodPost, reviewURL(id, "/decision"), decision).status)
	require.NoError(t, w.store.CloseReview(t.Context(), id))
	require.Equal(t, http.StatusConflict, w.as(tess, http.MethodPost, reviewURL(id, "/decision"), decision).status)
}

func TestAccessReviews_WhoIsAskedSeesThem_AndAuditors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	lease := w.lease(task, "a:b", plan.Lease{})
	first, second := w.review(task), w.review(newID())
	require.NoError(t, w.store.CloseReview(t.Context(), first))
	seen := func(who, query string) (ids []string) {
		for _, item := range w.as(who, http.MethodGet, "/api/gildway/v1/access/reviews"+query, nil).json(t)["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		return ids
	}
	for _, who := range []string{tess, olga, adam} {
		require.Equal(t, []string{second, first}, seen(who, ""), who)
		require.Equal(t, []string{second}, seen(who, "?state=open"), who)
	}
	require.Empty(t, seen(rosa, ""), "of their own access people are told elsewhere")
	require.Equal(t, []string{second}, seen(tess, "?limit=1"))
	shown := w.as(tess, http.MethodGet, reviewURL(first, ""), nil).json(t)
	require.Equal(t, "closed", shown["state"])
	items := shown["items"].([]any)
	require.Len(t, items, 1)
	require.Equal(t, lease, items[0].(map[string]any)["lease"])
	require.Equal(t, rosa, items[0].(map[string]any)["requester"])
}
