package worker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
)

func TestGateBook_Decisions_AreThoseAboutWhatIsShown(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	book := gateBook{db}
	const amir = "user:default/amir"
	task, err := db.CreateTask(t.Context(), store.NewTask{
		ID: uuid.NewString(), TemplateRef: "template:default/x", TemplateDigest: "sha256:t", Digest: "sha256:d", CreatedBy: "user:default/rosa",
		Spec: json.RawMessage(`{}`), Run: json.RawMessage(`{}`),
	})
	require.NoError(t, err)
	gate := task + ".ask"
	require.NoError(t, book.OpenApproval(t.Context(), approval.Opened{
		ID: gate, Task: task, Step: "ask", Shown: "sha256:1", Requester: "user:default/rosa", Approval: plan.Approval{Approvers: []string{amir}},
	}))
	said := plan.Decision{By: amir, As: amir, Verdict: plan.Delegate, To: "user:default/bo", Comment: "away", Nonce: "1", At: time.Now().UTC().Truncate(time.Second)}
	instead := plan.Decision{By: said.To, For: amir, As: amir, Verdict: plan.Approve, Nonce: "2", At: said.At.Add(time.Second), Stage: 1}
	require.NoError(t, book.RecordDecision(t.Context(), gate, said))
	require.NoError(t, book.RecordDecision(t.Context(), gate, instead))
	counted, err := book.Decisions(t.Context(), gate)
	require.NoError(t, err)
	require.Equal(t, []plan.Decision{said, instead}, counted)

	require.NoError(t, book.ReopenApproval(t.Context(), gate, "sha256:1", "sha256:2", nil, nil))
	for _, gate := range []string{gate, task + ".none"} {
		counted, err = book.Decisions(t.Context(), gate)
		require.NoError(t, err)
		require.Empty(t, counted)
	}
}
