package nearest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestName(t *testing.T) {
	t.Parallel()
	steps := []string{"fetch-template", "publish", "register-catalog"}
	require.Equal(t, "publish", Name("publsh", steps))
	require.Equal(t, "publish", Name("Publish", steps))
	require.Equal(t, "fetch-template", Name("fetch-templte", steps))
	require.Equal(t, "publish", Name("pubilsh", steps), "two letters swapped are one slip")
	require.Empty(t, Name("okta", steps))
	require.Empty(t, Name(strings.Repeat("x", 200), []string{strings.Repeat("x", 199)}))
	require.Empty(t, Name("x", nil))
}

func TestSlip(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"debug:lgo", "debug:lo", "Debug:log", "debug:logg", "debug:lag"} {
		require.True(t, Slip(word, "debug:log"), word)
	}
	require.False(t, Slip("publish:gitlab", "publish:github"))
	require.False(t, Slip(strings.Repeat("x", 200), strings.Repeat("x", 200)))
}
