package debug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

func TestActions_Declarations_Complete(t *testing.T) {
	t.Parallel()
	require.NoError(t, activities.NewRegistry(Log(), Wait()).Check())
	require.True(t, Log().Info().DryRun)
	require.False(t, Wait().Info().DryRun, "Backstage skips it in a dry run")
}

func lines(t *testing.T, files *workspace.Workspace, input string) ([]string, error) {
	memory := exercise.NewMemory()
	call := memory.Call()
	call.Files, call.Root = files, "/workspaces/t"
	_, err := Log().Do(t.Context(), call, json.RawMessage(input))
	return memory.Lines(), err
}

func TestLog_Input_ShownFirstInItsOrder(t *testing.T) {
	t.Parallel()
	files := exercise.Files(t, map[string]string{"b.txt": "second", "a/x.txt": "first", "B.txt": "", "a.txt": ""})
	said, err := lines(t, files, `{"message":"100 %s \u003cb> é","listWorkspace":true}`)
	require.NoError(t, err)
	require.Equal(t, []string{
		"{\n  \"message\": \"100 %s <b> é\",\n  \"listWorkspace\": true\n}",
		"100 %s <b> é",
		"Workspace:\n  - B.txt\n  - a/x.txt\n  - a.txt\n  - b.txt",
	}, said)

	said, err = lines(t, files, `{"listWorkspace":false,"message":""}`)
	require.NoError(t, err)
	require.Equal(t, []string{"{\n  \"listWorkspace\": false,\n  \"message\": \"\"\n}"}, said)
	said, err = lines(t, files, `{}`)
	require.NoError(t, err)
	require.Equal(t, []string{"{}"}, said)
}

func TestLog_Listings_AsBackstageWritesThem(t *testing.T) {
	t.Parallel()
	files := exercise.Files(t, map[string]string{"b.txt": "second\n", "a/x": "bin\xffary"})
	require.NoError(t, files.Symlink("b.txt", "link"))
	require.NoError(t, files.Symlink("a", "folder"))
	require.NoError(t, files.Mkdir("empty"))
	said, err := lines(t, files, `{"listWorkspace":"with-filenames"}`)
	require.NoError(t, err)
	require.Equal(t, "Workspace:\n  - a/x\n  - b.txt\n  - folder/x\n  - link", said[1])
	said, err = lines(t, files, `{"listWorkspace":"with-contents"}`)
	require.NoError(t, err)
	require.Equal(t, "Workspace:\n - a/x:\n\n  bin\uFFFDary\n - b.txt:\n\n  second\n\n - folder/x:\n\n  bin\uFFFDary\n - link:\n\n  second\n", said[1])
	said, err = lines(t, exercise.Files(t, nil), `{"listWorkspace":true}`)
	require.NoError(t, err)
	require.Equal(t, "Workspace:\n", said[1])
	_, err = lines(t, files, `{"listWorkspace":"all"}`)
	require.ErrorIs(t, err, fault.Invalid)
}

func TestLog_BrokenLink_FailsInNodesWords(t *testing.T) {
	t.Parallel()
	files := exercise.Files(t, nil)
	require.NoError(t, files.Symlink("nowhere", "d/link"))
	_, err := lines(t, files, `{"listWorkspace":true}`)
	require.Equal(t, "ENOENT: no such file or directory, stat '/workspaces/t/d/link'", fault.From(err).Public)
	require.Equal(t, "Error", fault.From(err).BackstageName())
}

func TestHostile_LinksToEachOther_ListingEnds(t *testing.T) {
	t.Parallel()
	files := exercise.Files(t, map[string]string{"x": ""})
	for i := range 4 {
		require.NoError(t, files.Symlink(".", fmt.Sprint("again", i)))
	}
	_, err := lines(t, files, `{"listWorkspace":true}`)
	require.Error(t, err)
	require.True(t, fault.KindOf(err).Final(), "%v", err)
}

func TestHostile_HugeContents_Skipped(t *testing.T) {
	t.Parallel()
	files := exercise.Files(t, map[string]string{"big": strings.Repeat("x", maxContents), "small": "s"})
	said, err := lines(t, files, `{"listWorkspace":"with-contents"}`)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(said[1], "\n - small: [skipped]"))
}

func TestWait_TimeOver_ReturnsInSilence(t *testing.T) {
	t.Parallel()
	for _, input := range []string{`{"milliseconds":2}`, `{"minutes":-1,"seconds":60.001}`, `{"seconds":-5}`, `{}`} {
		memory := exercise.NewMemory()
		_, err := Wait().Do(t.Context(), memory.Call(), json.RawMessage(input))
		require.NoError(t, err)
		require.Empty(t, memory.Lines())
	}
}

func TestWait_RunCancelled_EndsEarlyAndWell(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(temporal.NewCanceledError())
	_, err := Wait().Do(ctx, exercise.NewMemory().Call(), json.RawMessage(`{"minutes":10}`))
	require.NoError(t, err)
}

func TestWait_WorkerStopsOrTimeIsUp_TriedAgain(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("the worker stops"))
	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for _, ctx := range []context.Context{stopped, over} {
		_, err := Wait().Do(ctx, exercise.NewMemory().Call(), json.RawMessage(`{"minutes":10}`))
		require.ErrorIs(t, err, fault.Unavailable)
	}
}

func TestWait_TooLong_FailsInBackstagesWords(t *testing.T) {
	t.Parallel()
	for _, input := range []string{`{"minutes":10,"milliseconds":1}`, `{"seconds":1e300}`} {
		_, err := Wait().Do(t.Context(), exercise.NewMemory().Call(), json.RawMessage(input))
		require.ErrorIs(t, err, fault.Invalid, input)
		require.Equal(t, "Waiting duration is longer than the maximum threshold of 0 hours, 10 minutes, 0 seconds", fault.From(err).Public)
		require.Equal(t, "Error", fault.From(err).BackstageName())
	}
}
