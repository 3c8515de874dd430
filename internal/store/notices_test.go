package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

func TestNotices_ToldOnceAndKeptForAWhile(t *testing.T) {
	t.Parallel()
	s := open(t)
	due := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	told := notice.Notice{Key: "a", Kind: notice.LeaseReminder, To: []string{"user:default/rosa", "group:default/x"}, Title: "Ends soon", Text: "why", Due: &due}
	for range 2 {
		require.NoError(t, s.Notify(t.Context(), told))
	}
	for _, refs := range [][]string{{"user:default/rosa"}, {"user:default/ben", "group:default/x"}} {
		list, err := s.Notices(t.Context(), refs, 0, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		list[0].Due = &due
		require.Equal(t, told, list[0].Notice)
	}
	none, err := s.Notices(t.Context(), []string{"user:default/eve"}, 0, 10)
	require.NoError(t, err)
	require.Empty(t, none)

	_, err = s.pool.Exec(t.Context(), `update notices set created_at = now() - interval '91 days'`)
	require.NoError(t, err)
	told.Key = "b"
	require.NoError(t, s.Notify(t.Context(), told))
	list, err := s.Notices(t.Context(), told.To, 0, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "b", list[0].Key)
}

func TestNotices_EndOfARun_ToldToWhoAskedAndOfAFailureToTheOwner(t *testing.T) {
	t.Parallel()
	s := open(t)
	for status, c := range map[string]struct {
		failure *fault.Error
		to      []string
		title   string
	}{
		StatusCompleted: {nil, []string{"user:default/rosa"}, "template:default/x has completed"},
		StatusFailed:    {fault.New(fault.Denied, "not today"), []string{"user:default/rosa", "group:default/owners"}, "template:default/x has failed"},
	} {
		id, err := s.CreateTask(t.Context(), NewTask{
			ID: uuid.NewString(), TemplateRef: "template:default/x", CreatedBy: "user:default/rosa", Owner: "group:default/owners", Spec: []byte(`{}`), Run: []byte(`{}`),
		})
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, s.Complete(t.Context(), id, 0, status, "", nil, c.failure))
		}
		list, err := s.Notices(t.Context(), []string{"user:default/rosa"}, 0, 10)
		require.NoError(t, err)
		require.Equal(t, id, list[0].Task)
		require.Equal(t, c.to, list[0].To)
		require.Equal(t, c.title, list[0].Title)
		if c.failure != nil {
			require.Equal(t, "not today", list[0].Text)
		}
	}
}
