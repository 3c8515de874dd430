package templates

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Schema is the JSON Schema (draft-07) of a version of the template entity, for editors: every field
// with its description, the ids of the actions and, by the action of a step, its inputs. v3's is strict;
// v1beta3's accepts what Backstage accepts. version is V3 or V1Beta3.
func Schema(version string, actions Actions) ([]byte, error) {
	s := schema{strict: version == V3, actions: actions}
	if !s.strict && version != V1Beta3 {
		return nil, fmt.Errorf("there is no schema of %q", version)
	}
	return json.MarshalIndent(s.entity(version), "", "  ")
}

// object is a part of a JSON Schema.
type object = map[string]any

type schema struct {
	strict  bool
	actions Actions
}

// closed is an object of known fields; only the strict version refuses others.
func (s schema) closed(description string, fields object, required ...string) object {
	o := object{"type": "object", "description": description, "properties": fields}
	if len(required) > 0 {
		o["required"] = required
	}
	if s.strict {
		o["additionalProperties"] = false
	}
	return o
}

func openObject(description string, fields object) object {
	return object{"type": "object", "description": description, "properties": fields}
}

// orNothing lets a field stand there without a value, which is as if it did not.
func orNothing(o object) object {
	o["type"] = []string{o["type"].(string), "null"}
	return o
}

func refTo(name, description string) object {
	return object{"allOf": []any{object{"$ref": "#/definitions/" + name}}, "description": description}
}

func textField(description string) object {
	return object{"type": "string", "description": description}
}

func listOf(item object, description string) object {
	return object{"type": "array", "description": description, "items": item}
}

func oneOfTexts(description string, values ...string) object {
	return object{"type": "string", "description": description, "enum": values}
}

func durationField(description string) object {
	return object{
		"type": "string", "description": description + " Written like 90s, 15m, 12h or 30d.",
		"allOf": []any{object{"pattern": `^([0-9]{1,5}d)?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`}, object{"pattern": `[1-9]`}},
	}
}

func countField(description string, most int) object {
	return object{"type": "integer", "description": description, "minimum": 1, "maximum": most}
}

func (s schema) entity(version string) object {
	name := object{
		"type": "string", "minLength": 1, "maxLength": 63, "pattern": `^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`,
		"description": "The name that the template is found by: letters, digits and inner - _ .",
	}
	metadata := openObject("What every catalog entity has.", object{
		"name":        name,
		"namespace":   textField("The namespace in the catalog. Default: default"),
		"title":       textField("What people see instead of the name."),
		"description": textField("What the template is for."),
		"labels":      object{"type": "object", "description": "Labels of the catalog entity.", "additionalProperties": object{"type": "string"}},
		"annotations": object{"type": "object", "description": "Annotations of the catalog entity.", "additionalProperties": object{"type": "string"}},
		"tags":        listOf(object{"type": "string"}, "Single words that the template is filtered by, e.g. recommended."),
		"links": listOf(openObject("A link of the catalog entity.", object{
			"url": textField("Where it leads."), "title": textField("What it says."), "icon": textField("The key of one of the portal's icons."), "type": textField("What kind of link it is."),
		}), "Links that the catalog shows."),
	})
	metadata["required"] = []string{"name"}
	root := s.closed("A software template.", object{
		"apiVersion": object{"const": version, "description": "The version of the template language."},
		"kind":       object{"const": "Template", "description": "The kind of the catalog entity."},
		"metadata":   metadata,
		"spec":       s.spec(),
	}, "apiVersion", "kind", "metadata", "spec")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Template " + version
	root["definitions"] = s.definitions()
	return root
}

func (s schema) spec() object {
	fields := object{
		"type":      object{"type": "string", "minLength": 1, "description": "What the template makes, e.g. service, website or library."},
		"owner":     textField("The catalog entity that owns the template, e.g. group:default/platform."),
		"lifecycle": textField("The lifecycle of the template, e.g. production."),
		"parameters": object{
			"description": "What the form asks for: a page, or a list of pages, each a JSON Schema.",
			"anyOf":       []any{object{"$ref": "#/definitions/page"}, object{"type": "array", "items": object{"$ref": "#/definitions/page"}}, object{"type": "null"}},
		},
		"secrets": s.closed("Secrets that a run is given.", object{
			"schema": refTo("page", "A JSON Schema that the secrets are checked against."),
		}),
		"presentation": s.closed("How the form looks.", object{
			"buttonLabels": s.closed("What the buttons of the form say.", object{
				"backButtonText": textField("The button to the page before."), "createButtonText": textField("The button that starts the run."),
				"reviewButtonText": textField("The button to the review."),
			}),
		}),
		"formDecorators": listOf(s.decorator(), "Decorators that run in the browser before the form is submitted."),
		"EXPERIMENTAL_formDecorators": object{
			"type": "array", "items": s.decorator(), "description": "An older name of formDecorators.", "deprecated": true,
		},
		"EXPERIMENTAL_recovery": s.closed("What becomes of a run whose worker was lost.", object{
			"EXPERIMENTAL_strategy": oneOfTexts("none, or startOver. Default: none", "none", "startOver"),
		}),
		"steps":  listOf(object{"$ref": "#/definitions/step"}, "What a run does."),
		"output": orNothing(s.output()),
	}
	if s.strict {
		fields["execution"] = oneOfTexts("Whether steps start as soon as what they need is there, or one after the other. Default: dag", "dag", "sequential")
		fields["onFailure"] = oneOfTexts("What becomes of the finished steps of a run that fails. Default: undo", "undo", "keep")
		fields["parallel"] = countField("How many steps run at once. Default: 8", maxParallel)
	}
	return s.closed("What the template asks for, does and gives.", fields, "type", "steps")
}

func (s schema) decorator() object {
	return s.closed("A decorator.", object{"id": textField("Which decorator."), "input": object{"type": "object", "description": "What it is given."}})
}

func (s schema) output() object {
	condition := object{"type": []string{"string", "boolean"}, "description": "The entry is left out if this is false."}
	links := listOf(s.closed("A link to what the run made.", object{
		"if": condition, "url": textField("Where it leads."), "entityRef": textField("The catalog entity that it leads to, instead of a URL."),
		"title": textField("What it says."), "icon": textField("The key of one of the portal's icons."),
	}), "Links that the portal shows when the run has ended.")
	texts := listOf(s.closed("A text.", object{
		"if": condition, "title": textField("Its heading."), "icon": textField("The key of one of the portal's icons."),
		"content": textField("Markdown."), "default": object{"type": []string{"boolean", "string"}, "description": "Shown first."},
	}), "Texts that the portal shows when the run has ended.")
	return object{
		"type": "object", "description": "What a run gives: rendered when all steps have ended and none has failed.",
		"properties": object{"links": links, "text": texts}, "additionalProperties": object{"type": "string"},
	}
}

func (s schema) definitions() object {
	defs := object{"page": s.page(), "field": fieldSchema(), "step": s.step()}
	if s.strict {
		defs["branch"] = s.closed("One way that a switch can go.", object{
			"if":    object{"type": []string{"string", "boolean"}, "description": "The branch is chosen if this is true and no branch before it was. Without it, the branch is chosen if no other was."},
			"steps": listOf(object{"$ref": "#/definitions/step"}, "What is done if the branch is chosen."),
		}, "steps")
	}
	for _, id := range slices.Sorted(maps.Keys(s.actions)) {
		defs["input:"+id] = inputSchemaOf(s.actions[id])
	}
	return defs
}
