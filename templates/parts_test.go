package templates

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
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

func TestTemplate_Withheld_BySteps_NotByIds(t *testing.T) {
	t.Parallel()
	actions := Actions{"debug:log": {ID: "debug:log", Input: json.RawMessage(`{}`)}}
	planOf := func(of *Template) *plan.Plan {
		p, problems := Compile(of, actions, Context{})
		require.Empty(t, problems)
		return p
	}
	without := func(refused string) func([]string) bool {
		return func(tags []string) bool { return !slices.Contains(tags, refused) }
	}
	whole, problems := Parse("t.yaml", []byte(tagged))
	require.Empty(t, problems)
	require.Equal(t, []string{"hidden", "inner"}, whole.Withheld(planOf(whole), without("secret")))
	require.Empty(t, whole.Withheld(planOf(whole), without("beta")), "a page is no step")
	require.Empty(t, whole.Withheld(planOf(whole.Shown(without("secret"))), without("secret")))

	unnamed, problems := Parse("t.yaml", []byte(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: unnamed}
spec:
  type: service
  steps:
    - {action: "debug:log", input: {message: a}, "backstage:permissions": {tags: [one]}}
    - {action: "debug:log", input: {message: b}, "backstage:permissions": {tags: [two]}}
`))
	require.Empty(t, problems)
	first, second := planOf(unnamed.Shown(without("two"))), planOf(unnamed.Shown(without("one")))
	require.Equal(t, first.Steps[0].ID, second.Steps[0].ID)
	require.Empty(t, unnamed.Withheld(first, without("two")))
	require.Equal(t, []string{"step-1"}, unnamed.Withheld(second, without("two")))
	require.Equal(t, []string{"first", "hidden", "choice", "inner", "kept", "other"}, unnamed.Withheld(planOf(whole), without("")), "of another template")
}
