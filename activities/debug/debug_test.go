package debug

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
)

func TestActions_Declarations_Complete(t *testing.T) {
	t.Parallel()
	require.NoError(t, activities.NewRegistry(Log(), Wait()).Check())
}

func TestLog_MessageAndFiles_Written(t *testing.T) {
	t.Parallel()
	memory := exercise.NewMemory()
	call := memory.Call()
	call.Files = exercise.Files(t, map[string]string{"b.txt": "second", "a/x.txt": "first"})
	_, err := Log().Do(t.Context(), call, json.RawMessage(`{"message":"100 %s","listWorkspace":true}`))
	require.NoError(t, err)
	require.Equal(t, []string{"100 %s", "Workspace:\n  - a/x.txt\n  - b.txt"}, memory.Lines())

	_, err = Log().Do(t.Context(), call, json.RawMessage(`{"listWorkspaceContent":true}`))
	require.NoError(t, err)
	require.Contains(t, memory.Lines()[2], "  - b.txt\n\nsecond\n")
}

func TestWait_TimeOver_Returns(t *testing.T) {
	t.Parallel()
	memory := exercise.NewMemory()
	_, err := Wait().Do(t.Context(), memory.Call(), json.RawMessage(`{"milliseconds":2}`))
	require.NoError(t, err)
	require.Equal(t, []string{"Waiting for 2ms"}, memory.Lines())
}

func TestWait_Cancelled_EndsEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := Wait().Do(ctx, exercise.NewMemory().Call(), json.RawMessage(`{"minutes":10}`))
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestWait_TooLongOrNegative_Invalid(t *testing.T) {
	t.Parallel()
	for _, input := range []string{`{"minutes":10,"milliseconds":1}`, `{"seconds":1e300}`, `{"minutes":-1}`} {
		_, err := Wait().Do(t.Context(), exercise.NewMemory().Call(), json.RawMessage(input))
		require.ErrorIs(t, err, fault.Invalid, input)
	}
}
