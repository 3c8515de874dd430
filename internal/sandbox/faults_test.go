package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-github/v84/github"
	"github.com/okta/okta-sdk-golang/v2/okta"
	"github.com/stretchr/testify/require"
)

func TestFaults_DropAfter_HappensOnceAndTheClientSeesAnError(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.misbehave(map[string]any{"provider": "github", "method": "POST", "path": "/orgs/*/repos", "kind": "drop-after"})
	asked := &github.Repository{Name: github.Ptr("lost")}
	_, _, err := b.github().Repositories.Create(t.Context(), "acme-org", asked)
	require.Error(t, err)
	require.EqualValues(t, 1, b.did("github.repo.created", "acme-org/lost"))
	_, resp, err := b.github().Repositories.Create(t.Context(), "acme-org", asked)
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	require.EqualValues(t, 1, b.did("github.repo.created", "acme-org/lost"))
}

func TestFaults_DropAfterAPush_IsSeenByGitAndCountedOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	r := b.repo("lost-push", "private")
	b.misbehave(map[string]any{"provider": "github", "path": "/acme-org/*/git-receive-pack", "kind": "drop-after"})
	dir := b.work(map[string]string{"a": "1"})
	_, err := b.git(dir, "push", "--quiet", signedIn(r.GetCloneURL()), "main")
	require.Error(t, err)
	b.mustGit(dir, "push", "--quiet", signedIn(r.GetCloneURL()), "main")
	require.EqualValues(t, 1, b.did("github.push", "acme-org/lost-push"))
}

func TestFaults_Kinds_LookLikeTheProvider(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.misbehave(map[string]any{"provider": "github", "path": "/users/**", "kind": "drop-before", "times": 2})
	_, err := b.try("POST", "/github/users/acme-org/x", "", nil)
	require.Error(t, err)
	b.call("DELETE", "/faults/rules", "", nil)

	b.misbehave(map[string]any{"provider": "github", "kind": "rate-limit"})
	_, _, err = b.github().Users.Get(t.Context(), "acme-org")
	var primary *github.RateLimitError
	require.ErrorAs(t, err, &primary)
	b.misbehave(map[string]any{"provider": "github", "kind": "rate-limit", "retryAfter": 7, "status": 429})
	_, _, err = b.github().Users.Get(t.Context(), "acme-org")
	var secondary *github.AbuseRateLimitError
	require.ErrorAs(t, err, &secondary)
	require.Equal(t, 7*time.Second, secondary.GetRetryAfter())

	b.misbehave(map[string]any{"provider": "okta", "kind": "rate-limit", "retryAfter": 3})
	limited := b.call("GET", "/okta/api/v1/groups", "SSWS "+tokens.Okta, nil)
	require.Equal(t, 429, limited.status)
	require.Equal(t, "E0000047", limited.json(t)["errorCode"])
	require.Equal(t, "0", limited.header.Get("X-Rate-Limit-Remaining"))

	b.misbehave(map[string]any{"provider": "okta", "method": "get", "kind": "status", "status": 500})
	_, resp, err := b.okta().Group.ListGroups(t.Context(), nil)
	var internal *okta.Error
	require.ErrorAs(t, err, &internal)
	require.Equal(t, 500, resp.StatusCode)

	for _, provider := range []string{"servicenow", "catalog"} {
		b.misbehave(map[string]any{"provider": provider, "kind": "status"})
	}
	require.Equal(t, "failure", b.call("GET", tasks, "Bearer "+tokens.ServiceNow, nil).json(t)["status"])
	down := b.call("GET", "/api/catalog/entities", catalogToken, nil)
	require.Equal(t, 503, down.status)
	require.Equal(t, "ServiceUnavailableError", down.json(t)["error"].(map[string]any)["name"])

	b.misbehave(map[string]any{"provider": "catalog", "kind": "delay", "delayMs": 50})
	before := time.Now()
	require.Equal(t, 200, b.call("GET", "/api/catalog/entities", catalogToken, nil).status)
	require.GreaterOrEqual(t, time.Since(before), 50*time.Millisecond)
}

func TestFaults_Desk_ChecksItsOrders(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, bad := range []map[string]any{
		{"kind": "explode"}, {"kind": "status", "status": 200}, {"kind": "delay"}, {"kind": "status", "path": "x"}, {"kind": "status", "colour": "red"},
	} {
		require.Equal(t, 400, b.call("POST", "/faults/rules", "", bad).status, bad)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.url+"/faults/counts", nil)
	require.NoError(t, err)
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 403, resp.StatusCode)

	b.misbehave(map[string]any{"kind": "status", "times": -1, "provider": "okta"})
	for range 3 {
		require.Equal(t, 503, b.call("GET", "/okta/api/v1/groups", "SSWS "+tokens.Okta, nil).status)
	}
	require.Equal(t, 204, b.call("DELETE", "/faults/rules/1", "", nil).status)
	require.JSONEq(t, `[]`, string(b.call("GET", "/faults/rules", "", nil).raw))
}

func TestFaults_Counts_TellCallsByRoute(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.repo("counted", "public")
	b.call("GET", "/github/repos/acme-org/counted", "", nil)
	b.call("GET", "/github/repos/acme-org/counted", "", nil)
	counts := b.call("GET", "/faults/counts", "", nil).json(t)
	require.Equal(t, map[string]any{"total": 1.0, "by": map[string]any{"acme-org/counted": 1.0}}, counts["effects"].(map[string]any)["github.repo.created"])
	require.EqualValues(t, 2, counts["calls"].(map[string]any)["github GET /repos/{owner}/{repo}"])
	require.EqualValues(t, 1, counts["calls"].(map[string]any)["github POST /orgs/{owner}/repos"])
	require.Equal(t, 204, b.call("DELETE", "/faults/counts", "", nil).status)
	require.JSONEq(t, `{"effects":{},"calls":{}}`, string(b.call("GET", "/faults/counts", "", nil).raw))
}
