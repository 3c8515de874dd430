//go:build linux

package main_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	temporal "go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
)

// Whoever can write to Temporal can still not approve: a run believes only what the API has signed for it.
func TestForgedDecision_SentStraightToTemporal_IsRefused(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "fox")
	decided := p.submitAccess(t, manyTokens)
	decided.approve(t)
	decided.completes(t)
	genuine := statementOf(t, decided)

	r := p.submitAccess(t, manyTokens)
	gate := r.gate(t)
	var details struct{ Digest string }
	_, raw := p.ask(t, "GET", "/api/gildway/v1/approvals/"+gate.ID, "")
	require.NoError(t, json.Unmarshal(raw, &details))
	forge := func() string {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		signer, err := identity.NewSigner(key)
		require.NoError(t, err)
		signed, err := signer.Sign(identity.Statement{
			Approver: "user:default/amir", Task: r.id, Gate: gate.ID, Digest: details.Digest, Verdict: "approve",
		})
		require.NoError(t, err)
		return signed
	}

	c := shared(t).temporal(t)
	require.Equal(t, "eyJ", genuine[:3])
	updates := []string{"nonsense", forge(), genuine, genuine[:len(genuine)-8] + "AAAAAAAA"}
	for _, statement := range updates {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		handle, err := c.UpdateWorkflow(ctx, temporal.UpdateWorkflowOptions{
			WorkflowID: r.id, UpdateName: activities.DecideMessage, WaitForStage: temporal.WorkflowUpdateStageCompleted,
			Args: []any{activities.DecideMessageInput{Gate: gate.ID, Statement: statement}},
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "%v", err)
	}
	signals := []string{"more nonsense " + uuid.NewString(), forge()}
	for _, statement := range signals {
		require.NoError(t, c.SignalWorkflow(t.Context(), r.id, "", activities.DecideMessage, activities.DecideMessageInput{Gate: gate.ID, Statement: statement}))
	}
	eventually(t, "every refusal to be in the audit log", func() bool {
		return shared(t).audited(t, r.id, "approval-refused") == len(updates)+len(signals)
	})

	still := r.gate(t)
	require.Equal(t, "pending", still.State)
	require.Equal(t, "processing", r.states(t)["approval"])
	require.Zero(t, tokensOf(t, r, "key"))
	r.approve(t)
	r.completes(t)
}

// statementOf is the signed decision that a run has counted, as it stands in Temporal.
func statementOf(t *testing.T, r run) string {
	t.Helper()
	for _, e := range r.by.stack.history(t, r.id) {
		update := e.GetWorkflowExecutionUpdateAcceptedEventAttributes()
		if update == nil {
			continue
		}
		var in activities.DecideMessageInput
		require.NoError(t, json.Unmarshal(update.GetAcceptedRequest().GetInput().GetArgs().GetPayloads()[0].GetData(), &in))
		return in.Statement
	}
	t.Fatal("no decision in history")
	return ""
}

// audited counts a task's entries of a kind in the audit log.
func (s *localStack) audited(t *testing.T, task, kind string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	const count = `select count(*) from audit_leaves where task = $1 and convert_from(body, 'UTF8')::json ->> 'kind' = $2`
	require.NoError(t, db.QueryRow(t.Context(), count, task, kind).Scan(&n))
	return n
}
