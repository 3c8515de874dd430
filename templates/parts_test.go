package templates

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const tagged = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: tagged, tags: [a, b]}
spec:
  owner: group:default/x
  type: service
  parameters:
    - {title: One, properties: {x: {type: string}}}
    - {title: Two, properties: {y: {type: string}}, "backstage:permissions": {tags: [secret, beta]}}
  steps:
    - {id: first, name: First, action: debug:log, input: {message: a}}
    - {id: hidden, name: Hidden, action: debug:log, input: {message: b}, "backstage:permissions": {tags: [secret]}}
    - id: choice
      name: Choice
      switch:
        yes:
          if: ${{ parameters.x }}
          steps:
            - {id: inner, name: Inner, action: debug:log, input: {message: c}, "backstage:permissions": {tags: [secret]}}
            - {id: kept, name: Kept, action: debug:log, input: {message: d}}
        otherwise:
          steps:
            - {id: other, name: Other, action: debug:log, input: {message: e}}
`

func ids(t *testing.T, of *Template) (ids []string) {
	t.Helper()
	for _, raw := range of.TaskSteps() {
		var step struct{ ID string }
		require.NoError(t, json.Unmarshal(raw, &step))
		ids = append(ids, step.ID)
	}
	return ids
}

func TestTemplate_Shown_LeavesOutWhatIsRefused_InBranchesToo(t *testing.T) {
	t.Parallel()
	whole, problems := Parse("t.yaml", []byte(tagged))
	require.Empty(t, problems)
	require.Equal(t, []string{"a", "b"}, whole.Tags())
	rest := whole.Shown(func(tags []string) bool { return !slices.Contains(tags, "secret") })
	require.Equal(t, []string{"first", "choice", "kept", "other"}, ids(t, rest))
	require.Len(t, rest.Pages(), 1)
	require.Equal(t, "One", rest.Pages()[0].Title)
	require.Equal(t, whole.Ref, rest.Ref)
	require.Equal(t, whole.Metadata, rest.Metadata)
	require.Equal(t, []string{"first", "hidden", "choice", "inner", "kept", "other"}, ids(t, whole), "the whole stays as it is")
	require.Len(t, whole.Pages(), 2)
	require.Len(t, whole.Shown(func(tags []string) bool { return !slices.Contains(tags, "beta") }).Pages(), 1)
}

func TestTemplate_Shown_NothingRefused_TheTemplateItself(t *testing.T) {
	t.Parallel()
	whole, problems := Parse("t.yaml", []byte(tagged))
	require.Empty(t, problems)
	require.Same(t, whole, whole.Shown(func([]string) bool { return true }))
}

func TestTemplate_Shown_StepsWithoutAnID_CountAsInBackstage(t *testing.T) {
	t.Parallel()
	whole, problems := Parse("t.yaml", []byte(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: x}
spec:
  type: service
  parameters: {properties: {x: {type: string}}, "backstage:permissions": {tags: [no]}}
  steps:
    - {action: debug:log, "backstage:permissions": {tags: [no]}}
    - {action: debug:log}
`))
	require.Empty(t, problems)
	rest := whole.Shown(func(tags []string) bool { return len(tags) == 0 })
	require.Equal(t, []string{"step-1"}, ids(t, rest), "counted after they are left out")
	require.Empty(t, rest.Pages())
}
