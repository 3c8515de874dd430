package templates

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/gildway/gildway/internal/plan"
)

// step is the schema of a step: by its action it says which inputs there are.
func (s schema) step() object {
	ids := slices.Sorted(maps.Keys(s.actions))
	var described []any
	var inputs []any
	for _, id := range ids {
		described = append(described, object{"const": id, "description": s.actions[id].Description})
		input := object{"$ref": "#/definitions/input:" + id}
		then := object{"properties": object{"input": object{"anyOf": []any{input, object{"type": "null"}}}}}
		if needsInput(s.actions[id]) {
			then = object{"properties": object{"input": input}, "required": []string{"input"}}
		}
		inputs = append(inputs, object{
			"if":   object{"properties": object{"action": object{"const": id}}, "required": []string{"action"}},
			"then": then,
		})
	}
	if !s.strict {
		described = append(described, object{"type": "string"}) // a Backstage has actions of its own
	}
	fields := object{
		"id":     textField("The id that expressions find the step by: letters, digits, - and _. Default: step-<number>"),
		"name":   orNothing(textField("What people see of the step. Default: its action")),
		"action": object{"description": "What the step does.", "anyOf": described},
		"input":  orNothing(object{"type": "object", "description": "What the action is given. ${{ }} is evaluated in every value."}),
		"if":     object{"type": []string{"string", "boolean", "null"}, "description": "The step is skipped if this is false. Write one ${{ }} and nothing around it."},
		"each":   object{"type": []string{"string", "array", "object"}, "description": "The step runs once for every item, which it sees as each.key and each.value."},
		"backstage:permissions": s.closed("Who may use the step.", object{
			"tags": listOf(object{"type": "string"}, "Tags that the portal's permission policy decides by."),
		}),
	}
	step := s.closed("A step.", fields)
	if s.strict {
		strictID := `^[A-Za-z][A-Za-z0-9_-]{0,62}$`
		fields["id"].(object)["pattern"], fields["id"].(object)["not"] = strictID, object{"enum": unreadableIDs}
		s.policy(fields)
		fields["switch"] = object{
			"type": "object", "description": "Named branches, asked in their order; the first whose condition is true is done. The step has no action then.",
			"minProperties": 1, "propertyNames": object{"pattern": strictID},
			"additionalProperties": object{"$ref": "#/definitions/branch"},
		}
		chooses := object{"required": []string{"switch"}, "properties": object{}}
		for _, field := range notOfSwitch {
			chooses["properties"].(object)[field] = false
		}
		step["oneOf"] = []any{object{"required": []string{"action"}, "properties": object{"switch": false}}, chooses}
	} else {
		step["required"] = []string{"action"}
	}
	step["allOf"] = inputs
	return step
}

// policy adds what only v3 says of a step.
func (s schema) policy(fields object) {
	fields["needs"] = object{
		"type": "array", "items": object{"type": "string"},
		"description": "The ids of steps that must have ended before. Steps whose output it reads need not be named. A step that has this waits for no approval that it doesn't name.",
	}
	fields["concurrency"] = countField("How many items of `each` run at once.", maxParallel)
	fields["timeout"] = durationField("How long one attempt may take.")
	fields["retry"] = s.closed("How often the step is tried.", object{
		"attempts": countField("In total.", 1000), "interval": durationField("Before the second attempt; it doubles from there."),
	})
	fields["onError"] = oneOfTexts("What the failure of the step means: the run fails, or goes on. Default: fail", "fail", "continue")
	fields["skippable"] = object{
		"type": "boolean", "description": "true: people may go on without the step while it waits for a provider; it then has no output. Default: false",
	}
	fields["undo"] = object{"type": "boolean", "description": "false: what the step did stays when the run is undone. Default: true"}
	fields["lease"] = s.closed("How long what the step grants lasts; then it is undone.", object{
		"ttl": durationField("How long."), "renewable": object{"type": "boolean", "description": "Whether it can be made to last longer."},
		"maxTtl": durationField("How long at most, with all renewals."), "remindBefore": durationField("How long before the end people are reminded."),
		"approvers": object{
			"type": "array", "items": object{"type": "string"},
			"description": "User and group refs. One of them renews, never the requester. Default: the requester or the template's owner renews.",
		},
	}, "ttl")
	renews := object{"properties": object{"renewable": object{"const": true}}, "required": []string{"renewable"}}
	fields["lease"].(object)["dependencies"] = object{"maxTtl": renews, "approvers": renews}
}

func needsInput(a plan.Action) bool {
	var s struct{ Required []string }
	return json.Unmarshal(a.Input, &s) == nil && len(s.Required) > 0
}

// inputSchemaOf is the input schema of an action in which an expression may stand for any value.
func inputSchemaOf(a plan.Action) object {
	var s object
	if json.Unmarshal(a.Input, &s) != nil {
		return object{"type": "object"}
	}
	delete(s, "$schema")
	delete(s, "$id")
	inputs, _ := s["properties"].(object)
	for name, property := range inputs {
		inputs[name] = orExpression(property)
	}
	if s["description"] == nil {
		s["description"] = "The input of " + a.ID + "."
	}
	return s
}

// orExpression lets a string with an expression stand where the schema wants anything else.
func orExpression(v any) any {
	s, ok := v.(object)
	if !ok {
		return v
	}
	if nested, ok := s["properties"].(object); ok {
		for name, property := range nested {
			nested[name] = orExpression(property)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if nested, ok := s[key].(object); ok {
			s[key] = orExpression(nested)
		}
	}
	if s["type"] == "string" && s["enum"] == nil && s["const"] == nil && s["pattern"] == nil && s["format"] == nil && s["minLength"] == nil && s["maxLength"] == nil {
		return s
	}
	if len(s) == 0 || s["type"] == nil && s["enum"] == nil && s["const"] == nil && s["anyOf"] == nil && s["oneOf"] == nil && s["$ref"] == nil {
		return s
	}
	either := object{"anyOf": []any{s, object{"type": "string", "pattern": `\$\{\{|\{%|\{#`}}}
	for _, key := range []string{"description", "default", "title", "examples", "deprecated"} {
		if note, ok := s[key]; ok {
			either[key] = note
		}
	}
	return either
}
