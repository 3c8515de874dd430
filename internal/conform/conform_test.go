package conform_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/expr"
)

func check(t *testing.T, schema, value json.RawMessage) []conform.Error {
	t.Helper()
	read, err := conform.Read(schema)
	require.NoError(t, err)
	instance, err := expr.FromJSON(value)
	require.NoError(t, err)
	return read.Check(instance)
}

// testdata/errors.json was recorded from npm's jsonschema 1.5.0.
func TestCheck_GivesWhatNpmGives(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/errors.json")
	require.NoError(t, err)
	var cases []struct {
		Name           string
		Schema, Values json.RawMessage
		Errors         json.RawMessage
	}
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			errs := check(t, c.Schema, c.Values)
			if errs == nil {
				errs = []conform.Error{}
			}
			got, err := json.Marshal(errs)
			require.NoError(t, err)
			require.JSONEq(t, string(c.Errors), string(got))
		})
	}
}

func TestCheck_UnknownParts_NeverWrongThemselves(t *testing.T) {
	t.Parallel()
	schema, err := conform.Read([]byte(`{"type":"object","required":["a","z"],"additionalProperties":false,"properties":{
		"a":{"type":"string","minLength":9},"b":{"enum":[1]},"list":{"type":"array","uniqueItems":true,"maxItems":1},
		"o":{"oneOf":[{"type":"object","properties":{"x":{"type":"string"}}},{"type":"object","properties":{"x":{"type":"number"}}}]}}}`))
	require.NoError(t, err)
	errs := schema.Check(expr.NewObject(
		"a", conform.Unknown, "b", conform.Unknown, "c", conform.Unknown,
		"list", []any{conform.Unknown, conform.Unknown}, "o", expr.NewObject("x", conform.Unknown)))
	var stacks []string
	for _, e := range errs {
		stacks = append(stacks, e.Stack)
	}
	require.Equal(t, []string{
		`instance requires property "z"`,
		`instance is not allowed to have the additional property "c"`,
		`instance.list does not meet maximum length of 1`,
	}, stacks)
	_, err = conform.Read([]byte(`{`))
	require.Error(t, err)
}

func TestCheck_ASchemaThatDoublesItself_IsGivenUp(t *testing.T) {
	t.Parallel()
	errs := check(t, []byte(`{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`), []byte(`{}`))
	require.Len(t, errs, 1)
	require.Equal(t, "instance can't be checked: the schema asks too much", errs[0].Stack)
}
