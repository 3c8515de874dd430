package dryrun

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

func TestBounded_LooksAFewTimes_AndNotAgainWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	asked := 0
	var away error
	look := func(context.Context, activities.Look) (activities.Foreseen, error) {
		asked++
		return activities.Foreseen{Fails: "taken"}, away
	}
	require.Nil(t, bounded(false, look), "only if it is asked for")
	require.Nil(t, bounded(true, nil))

	often := bounded(true, look)
	for range looksAt {
		seen, err := often(t.Context(), activities.Look{})
		require.NoError(t, err)
		require.Equal(t, "taken", seen.Fails)
	}
	_, err := often(t.Context(), activities.Look{})
	require.ErrorIs(t, err, fault.RateLimited)
	require.Equal(t, looksAt, asked)

	asked, away = 0, fault.New(fault.Unavailable, "nobody is there")
	once := bounded(true, look)
	for range 3 {
		_, err := once(t.Context(), activities.Look{})
		require.ErrorIs(t, err, fault.Unavailable)
	}
	require.Equal(t, 1, asked)
}
