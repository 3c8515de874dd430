package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServing_LinksAndNotice(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete+"publicUrl: https://gildway.acme.com/x\nshutdownNotice: 5s\n", Worker)
	require.NoError(t, err)
	require.Equal(t, "https://gildway.acme.com/x", c.PublicURL)
	require.Equal(t, 5*time.Second, c.Notice())
	for _, wrong := range []string{"publicUrl: gildway.acme.com", "publicUrl: https://a/", "publicUrl: https://a?b=1", "publicUrl: ftp://a",
		"shutdownNotice: soon", "shutdownNotice: -1s", "shutdownNotice: 1h"} {
		_, err := load(t, complete+wrong+"\n", Server)
		require.Error(t, err, wrong)
	}
}
