package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoad_EnvironmentOfTemplates_NamesAreFree(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete+`
defaultEnvironment:
  parameters: { region: eu, AWS_ZONE: a }
  secrets: { deployToken: "${DB_PASSWORD}" }
templating: { legacyTyping: true }
`, Worker)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"region": "eu", "AWS_ZONE": "a"}, c.DefaultEnvironment.Parameters)
	require.NotEmpty(t, c.DefaultEnvironment.Secrets["deployToken"].Reveal())
	require.True(t, c.Templating.LegacyTyping)

	_, err = load(t, complete+"defaultEnvironment: { parameter: { region: eu } }\n", Worker)
	require.ErrorContains(t, err, "did you mean defaultEnvironment.parameters?")
}
