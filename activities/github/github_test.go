package github_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
)

const (
	repoURL = "github.com?owner=acme-org&repo=shop"
	auth    = "Bearer " + "ghs_canary-b7e1"
)

func publish(p *exercise.Providers) activities.Action { return publishAs(p, exercise.Tokens.GitHub) }

func plant(p *exercise.Providers) {
	p.Call(http.MethodPost, p.Endpoint("github")+"/orgs/acme-org/repos", auth,
		map[string]any{"name": "shop", "description": "not yours", "custom_properties": map[string]any{"gildway-run": "another/run"}}, nil)
}

func description(p *exercise.Providers) (string, bool) {
	var repo struct {
		Description string `json:"description"`
	}
	status := p.Call(http.MethodGet, p.Endpoint("github")+"/repos/acme-org/shop", auth, nil, &repo)
	return repo.Description, status == http.StatusOK
}

func subject(t *testing.T, lose func(p *exercise.Providers)) exercise.Subject {
	p := exercise.StartProviders(t)
	return exercise.Subject{
		Action: publish(p),
		Input:  map[string]any{"repoUrl": repoURL, "description": "A shop", "topics": []string{"Golden"}},
		Files:  exercise.Files(t, map[string]string{"README.md": "# shop\n"}),
		Made: func() int64 {
			return max(p.Did("github.repo.created", "acme-org/shop"), p.Did("github.push", "acme-org/shop"))
		},
		There:      func() bool { _, there := description(p); return there },
		LoseAnswer: func() { lose(p) },
		Throttle:   p.Throttle("github"),
		Secrets:    func() []string { return []string{exercise.Tokens.GitHub} },
		Twin: exercise.Twin{
			Meeting: exercise.Refuses, Plant: func() { plant(p) },
			Untouched: func() bool { d, there := description(p); return there && d == "not yours" },
		},
	}
}

func TestPublish_Exercise(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(p *exercise.Providers){
		"creation lost":   func(p *exercise.Providers) { p.Lose("github", "POST", "/orgs/acme-org/repos") },
		"push lost":       func(p *exercise.Providers) { p.Lose("github", "POST", "/acme-org/shop.git/git-receive-pack") },
		"protection lost": func(p *exercise.Providers) { p.Lose("github", "PUT", "/repos/acme-org/shop/branches/main/protection") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exercise.Exercise(t, func(t *testing.T) exercise.Subject { return subject(t, lose) })
		})
	}
}

type output struct{ RemoteURL, RepoContentsURL, CommitHash string }

func do(t *testing.T, a activities.Action, call *activities.Call, input map[string]any) (output, json.RawMessage, error) {
	t.Helper()
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	out, err := a.Do(t.Context(), call, raw)
	if err != nil {
		return output{}, nil, err
	}
	var v output
	require.NoError(t, json.Unmarshal(out, &v))
	return v, out, nil
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.org"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

func clone(t *testing.T, url string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, t.TempDir(), "clone", "--quiet", strings.Replace(url, "http://", "http://x-access-token:"+exercise.Tokens.GitHub+"@", 1), dir)
	return dir
}

func TestPublish_Workspace_ArrivesAsItIs(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	files := exercise.Files(t, map[string]string{
		"app/.gitignore": "node_modules/\n*.log\n!keep.log\n", "app/index.js": "1\n", "app/node_modules/x/index.js": "no\n",
		"app/a.log": "no\n", "app/keep.log": "yes\n", "app/lib/.gitignore": "/local\n", "app/lib/local": "no\n", "app/lib/deep/local": "yes\n",
		"app/lib-a/b": "1\n", "app/lib.b": "1\n", "other/file": "no\n",
	})
	require.NoError(t, files.WriteFile("app/run.sh", []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, files.Symlink("index.js", "app/main.js"))
	require.NoError(t, files.Mkdir("app/empty"))
	call := exercise.NewMemory().Call()
	call.Files = files
	out, _, err := do(t, publish(p), call, map[string]any{
		"repoUrl": repoURL, "sourcePath": "app", "defaultBranch": "trunk", "gitCommitMessage": "first", "topics": []string{"Golden", "nodejs"},
		"repoVisibility": "public", "gitAuthorName": "Rosa", "gitAuthorEmail": "rosa@acme.example",
	})
	require.NoError(t, err)
	require.Equal(t, p.Endpoint("github")+"/acme-org/shop.git", out.RemoteURL)
	require.Equal(t, p.Endpoint("github")+"/acme-org/shop/blob/trunk", out.RepoContentsURL)

	dir := clone(t, out.RemoteURL)
	require.Equal(t, out.CommitHash, git(t, dir, "rev-parse", "HEAD"))
	require.Equal(t, "trunk", git(t, dir, "branch", "--show-current"))
	require.Equal(t, "Rosa <rosa@acme.example> first", git(t, dir, "log", "--format=%an <%ae> %s"))
	require.Equal(t, strings.Join([]string{
		"100644 .gitignore", "100644 index.js", "100644 keep.log", "100644 lib-a/b", "100644 lib.b", "100644 lib/.gitignore",
		"100644 lib/deep/local", "120000 main.js", "100755 run.sh",
	}, "\n"), git(t, dir, "ls-files", "--format=%(objectmode) %(path)"))
	git(t, dir, "fsck", "--strict")

	var repo struct {
		Visibility string   `json:"visibility"`
		Topics     []string `json:"topics"`
	}
	p.Call(http.MethodGet, p.Endpoint("github")+"/repos/acme-org/shop", auth, nil, &repo)
	require.Equal(t, "public", repo.Visibility)
	require.Equal(t, []string{"golden", "nodejs"}, repo.Topics)
	require.EqualValues(t, 1, p.Did("github.protection.set", "acme-org/shop/trunk"))
}

func TestPublish_RefusedProtection_IsALine(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	call := m.Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	p.Fail("github", "PUT", "/repos/acme-org/shop/branches/main/protection", http.StatusForbidden)
	_, _, err := do(t, publish(p), call, map[string]any{"repoUrl": repoURL})
	require.NoError(t, err)
	require.Contains(t, strings.Join(m.Lines(), "\n"), "The default branch could not be protected")
}

func TestPublish_BadInput_CreatesNothing(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	files := exercise.Files(t, map[string]string{"a": "1", "b/.gitignore": "*\n"})
	for name, c := range map[string]struct {
		input map[string]any
		kind  fault.Kind
	}{
		"no owner":          {map[string]any{"repoUrl": "github.com?repo=shop"}, fault.Invalid},
		"owner with path":   {map[string]any{"repoUrl": "github.com?owner=../x&repo=shop"}, fault.Invalid},
		"repo with path":    {map[string]any{"repoUrl": "github.com?owner=acme-org&repo=../x"}, fault.Invalid},
		"repo of dots":      {map[string]any{"repoUrl": "github.com?owner=acme-org&repo=.."}, fault.Invalid},
		"unknown host":      {map[string]any{"repoUrl": "evil.example?owner=acme-org&repo=shop"}, fault.Invalid},
		"unknown owner":     {map[string]any{"repoUrl": "github.com?owner=nobody&repo=shop"}, fault.NotFound},
		"bad branch":        {map[string]any{"repoUrl": repoURL, "defaultBranch": "a..b"}, fault.Invalid},
		"unknown input":     {map[string]any{"repoUrl": repoURL, "visibility": "x"}, fault.Invalid},
		"old collaborator":  {map[string]any{"repoUrl": repoURL, "collaborators": []any{map[string]any{"username": "rosa", "access": "push"}}}, fault.Invalid},
		"our own property":  {map[string]any{"repoUrl": repoURL, "customProperties": map[string]any{"Gildway-Run": "x"}}, fault.Invalid},
		"name of a secret":  {map[string]any{"repoUrl": repoURL, "secrets": map[string]any{"../x": "x"}}, fault.Invalid},
		"GitHub's variable": {map[string]any{"repoUrl": repoURL, "repoVariables": map[string]any{"github_x": "x"}}, fault.Invalid},
		"unknown team":      {map[string]any{"repoUrl": repoURL, "access": "acme-org/nobody"}, fault.NotFound},
		"unknown user":      {map[string]any{"repoUrl": repoURL, "access": "nobody"}, fault.NotFound},
		"access by path":    {map[string]any{"repoUrl": repoURL, "access": "acme-org/../x"}, fault.Invalid},
		"half a count":      {map[string]any{"repoUrl": repoURL, "requiredApprovingReviewCount": 1.5}, fault.Invalid},
		"missing folder":    {map[string]any{"repoUrl": repoURL, "sourcePath": "nothing"}, fault.NotFound},
		"folder outside":    {map[string]any{"repoUrl": repoURL, "sourcePath": "../x"}, fault.Denied},
		"nothing to commit": {map[string]any{"repoUrl": repoURL, "sourcePath": "b"}, fault.Invalid},
	} {
		call := exercise.NewMemory().Call()
		call.Files = files
		_, _, err := do(t, publish(p), call, c.input)
		require.ErrorIs(t, err, c.kind, name)
	}
	require.Zero(t, p.Did("github.repo.created", ""))
}

func TestPublish_BranchWithOtherCommits_IsNeverForced(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	call := m.Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	p.Call(http.MethodPost, p.Endpoint("github")+"/orgs/acme-org/repos", auth, map[string]any{
		"name": "shop", "auto_init": true, "custom_properties": map[string]any{"gildway-run": call.Key}}, nil)
	pushed := p.Did("github.push", "acme-org/shop")
	_, _, err := do(t, publish(p), call, map[string]any{"repoUrl": repoURL})
	require.ErrorIs(t, err, fault.Conflict)
	require.Equal(t, pushed, p.Did("github.push", "acme-org/shop"))
}

func TestUndo_RepositoryWithNewWork_Stays(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	call := m.Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	input := map[string]any{"repoUrl": repoURL}
	out, raw, err := do(t, publish(p), call, input)
	require.NoError(t, err)
	dir := clone(t, out.RemoteURL)
	git(t, dir, "commit", "--quiet", "--allow-empty", "--message", "mine")
	git(t, dir, "push", "--quiet", "origin", "HEAD:feature")

	in, err := json.Marshal(input)
	require.NoError(t, err)
	require.ErrorIs(t, publish(p).Undo(t.Context(), m.Call(), in, raw, "because"), fault.Conflict)
	_, there := description(p)
	require.True(t, there)
}

func TestUndo_RepositoryReplacedByAStranger_Stays(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	call := m.Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	in := fmt.Appendf(nil, `{"repoUrl":%q}`, repoURL)
	_, raw, err := do(t, publish(p), call, map[string]any{"repoUrl": repoURL})
	require.NoError(t, err)
	require.NoError(t, publish(p).Undo(t.Context(), m.Call(), in, raw, "because"))
	plant(p)
	require.ErrorIs(t, publish(p).Undo(t.Context(), m.Call(), in, raw, "because"), fault.Conflict)
	d, there := description(p)
	require.True(t, there)
	require.Equal(t, "not yours", d)
}
