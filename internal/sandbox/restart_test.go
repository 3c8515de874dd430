package sandbox_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSandbox_Restarted_KeepsEverything(t *testing.T) {
	t.Parallel()
	b := start(t)
	r := b.published("kept", "private", map[string]string{"catalog-info.yaml": component})
	target := b.url + "/github/acme-org/kept/blob/main/catalog-info.yaml"
	require.Equal(t, 201, b.call("POST", "/api/catalog/locations", catalogToken, map[string]any{"type": "url", "target": target}).status)
	require.Equal(t, 201, b.call("POST", tasks, "Bearer "+tokens.ServiceNow, map[string]any{"correlation_id": "c"}).status)
	groups, _, err := b.okta().Group.ListGroups(t.Context(), nil)
	require.NoError(t, err)
	_, err = b.okta().Group.AddUserToGroup(t.Context(), groups[0].Id, "rosa@acme.example")
	require.NoError(t, err)
	b.misbehave(map[string]any{"provider": "github", "method": "DELETE", "kind": "status"})
	before := b.now.Load().Counts()
	b.restart()

	require.Equal(t, before, b.now.Load().Counts())
	b.mustGit(b.dir, "clone", "--quiet", signedIn(r.GetCloneURL()), filepath.Join(t.TempDir(), "x"))
	require.Equal(t, 200, b.call("GET", "/api/catalog/entities/by-name/component/default/shop", catalogToken, nil).status)
	require.Len(t, rows(t, b.call("GET", tasks+"?sysparm_query=correlation_id=c", "Bearer "+tokens.ServiceNow, nil)), 1)
	users, _, err := b.okta().Group.ListGroupUsers(t.Context(), groups[0].Id, nil)
	require.NoError(t, err)
	require.Len(t, users, 1)
	require.Equal(t, 503, b.call("DELETE", "/github/repos/acme-org/kept", "Bearer "+tokens.GitHub, nil).status)
}

func TestSandbox_PushTakenButNotCounted_IsCountedAtTheNextStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.published("orphan", "private", map[string]string{"a": "1"})
	require.NoError(t, b.now.Load().Close())
	// What a process killed between git's work and the count leaves behind.
	repos, err := filepath.Glob(filepath.Join(b.dir, "git", "*.git"))
	require.NoError(t, err)
	require.Len(t, repos, 1)
	b.mustGit(repos[0], "update-ref", "refs/heads/second", "refs/heads/main")
	for range 2 {
		b.open()
		require.EqualValues(t, 2, b.did("github.push", "acme-org/orphan"))
		require.NoError(t, b.now.Load().Close())
	}
	b.open()
}
