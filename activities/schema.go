package activities

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	derive "github.com/invopop/jsonschema"
)

// schemaOf derives the JSON Schema of a struct and reads it.
func schemaOf[T any]() (json.RawMessage, *conform.Schema, error) {
	reflector := derive.Reflector{DoNotReference: true, Anonymous: true, ExpandedStruct: true}
	var zero T
	derived := reflector.Reflect(&zero)
	derived.Version = "http://json-schema.org/draft-07/schema#"
	raw, err := json.Marshal(derived)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving a schema: %w", err)
	}
	tree, err := expr.FromJSON(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a derived schema: %w", err)
	}
	if raw, err = expr.ToJSON(ordered(tree)); err != nil {
		return nil, nil, fmt.Errorf("ordering a derived schema: %w", err)
	}
	schema, err := conform.Read(raw)
	return raw, schema, err
}

// firstKeywords is the order in which Backstage's schemas have them, and so the order of what is wrong with an input.
var firstKeywords = []string{"type", "properties", "required", "additionalProperties"}

func ordered(schema any) any {
	switch schema := schema.(type) {
	case []any:
		out := make([]any, len(schema))
		for i, s := range schema {
			out[i] = ordered(s)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for _, key := range append(firstKeywords[:len(firstKeywords):len(firstKeywords)], schema.Keys()...) {
			value, there := schema.Get(key)
			switch {
			case !there || out.Has(key):
			case key == "properties" || key == "patternProperties":
				out.Set(key, orderedEach(value))
			case key == "items" || key == "additionalProperties" || key == "anyOf" || key == "oneOf" || key == "allOf":
				out.Set(key, ordered(value))
			default:
				out.Set(key, value)
			}
		}
		return out
	}
	return schema
}

func orderedEach(schemas any) any {
	named, ok := schemas.(*expr.Object)
	if !ok {
		return schemas
	}
	out := &expr.Object{}
	for name, schema := range named.All() {
		out.Set(name, ordered(schema))
	}
	return out
}

// check says what is wrong with an input in Backstage's words; call is the action's id, in a loop with the item's key.
func check(schema *conform.Schema, call string, input any) error {
	errs := schema.Check(input)
	if len(errs) == 0 {
		return nil
	}
	problems := make([]fault.Problem, len(errs))
	says := make([]string, len(errs))
	for i, e := range errs {
		problems[i] = fault.Problem{Path: "input" + strings.TrimPrefix(e.Property, "instance"), Rule: "input-schema", Says: e.Message}
		says[i] = e.Stack
	}
	return fault.WithProblems(fmt.Sprintf("Invalid input passed to action %s, %s", call, strings.Join(says, ", ")), problems)
}
