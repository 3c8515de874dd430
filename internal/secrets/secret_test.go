package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestSecret_NoVerbLoggerOrEncoderShowsIt(t *testing.T) {
	t.Parallel()
	type holder struct {
		Token  Secret
		hidden Secret
	}
	const canary = "canary-5a1e"
	h := holder{New(canary), New(canary)}

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", h.Token, "pointer", &h.Token)
	seen := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		seen += fmt.Sprintf(verb, h) + fmt.Sprintf(verb, &h) + fmt.Sprintf(verb, h.Token) + fmt.Sprintf(verb, h.hidden)
	}
	require.NotContains(t, seen, canary)
	require.NotContains(t, seen, fmt.Sprintf("%x", canary))

	_, err := json.Marshal(h.Token)
	require.Error(t, err)
	_, err = yaml.Marshal(h.Token)
	require.Error(t, err)
	require.Equal(t, canary, h.Token.Reveal())
}

func TestSecret_ZeroIsEmpty(t *testing.T) {
	t.Parallel()
	require.True(t, Secret{}.Empty())
	require.Empty(t, Secret{}.Reveal())
	var s Secret
	require.NoError(t, s.UnmarshalText([]byte("x")))
	require.False(t, s.Empty())
}
