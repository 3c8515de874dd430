package templates

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListing_IsWhatBackstageLists(t *testing.T) {
	t.Parallel()
	template, problems := Parse("t.yaml", []byte(`
apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: a, tags: [x], annotations: {own: "1", mine: theirs}}
spec:
  type: service
  owner: group:platform-team
  steps:
    - id: which
      switch:
        yes: {if: "${{ parameters.a }}", steps: [{id: one, action: "debug:log", input: {message: x}}]}
`))
	require.Empty(t, problems)
	raw, err := template.Listing(map[string]string{"mine": "2"})
	require.NoError(t, err)
	var entity struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Spec             struct {
			Owner string
			Steps []struct{ ID, Action string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &entity))
	require.Equal(t, []string{V1Beta3, "Template", "group:platform-team"}, []string{entity.APIVersion, entity.Kind, entity.Spec.Owner})
	require.Equal(t, map[string]any{"own": "1", "mine": "2"}, entity.Metadata["annotations"])
	require.Equal(t, []any{"x"}, entity.Metadata["tags"])
	require.Equal(t, "switch", entity.Spec.Steps[0].Action)
	require.Equal(t, "one", entity.Spec.Steps[1].ID)
}
