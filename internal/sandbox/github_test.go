package sandbox_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/require"
)

func TestGitHub_RepositoryLife_AsGoGitHubSeesIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()

	org, _, err := gh.Users.Get(ctx, "acme-org")
	require.NoError(t, err)
	require.Equal(t, "Organization", org.GetType())
	_, resp, err := gh.Organizations.Get(ctx, "nobody")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)

	asked := &github.Repository{
		Name: github.Ptr("shop"), Visibility: github.Ptr("private"), Description: github.Ptr("A shop"), AllowAutoMerge: github.Ptr(true),
		CustomProperties: map[string]any{"gildway-key": "task/step/0"},
	}
	made, resp, err := gh.Repositories.Create(ctx, "acme-org", asked)
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	require.Equal(t, b.url+"/github/acme-org/shop", made.GetHTMLURL())
	require.Equal(t, b.url+"/github/acme-org/shop.git", made.GetCloneURL())
	require.Equal(t, "main", made.GetDefaultBranch())
	require.True(t, made.GetPrivate())
	require.True(t, made.GetAllowAutoMerge())
	require.Equal(t, "task/step/0", made.CustomProperties["gildway-key"])
	require.NotEmpty(t, resp.Header.Get("X-GitHub-Request-Id"))
	require.Positive(t, resp.Rate.Limit)

	_, resp, err = gh.Repositories.Create(ctx, "acme-org", asked)
	var refused *github.ErrorResponse
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 422, resp.StatusCode)
	require.Equal(t, "name already exists on this account", refused.Errors[0].Message)

	values, _, err := gh.Repositories.GetAllCustomPropertyValues(ctx, "acme-org", "shop")
	require.NoError(t, err)
	require.Equal(t, "gildway-key", values[0].PropertyName)

	for range 2 {
		_, _, err = gh.Repositories.ReplaceAllTopics(ctx, "acme-org", "shop", []string{"node", "golden-path"})
		require.NoError(t, err)
		_, err = gh.Teams.AddTeamRepoBySlug(ctx, "acme-org", "payments-team", "acme-org", "shop", &github.TeamAddTeamRepoOptions{Permission: "admin"})
		require.NoError(t, err)
		_, _, err = gh.Repositories.AddCollaborator(ctx, "acme-org", "shop", "rosa", nil)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, b.did("github.topics.set", "acme-org/shop"))
	require.EqualValues(t, 1, b.did("github.team.granted", "acme-org/shop/payments-team"))
	require.EqualValues(t, 1, b.did("github.collaborator.granted", "acme-org/shop/rosa"))

	_, err = gh.Actions.CreateRepoVariable(ctx, "acme-org", "shop", &github.ActionsVariable{Name: "REGION", Value: "eu"})
	require.NoError(t, err)
	key, _, err := gh.Actions.GetRepoPublicKey(ctx, "acme-org", "shop")
	require.NoError(t, err)
	require.Len(t, key.GetKey(), 44)

	edited, _, err := gh.Repositories.Edit(ctx, "acme-org", "shop", &github.Repository{Description: github.Ptr("The shop")})
	require.NoError(t, err)
	require.Equal(t, "The shop", edited.GetDescription())

	_, err = gh.Repositories.Delete(ctx, "acme-org", "shop")
	require.NoError(t, err)
	_, resp, err = gh.Repositories.Get(ctx, "acme-org", "shop")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	b.repo("shop", "public") // the name is free again
	require.EqualValues(t, 2, b.did("github.repo.created", "acme-org/shop"))
	require.EqualValues(t, 1, b.did("github.repo.deleted", "acme-org/shop"))
}

func TestGitHub_BadInput_IsRefusedAsGitHubDoes(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, name := range []string{"", "..", "a/b", "../../x", "x.git", "a b"} {
		a := b.call("POST", "/github/orgs/acme-org/repos", "Bearer "+tokens.GitHub, map[string]any{"name": name})
		require.Equal(t, 422, a.status, name)
		require.Contains(t, a.json(t), "documentation_url")
	}
	require.Equal(t, 404, b.call("POST", "/github/orgs/nobody/repos", "token "+tokens.GitHub, map[string]any{"name": "x"}).status)
	bad := b.call("GET", "/github/api/v3/users/acme-org", "Bearer wrong", nil)
	require.Equal(t, 401, bad.status)
	require.Equal(t, "Bad credentials", bad.json(t)["message"])
	require.Equal(t, 401, b.call("POST", "/github/orgs/acme-org/repos", "", map[string]any{"name": "x"}).status)
	b.repo("hidden", "private")
	require.Equal(t, 404, b.call("GET", "/github/repos/acme-org/hidden", "", nil).status)
	require.Equal(t, 409, b.call("GET", "/github/repos/acme-org/hidden/git/ref/heads/main", "Bearer "+tokens.GitHub, nil).status)
	require.EqualValues(t, 1, b.did("github.repo.created", ""))
}

func TestGitHub_PushedWithGit_ShowsInContentsBranchesAndArchive(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()
	files := map[string]string{"README.md": "# hello\n", "src/index.js": "module.exports = 1\n"}
	r := b.published("lib", "private", files)
	require.EqualValues(t, 1, b.did("github.push", "acme-org/lib"))

	clone := filepath.Join(t.TempDir(), "clone")
	b.mustGit(b.dir, "clone", "--quiet", signedIn(r.GetCloneURL()), clone)
	text, err := os.ReadFile(filepath.Join(clone, "src/index.js"))
	require.NoError(t, err)
	require.Equal(t, files["src/index.js"], string(text))
	b.mustGit(clone, "push", "--quiet") // up to date: no effect
	require.EqualValues(t, 1, b.did("github.push", "acme-org/lib"))

	file, _, _, err := gh.Repositories.GetContents(ctx, "acme-org", "lib", "src/index.js", nil)
	require.NoError(t, err)
	content, err := file.GetContent()
	require.NoError(t, err)
	require.Equal(t, files["src/index.js"], content)
	_, dir, _, err := gh.Repositories.GetContents(ctx, "acme-org", "lib", "", nil)
	require.NoError(t, err)
	require.Len(t, dir, 2)
	outside := b.call("GET", "/github/repos/acme-org/lib/contents/..%2f..%2fetc%2fpasswd", "Bearer "+tokens.GitHub, nil)
	require.Equal(t, 404, outside.status)

	head := b.mustGit(clone, "rev-parse", "HEAD")
	branch, _, err := gh.Repositories.GetBranch(ctx, "acme-org", "lib", "main", 1)
	require.NoError(t, err)
	require.Equal(t, head, branch.GetCommit().GetSHA())
	ref, _, err := gh.Git.GetRef(ctx, "acme-org", "lib", "heads/main")
	require.NoError(t, err)
	require.Equal(t, head, ref.GetObject().GetSHA())
	commit, _, err := gh.Repositories.GetCommit(ctx, "acme-org", "lib", "main", nil)
	require.NoError(t, err)
	require.Equal(t, "initial commit", commit.GetCommit().GetMessage())
	tree, _, err := gh.Git.GetTree(ctx, "acme-org", "lib", head, true)
	require.NoError(t, err)
	require.Len(t, tree.Entries, 3)
	link, _, err := gh.Repositories.GetArchiveLink(ctx, "acme-org", "lib", github.Tarball, &github.RepositoryContentGetOptions{Ref: head}, 1)
	require.NoError(t, err)
	packed := b.call("GET", strings.TrimPrefix(link.String(), b.url), "Bearer "+tokens.GitHub, nil)
	require.Equal(t, 200, packed.status)
	require.Equal(t, []byte{0x1f, 0x8b}, packed.raw[:2])

	raw := b.call("GET", "/github/acme-org/lib/raw/main/README.md", "Bearer "+tokens.GitHub, nil)
	require.Equal(t, "# hello\n", string(raw.raw))
	page := b.call("GET", "/github/acme-org/lib/blob/main/README.md", "Bearer "+tokens.GitHub, nil)
	require.Contains(t, string(page.raw), "<pre># hello")
	require.Equal(t, 401, b.call("GET", "/github/acme-org/lib/raw/main/README.md", "", nil).status)
}

func TestGitHub_Clone_NeedsATokenOnlyIfPrivate(t *testing.T) {
	t.Parallel()
	b := start(t)
	open := b.published("open", "public", map[string]string{"a": "1"})
	closed := b.published("closed", "private", map[string]string{"a": "1"})
	b.mustGit(b.dir, "clone", "--quiet", open.GetCloneURL(), filepath.Join(t.TempDir(), "x"))
	_, err := b.git(b.dir, "clone", "--quiet", closed.GetCloneURL(), filepath.Join(t.TempDir(), "x"))
	require.Error(t, err)
	_, err = b.git(b.work(map[string]string{"b": "2"}), "push", "--quiet", open.GetCloneURL(), "main:other")
	require.Error(t, err)
	require.EqualValues(t, 2, b.did("github.push", ""))
}

func TestGitHub_ProtectedBranch_TakesNoPush(t *testing.T) {
	t.Parallel()
	b := start(t)
	r := b.published("guarded", "private", map[string]string{"a": "1"})
	gh, ctx := b.github(), t.Context()
	rule := &github.ProtectionRequest{EnforceAdmins: true, RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{RequiredApprovingReviewCount: 1}}
	for range 2 {
		p, _, err := gh.Repositories.UpdateBranchProtection(ctx, "acme-org", "guarded", "main", rule)
		require.NoError(t, err)
		require.True(t, p.GetEnforceAdmins().Enabled)
	}
	require.EqualValues(t, 1, b.did("github.protection.set", "acme-org/guarded/main"))
	_, resp, err := gh.Repositories.UpdateBranchProtection(ctx, "acme-org", "guarded", "none", rule)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)

	clone := filepath.Join(t.TempDir(), "clone")
	b.mustGit(b.dir, "clone", "--quiet", signedIn(r.GetCloneURL()), clone)
	b.mustGit(clone, "commit", "--quiet", "--allow-empty", "--message", "more")
	out, err := b.git(clone, "push")
	require.Error(t, err)
	require.Contains(t, out, "GH006")
	b.mustGit(clone, "push", "--quiet", "origin", "main:feature")
	_, err = gh.Repositories.RemoveBranchProtection(ctx, "acme-org", "guarded", "main")
	require.NoError(t, err)
	b.mustGit(clone, "push", "--quiet")
	require.EqualValues(t, 3, b.did("github.push", "acme-org/guarded"))
}

func TestGitHub_GoGit_PushesAndPushesAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	r := b.repo("from-go", "private")
	dir := t.TempDir()
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}})
	require.NoError(t, err)
	big := strings.Repeat("0123456789abcdef\n", 1<<16)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big.txt"), []byte(big), 0o644))
	tree, err := repo.Worktree()
	require.NoError(t, err)
	require.NoError(t, tree.AddGlob("."))
	who := &object.Signature{Name: "S", Email: "s@example.org", When: time.Unix(1700000000, 0)}
	hash, err := tree.Commit("initial commit", &git.CommitOptions{Author: who, Committer: who})
	require.NoError(t, err)
	_, err = repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{r.GetCloneURL()}})
	require.NoError(t, err)
	options := &git.PushOptions{RefSpecs: []config.RefSpec{"refs/heads/main:refs/heads/main"}, Auth: &githttp.BasicAuth{Username: "x-access-token", Password: tokens.GitHub}}
	require.NoError(t, repo.PushContext(t.Context(), options))
	require.ErrorIs(t, repo.PushContext(t.Context(), options), git.NoErrAlreadyUpToDate)
	require.EqualValues(t, 1, b.did("github.push", "acme-org/from-go"))
	branch, _, err := b.github().Repositories.GetBranch(t.Context(), "acme-org", "from-go", "main", 1)
	require.NoError(t, err)
	require.Equal(t, hash.String(), branch.GetCommit().GetSHA())
}

func TestGitHub_ConcurrentCreates_OneWins(t *testing.T) {
	t.Parallel()
	b := start(t)
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			a, err := b.try("POST", "/github/orgs/acme-org/repos", "Bearer "+tokens.GitHub, map[string]any{"name": "contested"})
			if err == nil {
				statuses[i] = a.status
			}
		})
	}
	wg.Wait()
	won := 0
	for _, s := range statuses {
		if s == http.StatusCreated {
			won++
		} else {
			require.Equal(t, http.StatusUnprocessableEntity, s)
		}
	}
	require.Equal(t, 1, won)
	require.EqualValues(t, 1, b.did("github.repo.created", "acme-org/contested"))
}

func TestGitHub_Lists_AreFollowedByLink(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, name := range []string{"p1", "p2", "p3", "p4", "p5"} {
		b.repo(name, "public")
	}
	var names []string
	options := &github.RepositoryListByOrgOptions{ListOptions: github.ListOptions{PerPage: 2}}
	for {
		repos, resp, err := b.github().Repositories.ListByOrg(t.Context(), "acme-org", options)
		require.NoError(t, err)
		for _, r := range repos {
			names = append(names, r.GetName())
		}
		if resp.NextPage == 0 {
			break
		}
		options.Page = resp.NextPage
	}
	require.Equal(t, []string{"p5", "p4", "p3", "p2", "p1"}, names)
}
