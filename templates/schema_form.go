package templates

// page is the schema of one page of the form. It describes what people write most and leaves the rest open.
func (s schema) page() object {
	page := openObject("A page of the form: a JSON Schema.", formKeywords())
	fields := page["properties"].(object)
	fields["title"] = textField("The heading of the page.")
	fields["description"] = textField("What stands below the heading.")
	fields["ui:order"] = listOf(object{"type": "string"}, "The order of the fields; * stands for the others.")
	fields["backstage:permissions"] = s.closed("Who sees the page.", object{
		"tags": listOf(object{"type": "string"}, "Tags that the portal's permission policy decides by."),
	})
	return page
}

// field is the schema of one question.
func fieldSchema() object {
	f := openObject("A question: a JSON Schema.", formKeywords())
	fields := f["properties"].(object)
	fields["title"] = textField("What stands above the field.")
	fields["description"] = textField("What stands below the field.")
	f["type"] = []string{"object", "boolean"}
	return f
}

func formKeywords() object {
	field := object{"$ref": "#/definitions/field"}
	fields := func(description string) object {
		return object{"type": "object", "description": description, "additionalProperties": field}
	}
	any := func(description string) object { return object{"description": description} }
	number := func(description string) object { return object{"type": "number", "description": description} }
	whole := func(description string) object {
		return object{"type": "integer", "minimum": 0, "description": description}
	}
	return object{
		"type": object{"type": []string{"string", "array"}, "description": "string, number, integer, boolean, array, object or null."},
		"required": object{
			"type": []string{"array", "boolean"}, "items": object{"type": "string"}, "description": "The names of the fields that have to be answered.",
		},
		"properties":           fields("The fields, by the name that expressions read them by: parameters.<name>."),
		"definitions":          fields("Schemas that $ref leads to."),
		"dependencies":         object{"type": "object", "description": "What is asked depending on whether another field has an answer."},
		"allOf":                listOf(field, "All of these hold."),
		"anyOf":                listOf(field, "At least one of these holds."),
		"oneOf":                listOf(field, "Exactly one of these holds."),
		"not":                  field,
		"if":                   field,
		"then":                 field,
		"else":                 field,
		"items":                any("What an item of the list is."),
		"enum":                 object{"type": "array", "description": "The answers that can be chosen."},
		"enumNames":            object{"type": "array", "description": "What people see instead of the answers of enum."},
		"const":                any("The only answer."),
		"default":              any("What the form begins with. A portal that leaves the answer out leaves it out."),
		"pattern":              object{"type": "string", "format": "regex", "description": "A regular expression of JavaScript that the answer matches."},
		"format":               textField("The form of a text, e.g. date, email or uri."),
		"minLength":            whole("At least so many characters."),
		"maxLength":            whole("At most so many characters."),
		"minItems":             whole("At least so many items."),
		"maxItems":             whole("At most so many items."),
		"uniqueItems":          object{"type": "boolean", "description": "No item twice."},
		"minimum":              number("At least."),
		"maximum":              number("At most."),
		"multipleOf":           number("A multiple of this."),
		"ui:field":             textField("The field that asks, e.g. RepoUrlPicker, OwnerPicker, EntityPicker or Secret."),
		"ui:widget":            textField("The widget that asks, e.g. textarea, radio or password."),
		"ui:options":           object{"type": "object", "description": "What the field or widget is told."},
		"ui:autofocus":         object{"type": "boolean", "description": "The form opens with this field."},
		"ui:help":              textField("What stands below the field."),
		"ui:placeholder":       textField("What an empty field shows."),
		"ui:disabled":          object{"type": "boolean", "description": "The answer can't be changed."},
		"ui:readonly":          object{"type": "boolean", "description": "The answer can't be changed."},
		"ui:enumDisabled":      object{"type": "array", "description": "Answers that can be seen and not chosen."},
		"ui:backstage":         object{"type": "object", "description": "How the review shows the answer: review.show, review.mask, review.name; and featureFlag."},
		"additionalProperties": any("Whether there may be other answers than the ones asked for."),
	}
}
