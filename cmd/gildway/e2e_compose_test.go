//go:build linux

package main_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

// composed are a template with a gate and a grant, and one that runs it.
var composed = map[string]string{
	"grant": `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: compose-grant, title: Grant a group}
spec:
  owner: group:default/platform-team
  type: access
  parameters: {title: Group, required: [group], properties: {group: {type: string}}}
  steps:
    - {id: ok, name: Approve, action: "approval:request", input: {approvers: ["group:default/ml-platform-team"], reason: Access}}
    - {id: join, name: Join, action: "okta:group:add-member", input: {group: "${{ parameters.group }}"}}
  output: {joined: "${{ parameters.group }}"}
`,
	"parent": `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: compose-parent, title: Runs another one}
spec:
  owner: group:default/platform-team
  type: access
  parameters: {title: Way, properties: {fail: {type: boolean}}}
  steps:
    - {id: grant, name: Grant, action: "template:run", input: {template: compose-grant, values: {group: llm-gateway-users}}}
    - {id: say, name: Say, action: "debug:log", input: {message: "joined ${{ steps.grant.output.output.joined }}"}}
    - {id: lookup, name: Look it up, needs: [grant], if: "${{ parameters.fail }}", action: "catalog:fetch", input: {entityRef: "component:default/nobody-has-this"}}
`,
}

// register makes templates known as a team does: in a repository, which the catalog names.
func (s *localStack) register(t *testing.T, repository string, files map[string]string) {
	t.Helper()
	s.post(t, s.endpoints.Sandbox["github"]+"/orgs/acme-org/repos", "github", map[string]any{"name": repository, "visibility": "public"})
	work := t.TempDir()
	remote, err := url.Parse(s.endpoints.Sandbox["github"] + "/acme-org/" + repository + ".git")
	require.NoError(t, err)
	remote.User = url.UserPassword("x-access-token", s.endpoints.Providers["github"])
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(work, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(work, name, "template.yaml"), []byte(content), 0o644))
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"remote", "add", "origin", remote.String()}, {"add", "-A"}, {"commit", "-q", "-m", "templates"}, {"push", "-q", "origin", "main"},
	} {
		git(t, work, args...)
	}
	for name := range files {
		s.post(t, s.endpoints.Sandbox["catalog"]+"/locations", "catalog", map[string]any{
			"type": "url", "target": "https://github.com/acme-org/" + repository + "/blob/main/" + name + "/template.yaml",
		})
	}
	said := s.role("admin").types(t, "template", "refresh")
	require.Zero(t, said.code, said.err)
}

// child is the only task that the steps of a run have run, once it is there.
func (r run) child(t *testing.T) run {
	t.Helper()
	var children []client.ChildLine
	eventually(t, "a child of "+r.id, func() bool {
		task, err := r.by.Details(t.Context(), r.id)
		children = task.Value.Children
		return err == nil && len(children) == 1
	})
	return run{r.by, children[0].ID}
}

func TestCompose_ChildWithAGate_ApprovedByOthers_OverACrash(t *testing.T) {
	s := shared(t)
	s.register(t, "compose-templates", composed)
	p := s.newcomer(t, "carla")

	r := p.submit(t, "compose-parent", map[string]any{})
	child := r.child(t)
	gate := child.gate(t)
	require.Equal(t, "processing", r.states(t)["grant"])
	said := p.types(t, "approval", "approve", gate.ID)
	require.Equal(t, 3, said.code, "the requester of the parent is the requester of the child")
	status, _ := p.ask(t, http.MethodPost, "/api/gildway/v1/approvals/"+gate.ID+"/decision", `{"decision":"approve"}`)
	require.Equal(t, http.StatusForbidden, status)
	s.kill(t, "worker")
	child.approve(t)
	events := r.completes(t)
	child.completes(t)
	require.Contains(t, saidOf(events, "say"), "joined llm-gateway-users")
	require.Contains(t, saidOf(events, "grant"), child.id)
	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	require.EqualValues(t, 1, s.effects(t, p.login())["okta.membership.added llm-gateway-users/"+p.login()])
	shown := p.types(t, "task", "show", r.id)
	require.Contains(t, shown.out, "step grant runs template:default/compose-grant: "+child.id+", completed")
	shown = p.types(t, "task", "show", child.id)
	require.Contains(t, shown.out, "for step grant of "+r.id)

	// What the child did is taken back with its parent.
	require.Zero(t, p.types(t, "task", "rollback", r.id, "--wait").code)
	require.NotContains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
}

func TestCompose_ParentFailsOrIsCancelled_NothingIsLeft(t *testing.T) {
	s := shared(t)
	s.register(t, "compose-failing", map[string]string{
		"grant":  strings.ReplaceAll(composed["grant"], "compose-", "failing-"),
		"parent": strings.ReplaceAll(composed["parent"], "compose-", "failing-"),
	})
	p := s.newcomer(t, "cora")

	r := p.submit(t, "failing-parent", map[string]any{"fail": true})
	child := r.child(t)
	child.approve(t)
	events := r.follow(t)
	require.NotNil(t, events[len(events)-1].Body.Error)
	child.completes(t)
	counts := s.effects(t, p.login())
	require.EqualValues(t, 1, counts["okta.membership.added llm-gateway-users/"+p.login()])
	require.EqualValues(t, 1, counts["okta.membership.removed llm-gateway-users/"+p.login()])
	for _, id := range []string{child.id, r.id} {
		_, left := p.ask(t, http.MethodGet, "/api/gildway/v1/tasks/"+id+"/effects", "")
		require.JSONEq(t, `{"items":[]}`, string(left))
	}

	r = p.submit(t, "failing-parent", map[string]any{})
	child = r.child(t)
	child.gate(t)
	require.Zero(t, p.types(t, "task", "cancel", r.id, "--reason", "not needed").code)
	r.follow(t)
	child.follow(t)
	for _, id := range []string{r.id, child.id} {
		task, err := p.Details(t.Context(), id)
		require.NoError(t, err)
		require.NotEqual(t, "completed", task.Value.Phase)
	}
	require.EqualValues(t, 1, s.effects(t, p.login())["okta.membership.added llm-gateway-users/"+p.login()])
}
