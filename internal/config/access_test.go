package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAccess_ADay_UnlessSomebodySaysOtherwise(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete, Server)
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, c.Access.Checks())
	c, err = load(t, complete+"\naccess: { checkEvery: 0s }\n", Server)
	require.NoError(t, err)
	require.Zero(t, c.Access.Checks())
	for _, bad := range []string{"1m", "daily", "-1h"} {
		_, err = load(t, complete+"\naccess: { checkEvery: \""+bad+"\" }\n", Server)
		require.ErrorContains(t, err, "access.checkEvery: must be a duration")
	}
}
