package github_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
)

const shop = "/repos/acme-org/shop"

// shopAt makes a repository with a first commit.
func shopAt(t *testing.T) *exercise.Providers {
	t.Helper()
	p := exercise.StartProviders(t)
	require.Equal(t, http.StatusCreated, p.Call(http.MethodPost, p.Endpoint("github")+"/orgs/acme-org/repos", auth, map[string]any{"name": "shop", "auto_init": true}, nil))
	return p
}

func proposal(more map[string]any) map[string]any {
	input := map[string]any{"repoUrl": repoURL, "branchName": "change", "title": "A change", "description": "because"}
	for k, v := range more {
		input[k] = v
	}
	return input
}

func proposer(t *testing.T, p *exercise.Providers) activities.Action {
	t.Helper()
	all := actions(p, exercise.Tokens.GitHub)
	at := slices.IndexFunc(all, func(a activities.Action) bool { return a.Info().ID == "publish:github:pull-request" })
	require.GreaterOrEqual(t, at, 0)
	return all[at]
}

func api(p *exercise.Providers, method, path string, body any) (answer map[string]any) {
	if p.Call(method, p.Endpoint("github")+shop+path, auth, body, &answer) >= 300 {
		return nil
	}
	return answer
}

func tip(p *exercise.Providers, branch string) string {
	ref := api(p, http.MethodGet, "/git/ref/heads/"+branch, nil)
	if ref == nil {
		return ""
	}
	return ref["object"].(map[string]any)["sha"].(string)
}

func branchAt(p *exercise.Providers, name, sha string) {
	api(p, http.MethodPost, "/git/refs", map[string]any{"ref": "refs/heads/" + name, "sha": sha})
}

// commitOn moves a branch to a commit of somebody else's.
func commitOn(t *testing.T, p *exercise.Providers, branch string) string {
	t.Helper()
	at := tip(p, branch)
	tree := api(p, http.MethodGet, "/git/commits/"+at, nil)["tree"].(map[string]any)["sha"]
	made := api(p, http.MethodPost, "/git/commits", map[string]any{"message": "mine", "tree": tree, "parents": []any{at}})["sha"].(string)
	require.NotNil(t, api(p, http.MethodPatch, "/git/refs/heads/"+branch, map[string]any{"sha": made}))
	return made
}

func TestPullRequest_Exercise(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"branch lost": shop + "/git/refs", "pull request lost": shop + "/pulls"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exercise.Exercise(t, func(t *testing.T) exercise.Subject {
				p := shopAt(t)
				pushed := p.Did("github.push", "")
				return exercise.Subject{
					Action: proposer(t, p), Files: exercise.Files(t, map[string]string{"a": "1"}),
					Input: proposal(map[string]any{"token": exercise.Tokens.GitHubPerson, "reviewers": []any{"jonas"}, "assignees": []any{"rosa"}}),
					Made: func() int64 {
						if tip(p, "change") == "" { // its deletion is a push, too
							return p.Did("github.pull.created", "acme-org/shop/change")
						}
						return max(p.Did("github.pull.created", "acme-org/shop/change"), p.Did("github.push", "")-pushed)
					},
					There:      func() bool { return tip(p, "change") != "" || open(p) > 0 },
					LoseAnswer: func() { p.Lose("github", "POST", at) },
					Throttle:   p.Throttle("github"),
					Secrets:    func() []string { return []string{exercise.Tokens.GitHub, exercise.Tokens.GitHubPerson} },
					Twin: exercise.Twin{
						Meeting: exercise.Refuses, Plant: func() { branchAt(p, "change", tip(p, "main")) },
						Untouched: func() bool { return tip(p, "change") == tip(p, "main") && open(p) == 0 },
					},
				}
			})
		})
	}
}

func open(p *exercise.Providers) int {
	var list []any
	p.Call(http.MethodGet, p.Endpoint("github")+shop+"/pulls", auth, nil, &list)
	return len(list)
}

type pulled struct {
	TargetBranchName, RemoteURL string
	PullRequestNumber           int
}

// run proposes, and gives the way to undo it.
func run(t *testing.T, p *exercise.Providers, files activities.Files, input map[string]any) (out pulled, m *exercise.Memory, undo func() error, err error) {
	t.Helper()
	m = exercise.NewMemory()
	call := m.Call()
	call.Files = files
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	answer, err := proposer(t, p).Do(t.Context(), call, raw)
	if err == nil {
		require.NoError(t, json.Unmarshal(answer, &out))
	}
	return out, m, func() error { return proposer(t, p).Undo(t.Context(), m.Call(), raw, answer, "because") }, err
}

func TestPullRequest_Workspace_IsProposedOnTopOfTheRepository(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	files := exercise.Files(t, map[string]string{"app/.gitignore": "*.log\n", "app/a.log": "no", "app/main.go": "package main\n", "app/pixel": "\xff\xfe\x00"})
	require.NoError(t, files.WriteFile("app/run.sh", []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, files.Symlink("main.go", "app/link"))
	out, _, _, err := run(t, p, files, proposal(map[string]any{
		"sourcePath": "app", "targetPath": "svc", "commitMessage": "feat: it", "gitAuthorName": "Rosa", "gitAuthorEmail": "rosa@acme.example",
		"draft": true, "reviewers": []any{"jonas"}, "teamReviewers": []any{"audit"}, "assignees": []any{"rosa"}, "filesToDelete": []any{"../README.md", "nothing"},
	}))
	require.NoError(t, err)
	require.Equal(t, pulled{"main", p.Endpoint("github") + "/acme-org/shop/pull/1", 1}, out)
	pull := api(p, http.MethodGet, "/pulls/1", nil)
	require.Equal(t, "A change", pull["title"])
	require.Equal(t, "because", pull["body"])
	require.Equal(t, true, pull["draft"])
	require.Len(t, pull["requested_reviewers"], 1)
	require.Len(t, pull["requested_teams"], 1)
	require.Len(t, pull["assignees"], 1)

	dir := clone(t, p.Endpoint("github")+"/acme-org/shop.git")
	require.Equal(t, "Rosa <rosa@acme.example> feat: it", git(t, dir, "log", "-1", "--format=%an <%ae> %s", "origin/change"))
	require.Equal(t, git(t, dir, "rev-parse", "origin/main"), git(t, dir, "rev-parse", "origin/change^"))
	require.Equal(t, strings.Join([]string{
		"100644 svc/.gitignore", "120000 svc/link", "100644 svc/main.go", "100644 svc/pixel", "100755 svc/run.sh",
	}, "\n"), git(t, dir, "ls-tree", "-r", "--format=%(objectmode) %(path)", "origin/change"), "README.md is deleted")
	require.Equal(t, "\xff\xfe\x00", git(t, dir, "show", "origin/change:svc/pixel"))
}

func TestPullRequest_NothingToChange(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	same := exercise.Files(t, map[string]string{"README.md": "# shop\n"})
	out, m, undo, err := run(t, p, same, proposal(map[string]any{"createWhenEmpty": false}))
	require.NoError(t, err)
	require.Zero(t, out.PullRequestNumber)
	require.Contains(t, m.Lines(), "No changes to commit, pull request was not created")
	require.NoError(t, undo())
	require.Empty(t, tip(p, "change"))
	out, _, _, err = run(t, p, same, proposal(nil))
	require.NoError(t, err)
	require.Equal(t, 1, out.PullRequestNumber)
}

func TestPullRequest_Update_ChangesWhatIsThereAndPutsItBack(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	_, _, _, err := run(t, p, exercise.Files(t, map[string]string{"a": "1"}), proposal(nil))
	require.NoError(t, err)
	before := tip(p, "change")
	again := proposal(map[string]any{"title": "Another"})
	_, _, undo, err := run(t, p, exercise.Files(t, map[string]string{"a": "2"}), again)
	require.ErrorIs(t, err, fault.Conflict)
	require.NoError(t, undo())

	again["update"] = true
	out, _, undo, err := run(t, p, exercise.Files(t, map[string]string{"a": "2"}), again)
	require.NoError(t, err)
	require.Equal(t, 1, out.PullRequestNumber)
	require.NotEqual(t, before, tip(p, "change"))
	require.Equal(t, "Another", api(p, http.MethodGet, "/pulls/1", nil)["title"])
	for range 2 {
		require.NoError(t, undo())
		require.Equal(t, before, tip(p, "change"))
		require.Equal(t, "A change", api(p, http.MethodGet, "/pulls/1", nil)["title"])
	}
	require.EqualValues(t, 1, p.Did("github.pull.created", ""))
}

func TestPullRequest_Undo_LeavesWhatOthersHaveWorkedOn(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	_, m, undo, err := run(t, p, exercise.Files(t, map[string]string{"a": "1"}), proposal(nil))
	require.NoError(t, err)
	theirs := commitOn(t, p, "change")
	require.ErrorIs(t, undo(), fault.Conflict)
	require.Equal(t, theirs, tip(p, "change"))
	require.Equal(t, 1, open(p))
	forced := m.Call()
	forced.Force = true
	in, err := json.Marshal(proposal(nil))
	require.NoError(t, err)
	require.NoError(t, proposer(t, p).Undo(t.Context(), forced, in, nil, "because"))
	require.Empty(t, tip(p, "change"))
	require.Zero(t, open(p))

	_, _, undo, err = run(t, p, exercise.Files(t, map[string]string{"a": "1"}), proposal(nil))
	require.NoError(t, err)
	require.NotNil(t, api(p, http.MethodPut, "/pulls/2/merge", nil))
	require.ErrorIs(t, undo(), fault.Conflict)
}

func TestPullRequest_UnknownReviewers_AreAWarning(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	_, m, _, err := run(t, p, exercise.Files(t, map[string]string{"a": "1"}), proposal(map[string]any{"reviewers": []any{"nobody"}}))
	require.NoError(t, err)
	require.Contains(t, strings.Join(m.Lines(), "\n"), "Failure when adding reviewers to pull request 1: ")
}

func TestPullRequest_BadInput_MakesNothing(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	p.Call(http.MethodPost, p.Endpoint("github")+"/orgs/acme-org/repos", auth, map[string]any{"name": "empty"}, nil)
	for name, c := range map[string]struct {
		more map[string]any
		kind fault.Kind
	}{
		"bad branch":        {map[string]any{"branchName": "a..b"}, fault.Invalid},
		"the target itself": {map[string]any{"branchName": "main"}, fault.Invalid},
		"a fork":            {map[string]any{"forceFork": true}, fault.Invalid},
		"unknown target":    {map[string]any{"targetBranchName": "nope"}, fault.NotFound},
		"unknown repo":      {map[string]any{"repoUrl": "github.com?owner=acme-org&repo=nope"}, fault.NotFound},
		"empty repo":        {map[string]any{"repoUrl": "github.com?owner=acme-org&repo=empty"}, fault.Conflict},
		"out of the repo":   {map[string]any{"targetPath": "../x"}, fault.Denied},
		"out of the space":  {map[string]any{"sourcePath": "../x"}, fault.Denied},
		"delete outside":    {map[string]any{"filesToDelete": []any{"../x"}}, fault.Denied},
		"unknown input":     {map[string]any{"labels": []any{"x"}}, fault.Invalid},
	} {
		_, _, undo, err := run(t, p, exercise.Files(t, map[string]string{"a": "1"}), proposal(c.more))
		require.ErrorIs(t, err, c.kind, name)
		require.NoError(t, undo(), name)
	}
	require.Zero(t, p.Did("github.pull.created", ""))
}

func TestPullRequest_OtherFilesInALaterAttempt_AreAConflict(t *testing.T) {
	t.Parallel()
	p := shopAt(t)
	m := exercise.NewMemory()
	for i, kind := range []error{nil, nil, fault.Conflict} {
		call := m.Call()
		call.Files = exercise.Files(t, map[string]string{"a": fmt.Sprint(i / 2)})
		in, err := json.Marshal(proposal(nil))
		require.NoError(t, err)
		_, err = proposer(t, p).Do(t.Context(), call, in)
		if kind == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, kind)
		}
	}
}
