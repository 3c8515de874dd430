package run

import (
	"encoding/json"

	"github.com/gildway/gildway/internal/expr"
)

// exampleDepth bounds schemas that nest without end.
const exampleDepth = 20

// MadeUp makes up what an action with this output schema could give, by Backstage's rule: the first example of each
// part, or a value of its type. It is always an object.
func MadeUp(schema json.RawMessage) json.RawMessage {
	tree, err := expr.FromJSON(schema)
	if err != nil {
		return json.RawMessage("{}")
	}
	made, ok := example(tree, exampleDepth).(*expr.Object)
	if !ok {
		return json.RawMessage("{}")
	}
	raw, err := expr.ToJSON(made)
	if err != nil {
		return json.RawMessage("{}")
	}
	return raw
}

func example(schema any, depth int) any {
	s, ok := schema.(*expr.Object)
	if !ok || depth == 0 {
		return "<unknown>"
	}
	if examples, _ := s.Get("examples"); examples != nil {
		if list, ok := examples.([]any); ok && len(list) > 0 {
			return list[0]
		}
	}
	kind, _ := s.Get("type")
	switch kind {
	case "object":
		out := &expr.Object{}
		properties, _ := s.Get("properties")
		if named, ok := properties.(*expr.Object); ok {
			for name, of := range named.All() {
				out.Set(name, example(of, depth-1))
			}
		}
		return out
	case "array":
		if items, ok := s.Get("items"); ok {
			if list, ok := items.([]any); ok && len(list) > 0 {
				items = list[0]
			}
			return []any{example(items, depth-1)}
		}
		return []any{}
	case "string":
		return "<example>"
	case "number":
		return 0.0
	case "boolean":
		return false
	}
	return "<unknown>"
}
