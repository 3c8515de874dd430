package stack

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStack_Announcement_OfAKilledStack_IsGoneBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := openStateDir(dir)
	require.NoError(t, err)
	o := Options{StateDir: dir, Announcement: "endpoints.json", PostgresURL: "http://not-a-database"}
	s := newStack(t.Context(), d, o)
	stale := d.file("endpoints.json")
	require.NoError(t, WriteFile(stale, []byte("{}")))
	require.NoError(t, s.withdraw())
	require.NoFileExists(t, stale)

	require.NoError(t, WriteFile(stale, []byte("{}")))
	_, err = Start(t.Context(), o)
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	require.FileExists(t, stale, "it belongs to the stack that runs")
	require.NoError(t, s.Stop(t.Context()))
	require.NoFileExists(t, stale)
}

func TestRemove_LeavesNothing_ButSparesARunningStack(t *testing.T) {
	t.Parallel()
	d, err := openStateDir(t.TempDir() + "/state")
	require.NoError(t, err)
	var busy *BusyError
	require.ErrorAs(t, Remove(d.path), &busy)
	require.DirExists(t, d.path)
	if os.Geteuid() == 0 {
		require.NoError(t, os.Mkdir(d.away(), 0o700))
	}
	require.NoError(t, d.close())
	require.NoError(t, Remove(d.path))
	require.NoDirExists(t, d.path)
	require.NoDirExists(t, d.away())
}
