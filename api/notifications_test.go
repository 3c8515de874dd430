package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/notice"
)

func TestNotifications_OwnAndThoseOfOnesGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	for key, to := range map[string]string{"a": rosa, "b": leads, "c": eve} {
		require.NoError(t, w.store.Notify(t.Context(), notice.Notice{Key: key, Kind: notice.ApprovalOpened, To: []string{to}, Task: task, Title: "for " + to}))
	}
	titles := func(who string) (titles []string) {
		for _, n := range w.as(who, http.MethodGet, "/api/gildway/v1/notifications", nil).json(t)["items"].([]any) {
			titles = append(titles, n.(map[string]any)["title"].(string))
		}
		return titles
	}
	require.ElementsMatch(t, []string{"for " + leads}, titles(ben))
	require.ElementsMatch(t, []string{"for " + rosa, "for " + leads}, titles(rosa))
	require.ElementsMatch(t, []string{"for " + eve}, titles(eve))
	require.Empty(t, titles(olga), "an auditor reads the audit log, not other people's messages")
	page := w.as(rosa, http.MethodGet, "/api/gildway/v1/notifications?limit=1", nil).json(t)
	require.Len(t, page["items"], 1)
	next := w.as(rosa, http.MethodGet, "/api/gildway/v1/notifications?limit=1&cursor="+page["next"].(string), nil).json(t)
	require.Len(t, next["items"], 1)
	require.NotContains(t, next, "next")
}
