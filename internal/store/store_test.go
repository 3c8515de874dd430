package store

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/audit"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func newTask(by string) NewTask {
	return NewTask{
		ID: uuid.NewString(), TemplateRef: "template:default/x", TemplateDigest: "sha256:t", Digest: "sha256:d", CreatedBy: by,
		Spec: json.RawMessage(`{"z":1,"a":{"y":"<b>"}}`), Run: json.RawMessage(`{"task":"?","b":1,"a":2}`),
	}
}

func create(t *testing.T, s *Store, by string) string {
	t.Helper()
	id, err := s.CreateTask(t.Context(), newTask(by))
	require.NoError(t, err)
	return id
}

func TestMigrations_DownUndoesUp(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	empty := pgtest.Describe(t, url)
	s, err := Open(t.Context(), url)
	require.NoError(t, err)
	defer s.Close()
	full := pgtest.Describe(t, url)
	require.NotEqual(t, empty, full)

	provider, err := s.migrator()
	require.NoError(t, err)
	_, err = provider.DownTo(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, empty, pgtest.Describe(t, url))
	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, full, pgtest.Describe(t, url))
}

func TestOpen_ManyAtOnce_MigrateOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			s, err := Open(t.Context(), url)
			if err == nil {
				s.Close()
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
}

func TestOpen_NoServer_Unavailable(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "postgres://x:x@127.0.0.1:1/x?connect_timeout=1")
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestCreateTask_KeepsTextAsWritten(t *testing.T) {
	t.Parallel()
	s := open(t)
	n := newTask("user:default/rosa")
	id, err := s.CreateTask(t.Context(), n)
	require.NoError(t, err)
	got, err := s.Task(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, string(n.Spec), string(got.Spec))
	require.Equal(t, string(n.Run), string(got.Run))
	require.Equal(t, StatusOpen, got.Status)
	require.Nil(t, got.StartedAt)

	again, err := s.CreateTask(t.Context(), n) // our answer was lost
	require.NoError(t, err)
	require.Equal(t, id, again)
	leaves, err := s.AuditLeaves(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, leaves, 1)

	_, err = s.Task(t.Context(), uuid.NewString())
	require.ErrorIs(t, err, fault.NotFound)
	_, err = s.Task(t.Context(), "no-uuid")
	require.ErrorIs(t, err, fault.Invalid)
}

func TestCreateTask_IdempotencyKey(t *testing.T) {
	t.Parallel()
	s := open(t)
	ask := func(by, request string) (string, error) {
		n := newTask(by)
		n.IdempotencyKey, n.Request = "k1", request
		return s.CreateTask(context.Background(), n)
	}
	ids := make([]string, 8)
	var g errgroup.Group
	for i := range ids {
		g.Go(func() (err error) { ids[i], err = ask("user:default/rosa", "same"); return err })
	}
	require.NoError(t, g.Wait())
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	_, total, err := s.Tasks(t.Context(), TaskFilter{})
	require.NoError(t, err)
	require.Equal(t, 1, total)

	_, err = ask("user:default/rosa", "other")
	require.ErrorIs(t, err, fault.Conflict)
	other, err := ask("user:default/ben", "other") // a key is its user's own
	require.NoError(t, err)
	require.NotEqual(t, ids[0], other)
}

func TestTasks_FilterOrderPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b, c := create(t, s, "user:default/a"), create(t, s, "user:default/b"), create(t, s, "user:default/a")
	require.NoError(t, s.SetStatus(t.Context(), b, 0, StatusProcessing))

	list := func(f TaskFilter) (ids []string, total int) {
		tasks, total, err := s.Tasks(t.Context(), f)
		require.NoError(t, err)
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		return ids, total
	}
	ids, total := list(TaskFilter{})
	require.Equal(t, []string{c, b, a}, ids)
	require.Equal(t, 3, total)
	all, _, err := s.Tasks(t.Context(), TaskFilter{})
	require.NoError(t, err)
	for _, task := range all {
		require.Empty(t, task.Run, "the workflow's input is too large for a list")
		require.NotEmpty(t, task.Spec)
	}
	one := 1
	ids, total = list(TaskFilter{CreatedBy: []string{"user:default/a"}, Limit: &one, Offset: 1})
	require.Equal(t, []string{a}, ids)
	require.Equal(t, 2, total)
	ids, _ = list(TaskFilter{Status: []string{StatusProcessing, "bogus"}})
	require.Equal(t, []string{b}, ids)
	ids, _ = list(TaskFilter{Order: []TaskOrder{{ByCreatedBy, true}, {ByCreatedAt, false}}})
	require.Equal(t, []string{b, a, c}, ids)
	zero := 0
	ids, total = list(TaskFilter{Limit: &zero})
	require.Empty(t, ids)
	require.Equal(t, 3, total)
	_, _, err = s.Tasks(t.Context(), TaskFilter{Order: []TaskOrder{{By: "id; drop table tasks"}}})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestUnstarted_UntilMarked(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b := create(t, s, "user:default/a"), create(t, s, "user:default/a")
	require.NoError(t, s.MarkStarted(t.Context(), a, 0))
	left, err := s.Unstarted(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, b, left[0].ID)
}

func TestLog_SameKeyOnce_OrderedPerTask(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	var g errgroup.Group
	for i := range 40 {
		g.Go(func() error {
			return s.Log(context.Background(), task, "k"+string(rune('a'+i%20)), "s", "", "line \x00 <b>")
		})
	}
	require.NoError(t, g.Wait())
	events, err := s.Events(t.Context(), task, 0, false, 100)
	require.NoError(t, err)
	require.Len(t, events, 20)
	for i, e := range events[1:] {
		require.Greater(t, e.ID, events[i].ID)
		require.False(t, e.CreatedAt.Before(events[i].CreatedAt))
	}
	require.Equal(t, `{"message":"line  <b>","stepId":"s"}`, string(events[0].Body))
	require.ErrorIs(t, s.Log(t.Context(), uuid.NewString(), "k", "", "", "x"), fault.NotFound)
}

func TestComplete_OnceWithEventAndAudit(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Log(t.Context(), task, "1", "a", "processing", "Beginning step A"))
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusFailed, "", nil, fault.New(fault.Denied, "no")))
	require.NoError(t, s.Complete(t.Context(), task, 0, StatusCompleted, "", json.RawMessage(`{"x":1}`), nil))
	require.NoError(t, s.SetStatus(t.Context(), task, 0, StatusProcessing))
	got, err := s.Task(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, StatusFailed, got.Status)
	require.NotNil(t, got.EndedAt)
	events, err := s.Events(t.Context(), task, 1_000_000, true, 10)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, `{"message":"Run completed with status: failed","error":{"name":"NotAllowedError","message":"no"}}`, string(events[0].Body))
	require.ErrorIs(t, s.Complete(t.Context(), uuid.NewString(), 0, StatusFailed, "", nil, nil), fault.NotFound)

	done := create(t, s, "user:default/a")
	require.NoError(t, s.Complete(t.Context(), done, 0, StatusCompleted, "", json.RawMessage(`{"x":1}`), nil))
	events, err = s.Events(t.Context(), done, 0, true, 10)
	require.NoError(t, err)
	require.Equal(t, `{"message":"Run completed with status: completed","output":{"x":1}}`, string(events[0].Body))
}

func TestRequestCancel_NamesTheNewestStepOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	require.NoError(t, s.Log(t.Context(), task, "1", "before", "processing", "x"))
	require.NoError(t, s.Log(t.Context(), task, "2", "wait", "processing", "x"))
	require.NoError(t, s.RequestCancel(t.Context(), task, 0, "user:default/a"))
	require.NoError(t, s.RequestCancel(t.Context(), task, 0, "user:default/a"))
	events, err := s.Events(t.Context(), task, 0, true, 10)
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, "cancelled", events[2].Type)
	require.Equal(t, `{"message":"Step wait has been cancelled.","stepId":"wait","status":"cancelled"}`, string(events[2].Body))
}

func TestAudit_ConcurrentEntries_ChainHolds(t *testing.T) {
	t.Parallel()
	s := open(t)
	var g errgroup.Group
	for i := range 30 {
		g.Go(func() error {
			return s.Audit(context.Background(), "", "k"+string(rune('a'+i%15)), "kind", "user:default/a", map[string]any{"i": i % 15})
		})
	}
	require.NoError(t, g.Wait())
	leaves, err := s.AuditLeaves(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Len(t, leaves, 15)
	var v audit.Verifier
	for _, l := range leaves {
		require.NoError(t, v.Add(l))
	}
}

func TestHasSecrets(t *testing.T) {
	t.Parallel()
	s := open(t)
	for run, want := range map[string]bool{`{}`: false, `{"secrets":[]}`: false, `{"secrets":["a"]}`: true} {
		task := newTask("user:default/a")
		task.Run = json.RawMessage(run)
		_, err := s.CreateTask(t.Context(), task)
		require.NoError(t, err)
		has, err := s.HasSecrets(t.Context(), task.ID, 0)
		require.NoError(t, err)
		require.Equal(t, want, has, run)
	}
	_, err := s.HasSecrets(t.Context(), uuid.NewString(), 0)
	require.ErrorIs(t, err, fault.NotFound)
}
