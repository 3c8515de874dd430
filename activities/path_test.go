package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

func TestPath_Inside_NameInTheWorkspace(t *testing.T) {
	t.Parallel()
	call := &activities.Call{Root: "/workspaces/t1"}
	for written, name := range map[string]string{
		"": ".", ".": ".", "a/..": ".", "/workspaces/t1": ".", "/workspaces/t1/": ".", "../t1": ".",
		"a/b": "a/b", "./a//b/": "a/b", "a/../b": "b", "/workspaces/t1/x/y": "x/y", "../t1/x": "x", " ": " ", "a/..b": "a/..b",
	} {
		at, err := call.Path(written)
		require.NoError(t, err, written)
		require.Equal(t, name, at, written)
	}
}

func TestHostile_PathOutside_DeniedInBackstagesWords(t *testing.T) {
	t.Parallel()
	call := &activities.Call{Root: "/workspaces/t1"}
	for _, written := range []string{
		"..", "../x", "a/../../x", "/", "/etc/passwd", "/workspaces", "/workspaces/t10/x", "/workspaces/t1/../t2/x", "../t10", "..foo", "./..foo/x",
	} {
		_, err := call.Path(written)
		require.ErrorIs(t, err, fault.Denied, written)
		require.Equal(t, "Relative path is not allowed to refer to a directory outside its parent", fault.From(err).Public)
		require.Equal(t, "NotAllowedError", fault.From(err).BackstageName())
	}
}

func TestCheckPath_OutsideInEveryRun_DeniedWithItsInput(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"", ".", "a/b", "a/../b", "/workspaces/t1/a", "../<name>"} {
		require.NoError(t, activities.CheckPath("targetPath", written), written)
	}
	err := activities.CheckPath("files[0].to", "a/../../b")
	require.ErrorIs(t, err, fault.Denied)
	require.Equal(t, "input.files[0].to", fault.From(err).Problems[0].Path)
}
