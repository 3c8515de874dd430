package templates_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/templates"
)

func schemaOf(t *testing.T, version string) *jsonschema.Schema {
	t.Helper()
	raw, err := templates.Schema(version, shippedActions(t))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("mem:template", doc))
	schema, err := compiler.Compile("mem:template")
	require.NoError(t, err)
	return schema
}

func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal(src, &v))
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	return doc
}

func TestSchema_TemplatesThatRunValidate(t *testing.T) {
	t.Parallel()
	schemas := map[string]*jsonschema.Schema{templates.V3: schemaOf(t, templates.V3), templates.V1Beta3: schemaOf(t, templates.V1Beta3)}
	var files []string
	for _, pattern := range []string{"golden/*/template.yaml", "testdata/compile/guide-*/template.yaml", "testdata/compile/backstage-*/template.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		parsed, problems := templates.Parse(file, src)
		require.Empty(t, problems)
		require.NoError(t, schemas[parsed.APIVersion].Validate(asJSON(t, src)), file)
	}
	for _, r := range templates.Rules() {
		if r.V3 == templates.None || r.Good == "" {
			continue
		}
		src := example(templates.V3, r.Good, nil, true)["template.yaml"].Data
		require.NoError(t, schemas[templates.V3].Validate(asJSON(t, src)), "%s:\n%s", r.ID, src)
	}
}

func TestSchema_ExpressionsStandForAnyInput(t *testing.T) {
	t.Parallel()
	src := example(templates.V3, `steps:
  - action: publish:github
    input: { repoUrl: "${{ parameters.url }}", repoVisibility: "${{ parameters.visibility }}", topics: "${{ parameters.topics }}", deleteBranchOnMerge: "${{ parameters.delete }}" }
  - action: debug:wait
    input: { seconds: "${{ parameters.seconds }}" }
`, nil, true)["template.yaml"].Data
	require.NoError(t, schemaOf(t, templates.V3).Validate(asJSON(t, src)))
}

func TestSchema_WhatIsWrongDoesNotValidate(t *testing.T) {
	t.Parallel()
	schemas := map[string]*jsonschema.Schema{templates.V3: schemaOf(t, templates.V3), templates.V1Beta3: schemaOf(t, templates.V1Beta3)}
	for _, c := range []struct {
		name, spec string
		beta       bool // wrong in v1beta3 too
	}{
		{"no steps", "owner: a\n", true},
		{"steps are no list", "steps: {}\n", true},
		{"a step without action", "steps:\n  - { id: a }\n", true},
		{"a condition that is a list", "steps:\n  - { action: debug:log, if: [] }\n", true},
		{"an input that is a list", "steps:\n  - { action: debug:log, input: [] }\n", true},
		{"an input that the action doesn't have", "steps:\n  - { action: debug:log, input: { mesage: x } }\n", true},
		{"a required input is missing", "steps:\n  - { action: fetch:template }\n", true},
		{"an input of another type", "steps:\n  - { action: debug:wait, input: { seconds: many } }\n", true},
		{"a value outside the enum of an input", "steps:\n  - { action: publish:github, input: { repoUrl: x, repoVisibility: hidden } }\n", true},
		{"links are no list", "steps: []\noutput: { links: {} }\n", true},
		{"an output that is no text", "steps: []\noutput: { answer: 42 }\n", true},
		{"parameters are a text", "steps: []\nparameters: none\n", true},
		{"an unknown strategy", "steps: []\nEXPERIMENTAL_recovery: { EXPERIMENTAL_strategy: always }\n", true},
		{"an unknown field", "stepz: []\nsteps: []\n", false},
		{"an unknown field of a step", "steps:\n  - { action: debug:log, when: x }\n", false},
		{"an unknown action", "steps:\n  - { action: debug:lgo }\n", false},
		{"an unknown way of execution", "execution: parallel\nsteps: []\n", false},
		{"an id with a slash", "steps:\n  - { id: a/b, action: debug:log }\n", false},
		{"a timeout without a unit", "steps:\n  - { action: debug:log, timeout: 30 }\n", false},
		{"a lease without ttl", "steps:\n  - { action: debug:log, lease: {} }\n", false},
		{"an action and a switch", "steps:\n  - { action: debug:log, switch: { a: { steps: [] } } }\n", false},
		{"a switch without branches", "steps:\n  - { switch: {} }\n", true},
		{"a wrong step in a branch", "steps:\n  - { switch: { a: { steps: [{ action: debug:log, input: { mesage: x } }] } } }\n", true},
		{"needs that are a text", "steps:\n  - { action: debug:log, needs: a }\n", false},
	} {
		for version, schema := range schemas {
			src := example(version, c.spec, nil, true)["template.yaml"].Data
			err := schema.Validate(asJSON(t, src))
			if version == templates.V3 || c.beta {
				require.Error(t, err, "%s in %s", c.name, version)
			} else {
				require.NoError(t, err, "%s in %s", c.name, version)
			}
		}
	}
}

// An editor shows the description of every field that it completes.
func TestSchema_EveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	for _, version := range []string{templates.V3, templates.V1Beta3} {
		raw, err := templates.Schema(version, shippedActions(t))
		require.NoError(t, err)
		var root map[string]any
		require.NoError(t, json.Unmarshal(raw, &root))
		described(t, "", root)
	}
	_, err := templates.Schema("v2", nil)
	require.ErrorContains(t, err, "v2")
}

func described(t *testing.T, path string, schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		property, ok := p.(map[string]any)
		if !ok {
			continue
		}
		at := path + "/" + name
		if property["$ref"] == nil && property["const"] == nil && !strings.Contains(path, "input:") {
			require.NotEmpty(t, property["description"], at)
		}
		described(t, at, property)
	}
	for _, key := range []string{"definitions", "items"} {
		nested, _ := schema[key].(map[string]any)
		if key == "items" && nested != nil {
			described(t, path+"[]", nested)
			continue
		}
		for name, n := range nested {
			if n, ok := n.(map[string]any); ok {
				described(t, path+"/"+name, n)
			}
		}
	}
}

// What the parser takes the schema takes, and what it refuses for its shape the schema refuses.
func TestSchema_AgreesWithTheParser(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t, templates.V3)
	for spec, good := range map[string]bool{
		"steps:\n  - { action: debug:log, timeout: .5h }\n":                                                                          true,
		"steps:\n  - { action: debug:log, timeout: 1d12h }\n":                                                                        true,
		"steps:\n  - { action: debug:log, timeout: 1.5h }\n":                                                                         true,
		"steps:\n  - { action: debug:log, timeout: 30x }\n":                                                                          false,
		"steps:\n  - { action: debug:log, timeout: 0s }\n":                                                                           false,
		"steps:\n  - { action: debug:log, timeout: '' }\n":                                                                           false,
		"steps:\n  - { action: debug:log, timeout: d }\n":                                                                            false,
		"steps:\n  - { action: debug:log, name: , if: , input: }\n":                                                                  true,
		"parameters:\noutput:\nsteps: []\n":                                                                                          true,
		"steps:\n  - { id: a, switch: { b: { steps: [] } } }\n":                                                                      true,
		"steps:\n  - { id: a, switch: { b: { steps: [] } }, input: { a: b } }\n":                                                     false,
		"steps:\n  - { id: a, switch: { b: { steps: [] } }, each: [1] }\n":                                                           false,
		"steps:\n  - { id: a, switch: { b: { steps: [] } }, timeout: 5m }\n":                                                         false,
		"steps:\n  - { action: 'okta:group:add-member', input: { group: g }, lease: { ttl: 1d, renewable: true, maxTtl: 2d } }\n":    true,
		"steps:\n  - { action: 'okta:group:add-member', input: { group: g }, lease: { ttl: 1d, maxTtl: 2d } }\n":                     false,
		"steps:\n  - { action: 'okta:group:add-member', input: { group: g }, lease: { ttl: 1d, approvers: ['group:default/x'] } }\n": false,
		"steps:\n  - { id: constructor, action: debug:log }\n":                                                                       false,
	} {
		src := example(templates.V3, spec, nil, true)["template.yaml"].Data
		_, problems := templates.Parse("template.yaml", src)
		err := schema.Validate(asJSON(t, src))
		require.Equal(t, good, len(problems) == 0, "the parser: %s%v", spec, problems)
		require.Equal(t, good, err == nil, "the schema: %s%v", spec, err)
	}
}
