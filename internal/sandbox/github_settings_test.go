package sandbox_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/require"
	naclbox "golang.org/x/crypto/nacl/box"
)

func sealed(t *testing.T, key *github.PublicKey, value string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(key.GetKey())
	require.NoError(t, err)
	b, err := naclbox.SealAnonymous(nil, []byte(value), (*[32]byte)(raw), rand.Reader)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(b)
}

func TestGitHub_Secrets_AreOpenedAndCountedByWhatIsInThem(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()
	b.repo("shop", "private")
	key, _, err := gh.Actions.GetRepoPublicKey(ctx, "acme-org", "shop")
	require.NoError(t, err)
	set := func(name, box string) int {
		resp, err := gh.Actions.CreateOrUpdateRepoSecret(ctx, "acme-org", "shop", &github.EncryptedSecret{Name: name, KeyID: key.GetKeyID(), EncryptedValue: box})
		require.NotNil(t, resp, err)
		return resp.StatusCode
	}
	require.Equal(t, 201, set("npm_token", sealed(t, key, "one")))
	b.restart() // the key stays
	require.Equal(t, 204, set("NPM_TOKEN", sealed(t, key, "one")))
	require.EqualValues(t, 1, b.did("github.secret.set", "acme-org/shop/NPM_TOKEN"))
	require.Equal(t, 204, set("NPM_TOKEN", sealed(t, key, "two")))
	require.EqualValues(t, 2, b.did("github.secret.set", "acme-org/shop/NPM_TOKEN"))
	require.Equal(t, 422, set("OTHER", base64.StdEncoding.EncodeToString(make([]byte, 64))), "a box for nobody")
	require.Equal(t, 422, set("GITHUB_X", sealed(t, key, "x")))

	s, _, err := gh.Actions.GetRepoSecret(ctx, "acme-org", "shop", "NPM_TOKEN")
	require.NoError(t, err)
	require.Equal(t, "NPM_TOKEN", s.Name)
	stored := b.call("GET", "/github/_sandbox/repos/acme-org/shop", "Bearer "+tokens.GitHub, nil).json(t)
	sum := sha256.Sum256([]byte("two"))
	require.Equal(t, hex.EncodeToString(sum[:]), stored["secrets"].(map[string]any)["NPM_TOKEN"].(map[string]any)["digest"])
	require.Equal(t, 404, b.call("GET", "/github/_sandbox/repos/acme-org/shop", "", nil).status)
}

func TestGitHub_OIDCAndSubscription_AsGoGitHubSetsThem(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()
	b.repo("shop", "private")
	no := false
	for range 2 {
		_, err := gh.Actions.SetRepoOIDCSubjectClaimCustomTemplate(ctx, "acme-org", "shop", &github.OIDCSubjectClaimCustomTemplate{UseDefault: &no, IncludeClaimKeys: []string{"repo", "context"}})
		require.NoError(t, err)
		_, _, err = gh.Activity.SetRepositorySubscription(ctx, "acme-org", "shop", &github.Subscription{Subscribed: github.Ptr(true), Ignored: &no})
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, b.did("github.oidc.set", "acme-org/shop"))
	require.EqualValues(t, 1, b.did("github.subscription.set", "acme-org/shop/gildway-bot"))
	claims, _, err := gh.Actions.GetRepoOIDCSubjectClaimCustomTemplate(ctx, "acme-org", "shop")
	require.NoError(t, err)
	require.Equal(t, []string{"repo", "context"}, claims.IncludeClaimKeys)
	for _, bad := range []map[string]any{{"include_claim_keys": []string{"repo"}}, {"use_default": false, "include_claim_keys": []string{"a b"}}} {
		require.Equal(t, 422, b.call("PUT", "/github/repos/acme-org/shop/actions/oidc/customization/sub", "Bearer "+tokens.GitHub, bad).status)
	}
	own, _, err := gh.Activity.GetRepositorySubscription(ctx, "acme-org", "shop")
	require.NoError(t, err)
	require.True(t, own.GetSubscribed())
	require.Equal(t, 404, b.call("GET", "/github/repos/acme-org/shop/subscription", "Bearer "+tokens.GitHubPerson, nil).status)
	require.Equal(t, "rosa", b.call("GET", "/github/user", "Bearer "+tokens.GitHubPerson, nil).json(t)["login"])
}

func TestGitHub_Protection_SaysWhomItLetsThrough(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, gh := t.Context(), b.github()
	b.published("guarded", "private", map[string]string{"a": "1"})
	rule := &github.ProtectionRequest{
		Restrictions: &github.BranchRestrictionsRequest{Users: []string{"rosa"}, Teams: []string{"payments-team"}, Apps: []string{}},
		RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{
			BypassPullRequestAllowancesRequest: &github.BypassPullRequestAllowancesRequest{Users: []string{}, Teams: []string{}, Apps: []string{"ci"}},
		},
	}
	for range 2 {
		_, _, err := gh.Repositories.UpdateBranchProtection(ctx, "acme-org", "guarded", "main", rule)
		require.NoError(t, err)
		signed, _, err := gh.Repositories.RequireSignaturesOnProtectedBranch(ctx, "acme-org", "guarded", "main")
		require.NoError(t, err)
		require.True(t, signed.GetEnabled())
	}
	require.EqualValues(t, 1, b.did("github.protection.set", "acme-org/guarded/main"))
	require.EqualValues(t, 1, b.did("github.signatures.set", "acme-org/guarded/main"))
	p, _, err := gh.Repositories.GetBranchProtection(ctx, "acme-org", "guarded", "main")
	require.NoError(t, err)
	require.Equal(t, "rosa", p.Restrictions.Users[0].GetLogin())
	require.Equal(t, "payments-team", p.Restrictions.Teams[0].GetSlug())
	require.Equal(t, "ci", p.RequiredPullRequestReviews.BypassPullRequestAllowances.Apps[0].GetSlug())
	require.True(t, p.GetRequiredSignatures().GetEnabled())

	rule.Restrictions.Teams = nil
	_, resp, err := gh.Repositories.UpdateBranchProtection(ctx, "acme-org", "guarded", "main", rule)
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	_, resp, err = gh.Repositories.RequireSignaturesOnProtectedBranch(ctx, "acme-org", "guarded", "other")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
}

func TestGitHub_RepositorySettings_AreCheckedByValue(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, bad := range []map[string]any{
		{"squash_merge_commit_title": "TITLE"}, {"squash_merge_commit_message": "PR_TITLE"}, {"custom_properties": "x"},
		{"custom_properties": map[string]any{"tier": 1}}, {"custom_properties": map[string]any{"tier": []any{1}}},
	} {
		bad["name"] = "shop"
		require.Equal(t, 422, b.call("POST", "/github/orgs/acme-org/repos", "Bearer "+tokens.GitHub, bad).status, bad)
	}
	b.repo("shop", "private")
	ctx, gh := t.Context(), b.github()
	_, _, err := gh.Repositories.AddCollaborator(ctx, "acme-org", "shop", "rosa", &github.RepositoryAddCollaboratorOptions{Permission: "maintain"})
	require.NoError(t, err)
	people, _, err := gh.Repositories.ListCollaborators(ctx, "acme-org", "shop", nil)
	require.NoError(t, err)
	require.Equal(t, "rosa", people[0].GetLogin())
	require.Equal(t, "maintain", people[0].GetRoleName())
}
