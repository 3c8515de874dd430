package dryrun

import (
	"encoding/json"

	"github.com/gildway/gildway/internal/expr"
)

// exampleDepth bounds schemas that nest without end.
const exampleDepth = 20

// madeUp makes up what an action with this output schema could give: the first example of
// each part, or a value of its type. It is always an object.
func madeUp(schema json.RawMessage) json.RawMessage {
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
	if examples, ok := s.Get("examples"); ok {
		if list, ok := examples.([]any); ok && len(list) > 0 {
			return list[0]
		}
	}
	kind, _ := s.Get("type")
	switch kind {
	case "object":
		out := &expr.Object{}
		properties, _ := s.Get("properties")
		if properties, ok := properties.(*expr.Object); ok {
			for name, property := range properties.All() {
				out.Set(name, example(property, depth-1))
			}
		}
		return out
	case "array":
		items, _ := s.Get("items")
		if list, ok := items.([]any); ok && len(list) > 0 {
			items = list[0]
		}
		if _, ok := items.(*expr.Object); !ok {
			return []any{}
		}
		return []any{example(items, depth-1)}
	case "string":
		return "<example>"
	case "number", "integer":
		return 0.0
	case "boolean":
		return false
	}
	return "<unknown>"
}
