//go:build linux

package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

// registered is a template that a team keeps in a repository of its own.
const registered = `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: kept-version, namespace: tools, title: Kept Version}
spec:
  owner: group:default/platform-team
  type: service
  parameters: {title: Name, required: [name], properties: {name: {type: string}}}
  steps:
    - {id: wait, name: Wait, action: "approval:request", input: {approvers: ["group:default/ml-platform-team"], reason: Just wait}}
    - {id: fetch, name: Fetch, action: "fetch:template", input: {url: ./skeleton, values: {name: "${{ parameters.name }}"}}}
    - {id: beside, name: Fetch what is shared, action: "fetch:plain", input: {url: ../shared, targetPath: shared}}
    - {id: show, name: Show, action: "debug:log", input: {listWorkspace: with-contents}}
`

func TestTemplates_RegisteredInTheCatalog_RunUnderWayKeepsItsVersion(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.post(t, s.endpoints.Sandbox["github"]+"/orgs/acme-org/repos", "github", map[string]any{"name": "team-templates", "visibility": "public"})
	work := t.TempDir()
	push := func(files map[string]string) {
		for name, content := range files {
			name = filepath.Join(work, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		}
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "change"}, {"push", "-q", "origin", "main"}} {
			git(t, work, args...)
		}
	}
	git(t, work, "init", "-q", "-b", "main")
	remote, err := url.Parse(s.endpoints.Sandbox["github"] + "/acme-org/team-templates.git")
	require.NoError(t, err)
	remote.User = url.UserPassword("x-access-token", s.endpoints.Providers["github"])
	git(t, work, "remote", "add", "origin", remote.String())
	push(map[string]string{"kept/template.yaml": registered, "kept/skeleton/README.md": "first for ${{ values.name }}", "shared/LICENSE": "first licence"})
	s.post(t, s.endpoints.Sandbox["catalog"]+"/locations", "catalog", map[string]any{
		"type": "url", "target": "https://github.com/acme-org/team-templates/blob/main/kept/template.yaml",
	})

	admin, p := s.role("admin"), s.newcomer(t, "tim")
	refused := p.types(t, "template", "refresh")
	require.Equal(t, 3, refused.code)
	require.Contains(t, refused.err, "do this: manage-templates")
	said := admin.types(t, "template", "refresh")
	require.Zero(t, said.code, said.err)
	require.Regexp(t, `(?m)^golden +3 `, said.out)
	require.Regexp(t, `(?m)^catalog +[1-9]`, said.out) // other tests register some, too
	code, form := p.ask(t, http.MethodGet, "/api/scaffolder/v2/templates/tools/template/kept-version/parameter-schema", "")
	require.Equal(t, http.StatusOK, code, string(form))

	submit := func() run {
		id, err := p.SubmitTask(t.Context(), "template:tools/kept-version", json.RawMessage(`{"name":"shop"}`))
		require.NoError(t, err)
		return run{p, id}
	}
	before := submit()
	before.gate(t)
	push(map[string]string{"kept/skeleton/README.md": "second for ${{ values.name }}", "shared/LICENSE": "second licence"})
	require.Zero(t, admin.types(t, "template", "refresh").code)
	after := submit()
	for r, want := range map[run]string{before: "first", after: "second"} {
		r.approve(t)
		shown := saidOf(r.completes(t), "show")
		require.Contains(t, shown, want+" for shop")
		require.Contains(t, shown, want+" licence")
	}

	// A change that doesn't lint is kept out, and its problems are shown.
	push(map[string]string{"kept/template.yaml": strings.NewReplacer("v1beta3", "v3", "debug:log", "debug:lgo").Replace(registered)})
	require.Zero(t, admin.types(t, "template", "refresh").code)
	listed := p.types(t, "template", "list")
	require.Zero(t, listed.code, listed.err)
	require.Regexp(t, `(?m)^template:tools/kept-version +Kept Version +group:default/platform-team +outdated +[0-9a-f]{12} +1 refusal +catalog$`, listed.out)
	shown := admin.types(t, "template", "show", "tools/kept-version")
	require.Zero(t, shown.code, shown.err)
	require.Contains(t, shown.out, `kept/template.yaml:12:38: there is no action "debug:lgo" (unknown-action); try: debug:log`)
	require.Len(t, strings.Split(strings.TrimSpace(shown.out), "\n"), 8, shown.out)
}

// The frontend lists what the catalog has, of one version only.
func TestTemplates_GoldenPaths_AreListedByTheCatalog(t *testing.T) {
	t.Parallel()
	s := shared(t)
	var list struct {
		Items []struct {
			APIVersion string
			Metadata   struct{ Name, Namespace string }
			Relations  []struct{ Type, TargetRef string }
		}
	}
	getJSON(t, s.endpoints.Sandbox["catalog"]+"/entities/by-query?filter=kind=template", "Bearer "+s.endpoints.Tokens["requester"], &list)
	found := map[string]bool{}
	for _, e := range list.Items {
		name := e.Metadata.Namespace + "/" + e.Metadata.Name
		if found[name] = true; !slices.Contains([]string{"default/" + servicePath, "default/" + accessPath, "default/" + pipelinePath}, name) {
			continue // those that tests register come and go
		}
		require.Equal(t, "scaffolder.backstage.io/v1beta3", e.APIVersion)
		require.Equal(t, "ownedBy", e.Relations[0].Type)
		code, form := s.role("requester").ask(t, http.MethodGet, "/api/scaffolder/v2/templates/"+e.Metadata.Namespace+"/template/"+e.Metadata.Name+"/parameter-schema", "")
		require.Equal(t, http.StatusOK, code, string(form))
	}
	for _, name := range []string{servicePath, accessPath, pipelinePath} {
		require.True(t, found["default/"+name], name)
	}
}

// saidOf is everything that the log says of a step.
func saidOf(events []client.Event, step string) string {
	var all strings.Builder
	for _, e := range events {
		if e.Body.StepID == step {
			all.WriteString(e.Body.Message + "\n")
		}
	}
	return all.String()
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Rosa", "GIT_AUTHOR_EMAIL=r@acme.example",
		"GIT_COMMITTER_NAME=Rosa", "GIT_COMMITTER_EMAIL=r@acme.example")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// post makes something at a provider, with its own credential.
func (s *localStack) post(t *testing.T, address, provider string, body any) {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(raw))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.endpoints.Providers[provider])
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}

// registerTemplate pushes a template to a repository of its own and registers it in the catalog, as its owner would.
func (s *localStack) registerTemplate(t *testing.T, name, source string) {
	t.Helper()
	github := s.endpoints.Sandbox["github"]
	s.post(t, github+"/orgs/acme-org/repos", "github", map[string]any{"name": name, "visibility": "public"})
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "template.yaml"), []byte(source), 0o644))
	git(t, folder, "init", "-q", "-b", "main")
	remote, err := url.Parse(github + "/acme-org/" + name + ".git")
	require.NoError(t, err)
	remote.User = url.UserPassword("x-access-token", s.endpoints.Providers["github"])
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "A template"}, {"push", "-q", remote.String(), "main"}} {
		git(t, folder, args...)
	}
	s.post(t, s.endpoints.Sandbox["catalog"]+"/locations", "catalog", map[string]any{
		"type": "url", "target": "https://github.com/acme-org/" + name + "/blob/main/template.yaml",
	})
	refreshed := s.role("admin").types(t, "template", "refresh")
	require.Zero(t, refreshed.code, refreshed.err)
}
