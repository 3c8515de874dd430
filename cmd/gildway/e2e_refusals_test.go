//go:build linux

package main_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/sandbox/issuer"
)

const tasksPath = "/api/scaffolder/v2/tasks"

func TestRefusal_ValuesThatFailTheSchema_AllAtOnce(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "vic")
	body := `{"templateRef":"template:default/nodejs-microservice","values":{"name":"Refused Service!","description":7,"enableAIAssistant":"maybe"}}`
	status, raw := p.ask(t, http.MethodPost, tasksPath, body)
	require.Equal(t, http.StatusBadRequest, status)
	var refused struct {
		Errors []struct{ Property, Message, Stack string }
	}
	require.NoError(t, json.Unmarshal(raw, &refused))
	said := make([]string, 0, len(refused.Errors))
	for _, e := range refused.Errors {
		said = append(said, e.Stack)
	}
	all := strings.Join(said, "\n")
	require.Len(t, refused.Errors, 4, all)
	for _, field := range []string{"name", "owner", "description", "enableAIAssistant"} {
		require.Contains(t, all, field)
	}
	requireNothingCreated(t, p)
}

func TestRefusal_UnknownTemplate_IsNotFound(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "uwe")
	status, raw := p.ask(t, http.MethodPost, tasksPath, `{"templateRef":"template:default/nodejs-microservic","values":{}}`)
	require.Equal(t, http.StatusNotFound, status, string(raw))
	requireNothingCreated(t, p)
}

func TestRefusal_BodiesThatAreNoRequests(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "bob")
	for _, body := range []string{`{`, `[]`, `{"values":{}}`, `{"templateRef":"template:default/nodejs-microservice"}`, `{"templateRef":7,"values":{}}`} {
		status, raw := p.ask(t, http.MethodPost, tasksPath, body)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", body, raw)
	}
	requireNothingCreated(t, p)
}

func TestRefusal_TokensThatProveNothing(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "tom")
	issuerURL := shared(t).endpoints.Sandbox["issuer"]
	genuine, err := issuer.Open(filepath.Join(shared(t).dir, "issuer"), issuerURL)
	require.NoError(t, err)
	stranger, err := issuer.Open(t.TempDir(), issuerURL)
	require.NoError(t, err)
	foreign, err := issuer.Open(filepath.Join(shared(t).dir, "issuer"), "https://elsewhere.example")
	require.NoError(t, err)
	token := func(i *issuer.Issuer, c issuer.Claims) string {
		c.Sub = p.ref()
		text, err := i.Token(c)
		require.NoError(t, err)
		return text
	}
	for name, bad := range map[string]string{
		"missing":        "",
		"expired":        token(genuine, issuer.Claims{TTL: -time.Hour}),
		"garbage":        "not.a.token",
		"another key":    token(stranger, issuer.Claims{}),
		"another issuer": token(foreign, issuer.Claims{}),
		"other audience": token(genuine, issuer.Claims{Audience: "another-backend"}),
		"changed":        p.token[:len(p.token)-4] + "AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			nobody := person{stack: shared(t), name: p.name, token: bad}
			status, raw := nobody.ask(t, http.MethodPost, tasksPath, `{"templateRef":"template:default/nodejs-microservice","values":{"name":"tokenless","owner":"`+p.team+`","description":"x"}}`)
			require.Equal(t, http.StatusUnauthorized, status, string(raw))
			status, _ = nobody.ask(t, http.MethodGet, tasksPath, "")
			require.Equal(t, http.StatusUnauthorized, status)
		})
	}
	requireNothingCreated(t, p, "tokenless")
}

func TestRefusal_SomebodyElsesRun(t *testing.T) {
	t.Parallel()
	owner, other := shared(t).newcomer(t, "own"), shared(t).newcomer(t, "eve")
	r := owner.submitAccess(t, fewTokens)
	r.completes(t)
	for _, who := range []person{other, shared(t).role("auditor"), shared(t).role("admin"), shared(t).role("approver")} {
		_, err := who.Collect(t.Context(), r.id)
		requireStatus(t, http.StatusForbidden, err)
	}
	_, err := other.Task(t.Context(), r.id)
	requireStatus(t, http.StatusForbidden, err)
	_, err = other.Graph(t.Context(), r.id)
	requireStatus(t, http.StatusForbidden, err)
	status, _ := other.ask(t, http.MethodGet, tasksPath+"/"+r.id+"/events", "")
	require.Equal(t, http.StatusForbidden, status)
	requireStatus(t, http.StatusForbidden, other.CancelTask(t.Context(), r.id))
	leases, err := other.Leases(t.Context())
	require.NoError(t, err)
	require.Empty(t, leases)

	collected, err := owner.Collect(t.Context(), r.id)
	require.NoError(t, err, "the refusals have not used the key up")
	require.Len(t, collected, 1)
}

func TestRefusal_Approvers(t *testing.T) {
	t.Parallel()
	// Whoever asks is in the group that decides.
	asking := shared(t).enrol(t, "ida", "group:default/ml-platform-team")
	r := asking.submitAccess(t, manyTokens)
	gate := r.gate(t)
	requireStatus(t, http.StatusForbidden, asking.Decide(t.Context(), gate.ID, "approve", "my own"))
	requireStatus(t, http.StatusForbidden, shared(t).newcomer(t, "out").Decide(t.Context(), gate.ID, "approve", ""))
	requireStatus(t, http.StatusForbidden, shared(t).role("admin").Decide(t.Context(), gate.ID, "approve", ""))

	// A token may claim a group; only the directory says who is in it.
	i, err := issuer.Open(filepath.Join(shared(t).dir, "issuer"), shared(t).endpoints.Sandbox["issuer"])
	require.NoError(t, err)
	shared(t).newcomer(t, "liar")
	token, err := i.Token(issuer.Claims{Sub: "user:default/liar", Groups: []string{"group:default/ml-platform-team"}})
	require.NoError(t, err)
	liar := client.New(shared(t).endpoints.API, token)
	requireStatus(t, http.StatusForbidden, liar.Decide(t.Context(), gate.ID, "approve", ""))

	auditor := shared(t).role("auditor")
	task, err := auditor.Task(t.Context(), r.id)
	require.NoError(t, err)
	require.Equal(t, asking.ref(), task.CreatedBy)
	_, err = auditor.Graph(t.Context(), r.id)
	require.NoError(t, err)
	requireStatus(t, http.StatusForbidden, auditor.Decide(t.Context(), gate.ID, "approve", ""))
	_, err = auditor.SubmitTask(t.Context(), "template:default/"+servicePath, json.RawMessage(`{"name":"audited","owner":"group:default/audit","description":"x"}`))
	requireStatus(t, http.StatusForbidden, err)
	require.Empty(t, shared(t).effects(t, "acme-org/audited"))

	require.Equal(t, "processing", r.states(t)["approval"])
	require.Empty(t, shared(t).effects(t, asking.login()), "nobody has approved yet")
	approver := shared(t).role("approver")
	require.NoError(t, approver.Decide(t.Context(), gate.ID, "approve", "fine"))
	requireStatus(t, http.StatusConflict, approver.Decide(t.Context(), gate.ID, "approve", "again"))
	requireStatus(t, http.StatusConflict, approver.Decide(t.Context(), gate.ID, "reject", "changed my mind"))
	r.completes(t)
}

// requireNothingCreated checks that a person has no task and that no provider has heard of them or of the words.
func requireNothingCreated(t *testing.T, p person, words ...string) {
	t.Helper()
	tasks, err := shared(t).role("admin").Tasks(t.Context(), p.ref(), 10)
	require.NoError(t, err)
	require.Empty(t, tasks)
	require.Empty(t, shared(t).effects(t, append(words, p.login())...))
}
