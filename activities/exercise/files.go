package exercise

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/internal/workspace"
)

// Files is a workspace with some text files in it.
func Files(t testing.TB, files map[string]string) *workspace.Workspace {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	w, err := workspace.Open(t.Context(), bucket, nil)
	require.NoError(t, err)
	for name, content := range files {
		require.NoError(t, w.WriteFile(name, []byte(content), fs.FileMode(0o644)))
	}
	return w
}
