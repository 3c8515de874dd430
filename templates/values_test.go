package templates

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata/values.json was recorded from npm's jsonschema 1.5.0.
func TestCheckAgainst_GivesWhatNpmGives(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Name           string
		Schema, Values json.RawMessage
		Errors         json.RawMessage
	}
	require.NoError(t, json.Unmarshal(readFile(t, "testdata/values.json"), &cases))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			errs := checkAgainst(c.Schema, c.Values)
			if errs == nil {
				errs = []ValueError{}
			}
			got, err := json.Marshal(errs)
			require.NoError(t, err)
			require.JSONEq(t, string(c.Errors), string(got))
		})
	}
}
