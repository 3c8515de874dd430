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

func TestNotifications_Metrics_WhatWaitsAndWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := notice.Notice{Key: "a", Kind: notice.RunFailed, To: []string{rosa}, Title: "It has failed"}
	require.NoError(t, w.store.Notify(t.Context(), n))
	require.NoError(t, w.store.Address(t.Context(), n, []notice.Addressee{
		{Channel: "email", Address: "rosa@acme.example"}, {Channel: "slack", Address: rosa, Problem: "nobody in Slack has this address"},
	}, 0))
	told := w.as("", http.MethodGet, "/metrics", nil).text
	for _, line := range []string{
		`gildway_notices_waiting{channel="email"} 1`, `gildway_notices_given_up{channel="email"} 0`, `gildway_notices_given_up{channel="slack"} 1`,
	} {
		require.Contains(t, told, line)
	}
}
