package templates

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/expr"
)

// ValueError is one thing wrong with submitted values.
type ValueError = conform.Error

// CheckValues checks values against each page by itself, stops at the first page that fails and gives
// all errors of that page. Nothing is filled in.
func (t *Template) CheckValues(values json.RawMessage) []ValueError {
	for _, page := range t.Pages() {
		if errs := checkAgainst(page.Schema, values); len(errs) > 0 {
			return errs
		}
	}
	return nil
}

// CheckCorrection checks values that take the place of others as CheckValues does, but on all pages for what those before were not
// refused for: a page that somebody didn't get has asked nothing of them, and what they correct must fit it all the same.
func (t *Template) CheckCorrection(before, values json.RawMessage) []ValueError {
	for _, page := range t.Pages() {
		was := map[string]bool{}
		for _, e := range checkAgainst(page.Schema, before) {
			was[e.Stack] = true
		}
		fresh := slices.DeleteFunc(checkAgainst(page.Schema, values), func(e ValueError) bool { return was[e.Stack] })
		if len(fresh) > 0 {
			return fresh
		}
	}
	return nil
}

// CheckSecrets checks the secrets of a run against spec.secrets.schema. No value of a secret is in
// what it gives.
func (t *Template) CheckSecrets(secrets map[string]string) []ValueError {
	schema := t.SecretsSchema()
	if schema == nil {
		return nil
	}
	values, _ := json.Marshal(secrets) // a map of strings never fails
	if secrets == nil {
		values = []byte("{}")
	}
	errs := checkAgainst(schema, values)
	for i := range errs {
		e := &errs[i]
		e.Instance = json.RawMessage("{}")
		e.Property = "secrets" + strings.TrimPrefix(e.Property, "instance")
		if e.Name == "required" {
			var name string
			if json.Unmarshal(e.Argument, &name) == nil {
				e.Message = "secrets." + name + " is required"
			}
		}
		e.Stack = e.Property + " " + e.Message
	}
	return errs
}

func checkAgainst(schema, values json.RawMessage) []ValueError {
	read, err := conform.Read(schema)
	if err != nil {
		return []ValueError{{Path: []any{}, Property: "instance", Message: "can't be checked: the schema is not JSON", Name: "schema",
			Schema: json.RawMessage("{}"), Stack: "instance can't be checked: the schema is not JSON"}}
	}
	instance, err := expr.FromJSON(values)
	if err != nil {
		return []ValueError{{Path: []any{}, Property: "instance", Message: "is not JSON", Name: "type",
			Schema: schema, Stack: "instance is not JSON"}}
	}
	return read.Check(instance)
}
