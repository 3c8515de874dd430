package npmyaml

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/expr"
)

type recorded struct {
	Value json.RawMessage
	YAML  string
}

func recording(t *testing.T) []recorded {
	raw, err := os.ReadFile("testdata/npm-yaml.json")
	require.NoError(t, err)
	var cases []recorded
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.Greater(t, len(cases), 100)
	return cases
}

// The recording is of yaml 2.9: values made to try every rule, then random ones.
func TestMarshal_RecordedValues_AsNpmWritesThem(t *testing.T) {
	t.Parallel()
	for i, c := range recording(t) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			value, err := expr.FromJSON(c.Value)
			require.NoError(t, err)
			require.Equal(t, c.YAML, string(Marshal(value.(*expr.Object))), "%.300s", c.Value)
		})
	}
}
