//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/sandbox/faults"
)

// refuse makes the next request that fits fail for good, after some seconds in which other steps come further.
func (s *localStack) refuse(t *testing.T, provider, method, path string) {
	t.Helper()
	raw, err := json.Marshal(faults.Rule{Provider: provider, Method: method, Path: path, Kind: faults.Status, Status: http.StatusForbidden, DelayMs: 6000, Times: 1})
	require.NoError(t, err)
	answer, err := http.Post(s.endpoints.Sandbox["faults"]+"/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}

func (r run) retry(t *testing.T) {
	t.Helper()
	require.NoError(t, r.by.RetryTask(t.Context(), r.id, nil))
}

// A run fails at its last step and takes everything back. When the provider is well again, a retry makes it all.
func TestRetry_FailedRun_MakesAgainWhatWasUndone(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "rita")
	s.refuse(t, "okta", http.MethodPut, s.membership(t, "ai-coding-assistants", p))
	r := p.submitService(t, "second-wind")
	events := r.follow(t)
	require.NotNil(t, events[len(events)-1].Body.Error)
	require.NotContains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login())

	r.retry(t)
	again := r.completes(t)
	require.Contains(t, s.clone(t, "acme-org/second-wind"), "catalog-info.yaml")
	require.Equal(t, p.team, s.ownerInCatalog(t, "second-wind"))
	require.Contains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login())
	requireOneKey(t, r, "provision-ai-access")
	for step, state := range r.states(t) {
		require.Equal(t, "completed", state, step)
	}
	requireOneAttemptAfterTheOther(t, again)
	made := s.effects(t, "second-wind")
	require.EqualValues(t, 1, made["github.repo.created acme-org/second-wind"]-made["github.repo.deleted acme-org/second-wind"])

	// What is there is adopted: a retry of a completed run changes nothing.
	before := s.effects(t, "second-wind", p.login())
	r.retry(t)
	r.completes(t)
	require.Equal(t, before, s.effects(t, "second-wind", p.login()))
}

// requireOneAttemptAfterTheOther checks the log of a task that was retried once.
func requireOneAttemptAfterTheOther(t *testing.T, events []client.Event) {
	t.Helper()
	count := map[string]int{}
	for i, e := range events {
		count[e.Type]++
		if e.Body.Message == "Beginning step Fetch Base Template" {
			count["begun"]++
		}
		if i > 0 {
			require.Greater(t, e.ID, events[i-1].ID)
		}
	}
	require.Equal(t, 1, count["recovered"])
	require.Equal(t, 1, count["completion"], "the first was taken out of the log")
	require.Equal(t, 2, count["begun"], "no line is taken for a repeat")
}

// A cancelled run is retried; its approval is asked for again, and the first one is not open any more.
func TestRetry_CancelledAtItsGate_AsksAgain(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "rita-lou")
	r := p.submitAccess(t, manyTokens)
	first := r.gate(t)
	require.NoError(t, p.CancelTask(t.Context(), r.id))
	r.follow(t)

	r.retry(t)
	second := r.gate(t)
	require.NotEqual(t, first.ID, second.ID)
	require.Error(t, s.role("approver").Decide(t.Context(), first.ID, "approve", "too late"))
	r.approve(t)
	r.completes(t)
	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	requireOneKey(t, r, "key")

	// A second retry of what is granted with a lease grants it anew, with one lease and one key at any time.
	r.retry(t)
	r.approve(t)
	r.completes(t)
	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	requireOneKey(t, r, "key")
	eventually(t, "both grants to be listed as active", func() bool {
		leases, err := p.Leases(t.Context())
		require.NoError(t, err)
		active := 0
		for _, l := range leases {
			if l.Task == r.id && l.State == "active" {
				active++
			}
		}
		return active == 2
	})
}

// A starter dies after it has started an attempt and before it has noted that: the next one notes it and starts nothing.
func TestRetry_StartedAndNotNoted_RunsOnce(t *testing.T) {
	t.Parallel()
	s := shared(t)
	r := s.newcomer(t, "nell").submitAccess(t, manyTokens)
	r.gate(t)
	require.NoError(t, r.by.CancelTask(t.Context(), r.id))
	r.follow(t)
	r.retry(t)
	r.gate(t)
	db, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	_, err = db.Exec(t.Context(), `update tasks set started_at = null where id = $1`, r.id)
	require.NoError(t, err)
	eventually(t, "the attempt to be noted as started", func() bool {
		var noted bool
		require.NoError(t, db.QueryRow(t.Context(), `select started_at is not null from tasks where id = $1`, r.id).Scan(&noted))
		return noted
	})
	require.Len(t, s.search(t, "WorkflowId = '"+r.id+"'", 2), 2, "executions")
	r.approve(t)
	r.completes(t)
}

func TestRetry_TwoAtOnce_OneIsRefused(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "yara")
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	var asking sync.WaitGroup
	var statuses [2]int
	for i := range statuses {
		asking.Go(func() { statuses[i], _ = p.ask(t, http.MethodPost, "/api/scaffolder/v2/tasks/"+r.id+"/retry", "{}") })
	}
	asking.Wait()
	require.ElementsMatch(t, []int{http.StatusCreated, http.StatusConflict}, statuses[:])
	r.completes(t)
}
