package sandbox_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/okta/okta-sdk-golang/v2/okta"
	"github.com/okta/okta-sdk-golang/v2/okta/query"
	"github.com/stretchr/testify/require"
)

func (b *box) okta() *okta.Client {
	b.t.Helper()
	_, c, err := okta.NewClient(b.t.Context(), okta.WithOrgUrl(b.url+"/okta"), okta.WithToken(tokens.Okta), okta.WithCache(false),
		okta.WithTestingDisableHttpsCheck(true), okta.WithRateLimitMaxRetries(0), okta.WithHttpClientPtr(http.DefaultClient))
	require.NoError(b.t, err)
	return c
}

func TestOkta_Membership_IsCountedOncePerChange(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, c := t.Context(), b.okta()
	user, _, err := c.User.GetUser(ctx, "rosa@acme.example")
	require.NoError(t, err)
	require.Equal(t, "rosa@acme.example", (*user.Profile)["login"])
	short, _, err := c.User.GetUser(ctx, "rosa")
	require.NoError(t, err)
	require.Equal(t, user.Id, short.Id)

	for _, params := range []*query.Params{
		query.NewQueryParams(query.WithQ("llm-gateway-users")),
		query.NewQueryParams(query.WithSearch(`profile.name eq "llm-gateway-users"`)),
	} {
		groups, _, err := c.Group.ListGroups(ctx, params)
		require.NoError(t, err)
		require.Len(t, groups, 1)
		require.Equal(t, "OKTA_GROUP", groups[0].Type)
		for range 2 {
			resp, err := c.Group.AddUserToGroup(ctx, groups[0].Id, user.Id)
			require.NoError(t, err)
			require.Equal(t, 204, resp.StatusCode)
			require.NotEmpty(t, resp.Header.Get("X-Rate-Limit-Remaining"))
		}
		mine, _, err := c.User.ListUserGroups(ctx, user.Id)
		require.NoError(t, err)
		require.Len(t, mine, 2)
		for range 2 {
			_, err = c.Group.RemoveUserFromGroup(ctx, groups[0].Id, user.Id)
			require.NoError(t, err)
		}
	}
	require.EqualValues(t, 2, b.did("okta.membership.added", "llm-gateway-users/rosa@acme.example"))
	require.EqualValues(t, 2, b.did("okta.membership.removed", "llm-gateway-users/rosa@acme.example"))
}

func TestOkta_Members_AreListedPageByPage(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, c := t.Context(), b.okta()
	group, resp, err := c.Group.CreateGroup(ctx, okta.Group{Profile: &okta.GroupProfile{Name: "crowd", Description: "many"}})
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	for i := range 5 {
		u := b.call("POST", "/okta/api/v1/users", "SSWS "+tokens.Okta, map[string]any{"profile": map[string]any{"login": fmt.Sprintf("u%d@acme.example", i)}})
		require.Equal(t, 200, u.status)
		_, err = c.Group.AddUserToGroup(ctx, group.Id, u.json(t)["id"].(string))
		require.NoError(t, err)
	}
	page, resp, err := c.Group.ListGroupUsers(ctx, group.Id, query.NewQueryParams(query.WithLimit(2)))
	require.NoError(t, err)
	require.Len(t, resp.Header.Values("Link"), 2)
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		require.LessOrEqual(t, pages, 3)
		for _, u := range page {
			seen[u.Id] = true
		}
		if !resp.HasNextPage() {
			break
		}
		page = nil
		resp, err = resp.Next(ctx, &page)
		require.NoError(t, err)
	}
	require.Len(t, seen, 5)
}

func TestOkta_Refusals_CarryOktaCodes(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, c := t.Context(), b.okta()
	code := func(err error) string {
		var e *okta.Error
		require.ErrorAs(t, err, &e)
		return e.ErrorCode
	}
	_, resp, err := c.Group.CreateGroup(ctx, okta.Group{Profile: &okta.GroupProfile{Name: "payments-team"}})
	require.Equal(t, "E0000001", code(err))
	require.Equal(t, 400, resp.StatusCode)
	_, resp, err = c.User.GetUser(ctx, "nobody@acme.example")
	require.Equal(t, "E0000007", code(err))
	require.Equal(t, 404, resp.StatusCode)
	bad := b.call("GET", "/okta/api/v1/groups", "SSWS wrong", nil)
	require.Equal(t, 401, bad.status)
	require.Equal(t, "E0000011", bad.json(t)["errorCode"])
	require.Equal(t, 400, b.call("GET", "/okta/api/v1/groups?search=nonsense", "SSWS "+tokens.Okta, nil).status)
}
