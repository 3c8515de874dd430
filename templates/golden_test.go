package templates_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/child"
	"github.com/gildway/gildway/activities/debug"
	"github.com/gildway/gildway/activities/fetch"
	workspacefs "github.com/gildway/gildway/activities/fs"
	"github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/activities/itsm"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/activities/toolchain"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/templates"
)

// shippedActions are the actions as they declare themselves; none needs a connection for that.
func shippedActions(t *testing.T) templates.Actions {
	t.Helper()
	all := []activities.Action{fetch.Template(fetch.Options{}), fetch.Plain(fetch.Options{}), fetch.PlainFile(fetch.Options{}), fetch.TemplateFile(fetch.Options{}), debug.Log(), debug.Wait()}
	for _, some := range [][]activities.Action{
		approval.Actions(), catalog.New(catalog.Config{}).Actions(), github.New(github.Config{}).Actions(),
		itsm.New(itsm.Config{}, nil).Actions(), okta.New(okta.Config{}, nil).Actions(),
		toolchain.New(nil, nil, nil).Actions(), vault.New(vault.Config{}).Actions(), child.Actions(child.Config{}), workspacefs.Actions(),
	} {
		all = append(all, some...)
	}
	registry := activities.NewRegistry(all...)
	require.NoError(t, registry.Check())
	actions := templates.Actions{}
	for _, info := range registry.Infos() {
		actions[info.ID] = info
	}
	return actions
}

func TestGolden_EveryPathCompilesWithNothingToSay(t *testing.T) {
	t.Parallel()
	actions := shippedActions(t)
	versions, problems := templates.LoadFS(templates.Golden(), func(name string) string { return "golden:/" + name + "/" }, actions)
	require.Empty(t, problems)
	names := []string{}
	for _, v := range versions {
		names = append(names, v.Name)
		require.Empty(t, templates.Lint(v.Template, actions), v.Name)
		require.NotEmpty(t, v.Template.Pages(), v.Name)
	}
	require.Equal(t, []string{"data-pipeline", "nodejs-microservice", "request-llm-gateway-access"}, names)
}

// The guide's template is shipped as the guide has it.
func TestGolden_TheGuidesTemplateIsUntouched(t *testing.T) {
	t.Parallel()
	golden, err := fs.ReadFile(templates.Golden(), "nodejs-microservice/template.yaml")
	require.NoError(t, err)
	guide, err := os.ReadFile("testdata/compile/guide-nodejs-microservice/template.yaml")
	require.NoError(t, err)
	var shipped, want struct {
		APIVersion string `yaml:"apiVersion"`
		Spec       struct{ Parameters, Steps, Output any }
	}
	require.NoError(t, yaml.Unmarshal(golden, &shipped))
	require.NoError(t, yaml.Unmarshal(guide, &want))
	require.Equal(t, want, shipped)
}

// The examples of the actions' documentation are steps that compile.
func TestActions_EveryExampleCompiles(t *testing.T) {
	t.Parallel()
	actions := shippedActions(t)
	for id, action := range actions {
		for _, example := range action.Examples {
			var body struct{ Steps []any }
			require.NoError(t, yaml.Unmarshal([]byte(example.YAML), &body), id)
			src, err := yaml.Marshal(map[string]any{
				"apiVersion": templates.V3, "kind": "Template", "metadata": map[string]any{"name": "example"},
				"spec": map[string]any{"type": "service", "steps": body.Steps},
			})
			require.NoError(t, err)
			parsed, problems := templates.Parse(id, src)
			require.Empty(t, problems, "%s: %s", id, src)
			for _, p := range templates.Lint(parsed, actions) {
				// An example shows one step of several, and no form.
				require.Contains(t, []string{"unknown-step", "unknown-parameter"}, p.Rule, "%s: %s\n%s", id, p, src)
			}
		}
	}
}
