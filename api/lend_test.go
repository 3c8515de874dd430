package api

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
)

// lends makes the steps of the template "noop" read the requester's token.
func lends(s *Server) {
	library := s.Templates.(fakeLibrary)
	version := *library[0]
	p := *version.Plan
	p.Steps = append([]plan.Step{}, p.Steps...)
	p.Steps[0].Input = []byte(`{"message":"hello ${{ parameters.name }}","token":"${{ secrets.backstageToken }}"}`)
	version.Plan = &p
	s.Templates = fakeLibrary{&version}
}

func (w *world) kept(attempt string) any {
	kept, _ := w.vault.kept.Load(attempt)
	return kept
}

func TestCreateTask_StepReadsTheRequestersToken_IsLentIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lends)
	token := w.token(rosa)
	submit := func(secrets map[string]string) string {
		body := map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}, "secrets": secrets}
		got := w.call(http.MethodPost, tasksPath, body, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusCreated, got.status, got.text)
		return got.json(t)["id"].(string)
	}
	id := submit(map[string]string{})
	require.Equal(t, map[string]string{"backstageToken": token}, w.kept(id))
	require.Equal(t, []string{"backstageToken"}, w.started(id, 0).Secrets)
	task, err := w.store.Task(t.Context(), id)
	require.NoError(t, err)
	require.NotContains(t, string(task.Run)+string(task.Spec), token)
	id = submit(map[string]string{"backstageToken": "mallory's", "PASS": "x1"})
	require.Equal(t, map[string]string{"backstageToken": token, "PASS": "x1"}, w.kept(id), "nobody gives another one")

	w.fail(id, 0)
	again := w.token(rosa)
	require.Equal(t, http.StatusCreated, w.call(http.MethodPost, retryPath(id), nil, "Authorization", "Bearer "+again).status)
	require.Equal(t, map[string]string{"backstageToken": again}, w.kept(id+"@1"))
}

func TestCreateTask_NoStepReadsTheToken_LentToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}, "secrets": map[string]string{"backstageToken": "mine"}}
	got := w.as(rosa, http.MethodPost, tasksPath, body)
	require.Equal(t, http.StatusCreated, got.status)
	require.Nil(t, w.kept(got.json(t)["id"].(string)))

	// Without a Vault there is nowhere to keep it, and the step sees none.
	w = newWorld(t, lends, func(s *Server) { s.Secrets = nil })
	w.submit()
	// Nobody has signed in.
	w = newWorld(t, lends, func(s *Server) { s.OpenDoors = true })
	require.Nil(t, w.kept(w.submit()))
}

func TestReclaimer_SecretsOfACrash_AreTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	orphan, retried := uuid.NewString(), w.submit()
	for attempt, secrets := range map[string]map[string]string{orphan: {"a": "b"}, retried + "@1": {"c": "d"}} {
		require.NoError(t, w.vault.Put(t.Context(), attempt, secrets))
	}
	require.NoError(t, w.store.LendSecrets(t.Context(), orphan, 0))
	require.NoError(t, w.store.LendSecrets(t.Context(), retried, 1))
	pass := func(after time.Duration) {
		reclaimer := newReclaimer(w.store, w.vault, after, slog.New(slog.DiscardHandler))
		for more := true; more; {
			var err error
			more, err = reclaimer.pass(t.Context())
			require.NoError(t, err)
		}
	}
	pass(acceptanceLimit)
	require.NotNil(t, w.kept(orphan), "it may still be accepted")
	pass(0)
	require.Nil(t, w.kept(orphan))
	require.Nil(t, w.kept(retried+"@1"))
}
