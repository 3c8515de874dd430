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

func TestTemplate_CheckCorrection_WhatWasRefusedBefore_IsNotAskedFor(t *testing.T) {
	t.Parallel()
	of, problems := Parse("t.yaml", []byte(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: x}
spec:
  type: service
  parameters:
    - {required: [a], properties: {a: {type: number}}}
    - {required: [b], properties: {b: {type: string}}}
    - {properties: {c: {type: string}}}
  steps: [{id: s, action: "debug:log"}]
`))
	require.Empty(t, problems)
	before := json.RawMessage(`{"a":1,"c":"x"}`)
	for values, refused := range map[string]bool{
		`{"a":2,"c":"x"}`: false, `{"a":1,"b":"x","c":"y"}`: false, `{"a":"x","c":"x"}`: true, `{"a":1,"b":7,"c":"x"}`: true, `{"a":1,"c":7}`: true,
	} {
		require.Equal(t, refused, len(of.CheckCorrection(before, json.RawMessage(values))) > 0, values)
	}
}
