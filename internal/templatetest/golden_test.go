package templatetest_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/templatetest"
	"github.com/gildway/gildway/worker"
)

func runs() run.Options {
	return worker.RunOptions(config.Config{}, worker.Registry(config.Config{}, nil), slog.New(slog.DiscardHandler))
}

func TestGolden_EveryTestOfEveryPathPasses(t *testing.T) {
	t.Parallel()
	files, err := templatetest.Find("../../templates/golden")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		reports, problems, err := templatetest.Run(t.Context(), file, runs(), false)
		require.NoError(t, err)
		require.Empty(t, problems)
		require.NotEmpty(t, reports)
		for _, r := range reports {
			require.True(t, r.Passed, "%s: %s\n%s", r.File, r.Name, r.Diff)
			require.Less(t, r.Took, 10*time.Second, r.Name)
		}
	}
}
