package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTaskPage_EveryTaskOnce_NewestFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	var newest []string
	for range 7 {
		newest = append([]string{create(t, s, "user:default/rosa")}, newest...)
	}
	_, err := s.pool.Exec(t.Context(), `update tasks set created_at = '2026-01-01' where id = any($1::text[]::uuid[])`, newest[2:5]) // at the same moment
	require.NoError(t, err)
	var seen []string
	filter := TaskPageFilter{Limit: 2}
	for {
		lines, err := s.TaskPage(t.Context(), filter)
		require.NoError(t, err)
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			seen = append(seen, l.ID)
		}
		last := lines[len(lines)-1]
		filter.Before = &TaskPlace{last.CreatedAt, last.ID}
		create(t, s, "user:default/late") // what comes meanwhile disturbs nothing
	}
	require.Len(t, seen, 7)
	require.ElementsMatch(t, newest, seen)
	require.Equal(t, []string{newest[0], newest[1], newest[5], newest[6]}, seen[:4])
}

func TestTaskPage_Filters(t *testing.T) {
	t.Parallel()
	s := open(t)
	one := newTask("user:default/rosa")
	one.Owner, one.TemplateRef = "group:default/a", "template:default/one"
	_, err := s.CreateTask(t.Context(), one)
	require.NoError(t, err)
	create(t, s, "user:default/ben")
	require.NoError(t, s.SetStatus(t.Context(), one.ID, 0, StatusProcessing))
	require.NoError(t, s.OpenApproval(t.Context(), Approval{ID: "gate", Task: one.ID, Step: "ask", Title: "", Reason: "", Digest: "sha256:d", Requester: "user:default/rosa", Template: one.TemplateRef, Approvers: []string{"user:default/ben"}, Required: 1}))

	for name, f := range map[string]TaskPageFilter{
		"template": {Template: "template:default/one"}, "owner": {Owner: "group:default/a"}, "status": {Status: []string{StatusProcessing}},
		"by": {CreatedBy: "user:default/rosa"}, "scope": {Within: []TaskScope{{Approvers: []string{"user:default/ben"}}}},
		"since": {Since: time.Now().Add(-time.Hour), CreatedBy: "user:default/rosa"},
	} {
		f.Limit = 10
		lines, err := s.TaskPage(t.Context(), f)
		require.NoError(t, err, name)
		require.Len(t, lines, 1, name)
		require.Equal(t, one.ID, lines[0].ID, name)
		require.True(t, lines[0].Waiting)
	}
	for _, f := range []TaskPageFilter{{Since: time.Now().Add(time.Hour)}, {Within: []TaskScope{}}, {Template: "template:default/two"}} {
		f.Limit = 10
		lines, err := s.TaskPage(t.Context(), f)
		require.NoError(t, err)
		require.Empty(t, lines)
	}
}

func TestStumbles_OfTheAttemptAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := create(t, s, "user:default/rosa")
	for key, step := range map[string]string{
		"a//attempt/1": "a", "a//attempt/2": "a", "a//begin": "a", "b/x/attempt/1": "b", "b/y/attempt/12": "b", "c//undo/attempt": "c", "a//attempt/1@1": "a",
	} {
		require.NoError(t, s.Log(t.Context(), id, key, step, "", strings.ToUpper(key)))
	}
	first, err := s.Stumbles(t.Context(), id, 0)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 2, "b": 12}, first)
	second, err := s.Stumbles(t.Context(), id, 1)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 1}, second)
}
