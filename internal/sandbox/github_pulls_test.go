package sandbox_test

import (
	"net/http"
	"testing"

	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/require"
)

func TestGitHub_PullRequest_AsGoGitHubMakesIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()
	b.published("shop", "private", map[string]string{"a": "1", "b": "1"})
	main, _, err := gh.Git.GetRef(ctx, "acme-org", "shop", "heads/main")
	require.NoError(t, err)
	parent, _, err := gh.Git.GetCommit(ctx, "acme-org", "shop", main.GetObject().GetSHA())
	require.NoError(t, err)
	entry := func(path string, content *string) *github.TreeEntry {
		return &github.TreeEntry{Path: &path, Mode: github.Ptr("100644"), Type: github.Ptr("blob"), Content: content}
	}
	for _, bad := range []string{"../x", "/x", "a//b", "x\ny"} {
		_, resp, err := gh.Git.CreateTree(ctx, "acme-org", "shop", parent.GetTree().GetSHA(), []*github.TreeEntry{entry(bad, github.Ptr("x"))})
		require.Error(t, err, bad)
		require.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, bad)
	}
	tree, _, err := gh.Git.CreateTree(ctx, "acme-org", "shop", parent.GetTree().GetSHA(), []*github.TreeEntry{entry("a", github.Ptr("2")), entry("b", nil)})
	require.NoError(t, err)
	commit, _, err := gh.Git.CreateCommit(ctx, "acme-org", "shop", github.Commit{Message: github.Ptr("m"), Tree: tree, Parents: []*github.Commit{parent}}, nil)
	require.NoError(t, err)
	pull := &github.NewPullRequest{Title: github.Ptr("T"), Head: github.Ptr("change"), Base: github.Ptr("main")}
	_, _, err = gh.PullRequests.Create(ctx, "acme-org", "shop", pull)
	require.Error(t, err, "there is no such branch yet")

	ref := github.CreateRef{Ref: "refs/heads/change", SHA: commit.GetSHA()}
	_, _, err = gh.Git.CreateRef(ctx, "acme-org", "shop", ref)
	require.NoError(t, err)
	_, resp, err := gh.Git.CreateRef(ctx, "acme-org", "shop", ref)
	require.Error(t, err)
	require.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
	_, _, err = gh.Git.UpdateRef(ctx, "acme-org", "shop", "heads/change", github.UpdateRef{SHA: parent.GetSHA()})
	require.Error(t, err, "not a fast forward")

	made, _, err := gh.PullRequests.Create(ctx, "acme-org", "shop", pull)
	require.NoError(t, err)
	require.Equal(t, commit.GetSHA(), made.GetHead().GetSHA())
	_, _, err = gh.PullRequests.Create(ctx, "acme-org", "shop", pull)
	require.Error(t, err, "it is there")
	require.EqualValues(t, 1, b.did("github.pull.created", "acme-org/shop/change"))

	_, err = gh.Git.DeleteRef(ctx, "acme-org", "shop", "heads/change")
	require.NoError(t, err)
	closed, _, err := gh.PullRequests.Get(ctx, "acme-org", "shop", made.GetNumber())
	require.NoError(t, err)
	require.Equal(t, "closed", closed.GetState())
	require.Equal(t, commit.GetSHA(), closed.GetHead().GetSHA())
}
