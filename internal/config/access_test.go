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

func TestAccess_NoReviews_UnlessSomebodyWantsThem(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete, Server)
	require.NoError(t, err)
	every, within := c.Access.Reviews()
	require.Zero(t, every)
	require.Equal(t, 14*24*time.Hour, within)
	c, err = load(t, complete+"\naccess: { reviewEvery: 90d, reviewWithin: 7d }\n", Server)
	require.NoError(t, err)
	every, within = c.Access.Reviews()
	require.Equal(t, [2]time.Duration{90 * 24 * time.Hour, 7 * 24 * time.Hour}, [2]time.Duration{every, within})
	for bad, says := range map[string]string{
		"reviewEvery: 1m": "access.reviewEvery", "reviewEvery: often": "access.reviewEvery",
		"reviewEvery: 7d": "access.reviewWithin", "reviewWithin: 0s": "access.reviewWithin",
	} {
		_, err = load(t, complete+"\naccess: { "+bad+" }\n", Server)
		require.ErrorContains(t, err, says+": must be a duration", bad)
	}
}
