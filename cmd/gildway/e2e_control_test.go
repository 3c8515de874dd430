//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/faults"
)

// controlled waits an hour for a provider that is away, unless somebody says otherwise.
const controlled = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: %s, title: Under Control}
spec:
  owner: group:default/platform-team
  type: service
  onFailure: %s
  parameters:
    title: Values
    properties: {message: {type: string}, group: {type: string}, look: {type: string}}
  steps:
    - {id: ok, name: Approval, action: "approval:request", input: {approvers: ["group:default/ml-platform-team"], reason: Please}}
    - id: membership
      name: Membership
      action: okta:group:add-member
      input: {group: "${{ parameters.group }}"}
      retry: {interval: 1h}
    - id: look
      name: Look
      action: catalog:fetch
      skippable: true
      needs: [membership]
      retry: {interval: 1h}
      input: {entityRef: "component:default/${{ parameters.look }}", optional: true}
    - {id: say, name: Say, action: "debug:log", needs: [look], input: {message: "${{ parameters.message }}"}}
`

const controlledGroup = "ai-coding-assistants"

func (s *localStack) controlled(t *testing.T, name, onFailure string) {
	t.Helper()
	s.registerTemplate(t, name, fmt.Sprintf(controlled, name, onFailure))
}

func (p person) submitControlled(t *testing.T, template, look string) run {
	t.Helper()
	r := p.submit(t, template, map[string]any{"message": "first", "group": controlledGroup, "look": look})
	r.approve(t)
	return r
}

// away makes a provider refuse requests until the returned function is called.
func (s *localStack) away(t *testing.T, rule faults.Rule) (back func()) {
	t.Helper()
	raw, err := json.Marshal(rule)
	require.NoError(t, err)
	answer, err := http.Post(s.endpoints.Sandbox["faults"]+"/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&rule))
	return func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, fmt.Sprintf("%s/rules/%d", s.endpoints.Sandbox["faults"], rule.ID), nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
}

func (s *localStack) awayForMembership(t *testing.T, p person, kind faults.Kind) func() {
	t.Helper()
	return s.away(t, faults.Rule{
		Provider: "okta", Method: http.MethodPut, Path: s.membership(t, controlledGroup, p), Kind: kind, Status: http.StatusServiceUnavailable, Times: -1,
	})
}

func lookedUp(name string, status int) faults.Rule {
	return faults.Rule{
		Provider: "catalog", Method: http.MethodGet, Path: "/entities/by-name/component/default/" + name, Kind: faults.Status, Status: status, Times: -1,
	}
}

// waits returns when a step waits for its provider.
func (r run) waits(t *testing.T, step string) {
	t.Helper()
	eventually(t, step+" to wait for its provider", func() bool {
		for _, s := range r.graph(t).Steps {
			if s.ID == step && len(s.WaitsFor) > 0 && s.WaitsFor[0].Kind == "provider" {
				return true
			}
		}
		return false
	})
}

func (s *localStack) added(t *testing.T, p person) (times int64) {
	t.Helper()
	for effect, n := range s.effects(t, p.login()) {
		if strings.Contains(effect, "added") {
			times += n
		}
	}
	return times
}

func TestSteps_WaitingForTheirProvider_AreInPeoplesHands(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.controlled(t, "under-control", "undo")
	p := s.newcomer(t, "wim")

	// Retried now: the provider is back, and what was done before its answer was lost is not done twice.
	back := s.awayForMembership(t, p, faults.StatusAfter)
	r := p.submitControlled(t, "under-control", "nothing-there")
	r.waits(t, "membership")
	require.Contains(t, s.oktaMembers(t, controlledGroup), p.login())
	shown := p.types(t, "task", "show", r.id)
	require.Contains(t, shown.out, "attempt 2, at ", shown.err)
	require.Equal(t, 3, s.role("auditor").types(t, "task", "step", "retry", r.id, "membership").code)
	refused := p.types(t, "task", "step", "skip", r.id, "membership")
	require.Equal(t, 3, refused.code)
	require.Contains(t, refused.err, "doesn't let people skip membership")
	require.Equal(t, 3, p.types(t, "task", "step", "abort", r.id, "ok").code, "approvals are decided")
	require.Equal(t, 1, p.types(t, "task", "step", "retry", r.id, "say").code, "it has not begun")
	back()
	said := p.types(t, "task", "step", "retry", r.id, "membership", "--reason", "it is back")
	require.Zero(t, said.code, said.err)
	events := r.completes(t)
	require.Contains(t, saidOf(events, "membership"), "Tried again at once, asked for by "+p.ref()+": it is back")
	require.EqualValues(t, 1, s.added(t, p), "%v", s.effects(t, p.login()))
	require.Equal(t, 1, s.audited(t, r.id, "step-retry-asked"))

	// Skipped.
	q := s.newcomer(t, "wanda")
	defer s.away(t, lookedUp("never-answers", http.StatusServiceUnavailable))()
	r = q.submitControlled(t, "under-control", "never-answers")
	r.waits(t, "look")
	said = q.types(t, "task", "step", "skip", r.id, "look")
	require.Zero(t, said.code, said.err)
	r.completes(t)
	require.Equal(t, "skipped", r.states(t)["look"])
	require.Equal(t, "completed", r.states(t)["say"])

	// Aborted: the run fails, and is undone.
	v := s.newcomer(t, "wilma")
	r = v.submitControlled(t, "under-control", "never-answers")
	r.waits(t, "look")
	require.Contains(t, s.oktaMembers(t, controlledGroup), v.login())
	said = v.types(t, "task", "step", "abort", r.id, "look")
	require.Zero(t, said.code, said.err)
	events = r.follow(t)
	require.Contains(t, events[len(events)-1].Body.Error.Message, "aborted by "+v.ref())
	require.NotContains(t, s.oktaMembers(t, controlledGroup), v.login())

	// Cancelled while it waits: what it may have done is looked up.
	u := s.newcomer(t, "wolf")
	defer s.awayForMembership(t, u, faults.StatusAfter)()
	r = u.submitControlled(t, "under-control", "nothing-there")
	r.waits(t, "membership")
	require.Contains(t, s.oktaMembers(t, controlledGroup), u.login())
	require.Zero(t, u.types(t, "task", "cancel", r.id, "--undo").code)
	r.follow(t)
	require.NotContains(t, s.oktaMembers(t, controlledGroup), u.login())
}

func TestRetry_FromFailed_KeepsWhatCompleted(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.controlled(t, "goes-on", "keep")
	p := s.newcomer(t, "gisa")
	back := s.away(t, lookedUp("refused", http.StatusForbidden))
	r := p.submitControlled(t, "goes-on", "refused")
	require.NotNil(t, last(r.follow(t)).Body.Error)
	require.EqualValues(t, 1, s.added(t, p))

	file := filepath.Join(t.TempDir(), "values.json")
	correct := func(values string) result {
		require.NoError(t, os.WriteFile(file, []byte(values), 0o600))
		return p.types(t, "task", "retry", r.id, "--from-failed", "--values", file)
	}
	refused := correct(`{"group":"llm-gateway-users"}`)
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.err, "step membership has used the parameter group")

	// Without another value nobody is asked again, and nothing is done again.
	said := p.types(t, "task", "retry", r.id, "--from-failed", "--output", "json", "--wait")
	require.Equal(t, 1, said.code, "it is still refused")
	require.Equal(t, "completed", r.states(t)["membership"])
	back()
	require.Zero(t, p.types(t, "task", "retry", r.id, "--from-failed").code)
	events := r.completes(t)
	require.Contains(t, saidOf(events, "ok"), "Approved in an earlier attempt by user:default/")
	require.Contains(t, saidOf(events, "membership"), "because it was already completed in a previous run")
	require.EqualValues(t, 1, s.added(t, p))
	require.Equal(t, 1, p.types(t, "task", "retry", r.id, "--from-failed").code, "nothing has failed")

	// Another value is another plan: its approval is asked for again, and what is kept is undone with the rest.
	q := s.newcomer(t, "gero")
	defer s.away(t, lookedUp("never-allowed", http.StatusForbidden))()
	r = q.submitControlled(t, "goes-on", "never-allowed")
	r.follow(t)
	require.NoError(t, os.WriteFile(file, []byte(`{"message":"second"}`), 0o600))
	said = q.types(t, "task", "retry", r.id, "--from-failed", "--values", file, "--output", "json")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, "membership")
	r.gate(t)
	require.Contains(t, s.oktaMembers(t, controlledGroup), q.login())
	require.Zero(t, q.types(t, "task", "cancel", r.id, "--undo").code)
	r.follow(t)
	require.NotContains(t, s.oktaMembers(t, controlledGroup), q.login())
}

func last[T any](list []T) T { return list[len(list)-1] }

// A workflow that somebody terminates can't say so; its task ends all the same, and can be retried.
func TestTerminatedInTemporal_TaskFailsAndIsUndone(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.controlled(t, "terminated", "undo")
	p := s.newcomer(t, "theo")
	defer s.away(t, lookedUp("not-today", http.StatusServiceUnavailable))()
	r := p.submitControlled(t, "terminated", "not-today")
	r.waits(t, "look")
	require.NoError(t, s.temporal(t).TerminateWorkflow(t.Context(), r.id, "", "by mistake"))
	require.Equal(t, "the run was terminated in Temporal: by mistake", last(r.follow(t)).Body.Error.Message)
	eventually(t, "what it did to be undone", func() bool {
		left, err := p.Effects(t.Context(), r.id)
		return err == nil && len(left.Value.Items) == 0
	})
	require.NotContains(t, s.oktaMembers(t, controlledGroup), p.login())

	require.Zero(t, p.types(t, "task", "retry", r.id, "--from-failed").code)
	r.waits(t, "look")
	require.Contains(t, s.oktaMembers(t, controlledGroup), p.login(), "it was undone, and so is made again")
	require.Zero(t, p.types(t, "task", "step", "skip", r.id, "look").code)
	r.completes(t)
}
