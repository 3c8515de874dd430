package store

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHolds_LastOneRemoves_AndOnlyWhatIsOurs(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	hold := func(resource, key string, found bool) bool {
		ours, err := s.Hold(ctx, resource, key, found)
		require.NoError(t, err)
		return ours
	}
	letGo := func(resource, key string) Holding {
		h, err := s.LetGo(ctx, resource, key)
		require.NoError(t, err)
		return h
	}
	require.True(t, hold("m", "a", false))
	require.True(t, hold("m", "a", true), "another attempt of the same call")
	require.True(t, hold("m", "b", true), "found, because a has made it")
	require.Equal(t, Holding{Held: true, Ours: true}, letGo("m", "a"), "b still needs it")
	require.Equal(t, Holding{Last: false}, letGo("m", "a"), "let go before")
	for range 2 { // the removal may have to be tried again
		require.Equal(t, Holding{Held: true, Ours: true, Last: true}, letGo("m", "b"))
	}
	require.NoError(t, s.Gone(ctx, "m", "b"))
	require.Equal(t, Holding{Last: true}, letGo("m", "b"))

	require.False(t, hold("n", "a", true), "somebody else has made it")
	require.False(t, hold("n", "b", true))
	require.Equal(t, Holding{Held: true}, letGo("n", "a"))
	require.Equal(t, Holding{Held: true, Last: true}, letGo("n", "b"))
	require.False(t, hold("n", "c", true))
	require.True(t, hold("n", "c", false), "it was gone meanwhile, and c has made it")
}

// However many let go at once, exactly one is the last.
func TestHolds_AllLetGoAtOnce_OneIsTheLast(t *testing.T) {
	t.Parallel()
	s := open(t)
	keys := []string{"a", "b", "c", "d", "e", "f"}
	for i, key := range keys {
		_, err := s.Hold(t.Context(), "m", key, i > 0)
		require.NoError(t, err)
	}
	var mu sync.Mutex
	last := 0
	var all sync.WaitGroup
	for _, key := range keys {
		all.Go(func() {
			h, err := s.LetGo(t.Context(), "m", key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !h.Held || !h.Ours {
				last = -100
			}
			if h.Last {
				last++
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, last)
}
