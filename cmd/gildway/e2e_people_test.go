//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/dev"
)

const (
	servicePath  = "nodejs-microservice"
	accessPath   = "request-llm-gateway-access"
	pipelinePath = "data-pipeline"

	manyTokens = 2_000_000 // a month, which needs the approval of the model's owner
	fewTokens  = 1_000_000 // which doesn't
)

// person is somebody who uses the API of a stack.
type person struct {
	stack *localStack
	name  string
	team  string // group ref
	token string
	*client.Client
}

// newcomer is a person of a team of their own, so that what is granted to them was granted by the test: a name is given once.
func (s *localStack) newcomer(t *testing.T, name string) person {
	t.Helper()
	_, taken := s.newcomers.LoadOrStore(name, true)
	require.False(t, taken, "another test has a newcomer of the name %s", name)
	return s.enrol(t, name, "group:default/"+name+"-team")
}

func (s *localStack) enrol(t *testing.T, name string, groups ...string) person {
	t.Helper()
	token, err := dev.Token(t.Context(), s.dir, "requester", "user:default/"+name, groups)
	require.NoError(t, err)
	return person{stack: s, name: name, team: groups[0], token: token, Client: client.New(s.endpoints.API, token)}
}

// role is one of the stack's own people.
func (s *localStack) role(name string) person {
	token := s.endpoints.Tokens[name]
	return person{stack: s, name: name, token: token, Client: client.New(s.endpoints.API, token)}
}

func (p person) ref() string   { return "user:default/" + p.name }
func (p person) login() string { return p.name + "@acme.example" }

// ask calls the API with plain HTTP and gives the status and the body.
func (p person) ask(t *testing.T, method, path, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.stack.endpoints.API+path, strings.NewReader(body))
	require.NoError(t, err)
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, raw
}

// run is a task that somebody submitted.
type run struct {
	by person
	id string
}

func (p person) submit(t *testing.T, template string, values map[string]any) run {
	t.Helper()
	raw, err := json.Marshal(values)
	require.NoError(t, err)
	id, err := p.SubmitTask(t.Context(), "template:default/"+template, raw)
	require.NoError(t, err)
	return run{p, id}
}

func (p person) submitService(t *testing.T, name string) run {
	t.Helper()
	return p.submit(t, servicePath, map[string]any{"name": name, "owner": p.team, "description": "Made by a test", "enableAIAssistant": true})
}

func (p person) submitAccess(t *testing.T, tokens int) run {
	t.Helper()
	return p.submit(t, accessPath, map[string]any{"useCase": "Summarise what customers write", "team": p.team, "monthlyTokens": tokens})
}

// follow gives the run's events when it has ended.
func (r run) follow(t *testing.T) (events []client.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runWithin)
	defer cancel()
	_, err := r.by.Watch(ctx, r.id, func(e client.Event) { events = append(events, e) })
	require.NoError(t, err, "the run %s does not end; its steps: %v", r.id, r.states(t))
	return events
}

// completes waits for the end of the run, which must be a good one.
func (r run) completes(t *testing.T) []client.Event {
	t.Helper()
	events := r.follow(t)
	require.Nil(t, events[len(events)-1].Body.Error, "the run %s", r.id)
	task, err := r.by.Task(t.Context(), r.id)
	require.NoError(t, err)
	require.Equal(t, "completed", task.Status)
	return events
}

func (r run) graph(t *testing.T) client.Graph {
	t.Helper()
	g, err := r.by.Graph(t.Context(), r.id)
	require.NoError(t, err)
	return g
}

func (r run) states(t *testing.T) map[string]string {
	t.Helper()
	states := map[string]string{}
	for _, s := range r.graph(t).Steps {
		states[s.ID] = s.State
	}
	return states
}

// gate is the run's open approval.
func (r run) gate(t *testing.T) client.Approval {
	t.Helper()
	var open []client.Approval
	eventually(t, r.id+" to wait for approval", func() bool {
		var err error
		open, err = r.by.Approvals(t.Context(), r.id, "pending")
		return err == nil && len(open) == 1
	})
	return open[0]
}

func (r run) approve(t *testing.T) {
	t.Helper()
	require.NoError(t, r.by.stack.role("approver").Decide(t.Context(), r.gate(t).ID, "approve", "fine"))
}

// between gives when a step began and ended.
func between(t *testing.T, events []client.Event, step string) (began, ended time.Time) {
	t.Helper()
	for _, e := range events {
		switch {
		case e.Body.StepID != step:
		case e.Body.Status == "processing":
			began = e.CreatedAt
		case e.Body.Status == "completed":
			ended = e.CreatedAt
		}
	}
	require.False(t, began.IsZero() || ended.IsZero(), "%s neither began nor ended", step)
	return began, ended
}

// getJSON reads from a provider, with its own credential.
func getJSON(t *testing.T, url, authorization string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s: %s", url, raw)
	require.NoError(t, json.NewDecoder(bytes.NewReader(raw)).Decode(into))
}
