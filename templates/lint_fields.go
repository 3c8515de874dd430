package templates

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
)

var (
	metadataFields     = []string{"name", "namespace", "title", "description", "labels", "annotations", "tags", "links", "uid", "etag", "generation", "ui:options"}
	metadataLinkFields = []string{"url", "title", "icon", "type"}
	buttonFields       = []string{"backButtonText", "createButtonText", "reviewButtonText"}
	outputLinkFields   = []string{"if", "url", "entityRef", "title", "icon"}
	outputTextFields   = []string{"if", "title", "icon", "content", "default"}
	decoratorFields    = []string{"id", "input"}

	schemaKeywords = []string{"$schema", "$id", "$ref", "$comment", "definitions", "$defs", "title", "description", "type", "properties",
		"required", "default", "examples", "enum", "enumNames", "const", "pattern", "format", "minLength", "maxLength", "minimum", "maximum",
		"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
		"minProperties", "maxProperties", "patternProperties", "additionalProperties", "propertyNames", "dependencies", "dependentSchemas",
		"dependentRequired", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "readOnly", "writeOnly", "errorMessage", "nullable",
		"backstage:permissions", "backstage:featureFlag",
		"ui:field", "ui:widget", "ui:options", "ui:order", "ui:autofocus", "ui:help", "ui:description", "ui:title", "ui:placeholder",
		"ui:disabled", "ui:readonly", "ui:hidden", "ui:backstage", "ui:enumNames", "ui:enumDisabled", "ui:emptyValue", "ui:autocomplete",
		"ui:rows", "ui:style", "ui:classNames", "ui:label", "ui:submitButtonOptions", "ui:globalOptions", "ui:ObjectFieldTemplate",
		"ui:ArrayFieldTemplate", "ui:FieldTemplate", "ui:allowedHosts", "ui:filePreview", "ui:inputType", "ui:readonlyFields", "ui:enableMarkdownInDescription"}
)

// fields warns of fields that nothing reads, at every level that Parse doesn't refuse them at.
func (l *linter) fields() {
	root, spec := l.t.root, l.t.root.get("spec")
	l.known(root, "", entityFields)
	metadata := root.get("metadata")
	l.slips(metadata, "metadata", metadataFields)
	l.each(metadata.get("links"), "metadata.links", func(n *node, path string) { l.known(n, path, metadataLinkFields) })
	l.known(spec, "spec", specFields)
	l.known(spec.get("presentation"), "spec.presentation", []string{"buttonLabels"})
	l.known(spec.get("presentation").get("buttonLabels"), "spec.presentation.buttonLabels", buttonFields)
	l.known(spec.get("secrets"), "spec.secrets", []string{"schema"})
	l.known(spec.get("EXPERIMENTAL_recovery"), "spec.EXPERIMENTAL_recovery", []string{"EXPERIMENTAL_strategy"})
	for _, key := range []string{"formDecorators", "EXPERIMENTAL_formDecorators"} {
		l.each(spec.get(key), "spec."+key, func(n *node, path string) { l.known(n, path, decoratorFields) })
	}
	if n := spec.get("EXPERIMENTAL_formDecorators"); n != nil {
		l.warn(root.get("spec").keyMark("EXPERIMENTAL_formDecorators"), "spec.EXPERIMENTAL_formDecorators", "deprecated-name",
			`"EXPERIMENTAL_formDecorators" is an older name`, "formDecorators")
	}
	for i := range l.t.steps {
		s := &l.t.steps[i]
		l.known(s.node, s.path, stepFields)
		l.known(s.node.get("retry"), s.path+".retry", retryFields)
		l.known(s.node.get("lease"), s.path+".lease", leaseFields)
		l.known(s.node.get("backstage:permissions"), s.path+".backstage:permissions", []string{"tags"})
	}
	output := spec.get("output")
	l.slips(output, "spec.output", []string{"links", "text"})
	l.each(output.get("links"), "spec.output.links", func(n *node, path string) { l.known(n, path, outputLinkFields) })
	l.each(output.get("text"), "spec.output.text", func(n *node, path string) { l.known(n, path, outputTextFields) })
	for i, page := range l.t.pageNodes() {
		path := "spec.parameters"
		if spec.get("parameters").kind == listNode {
			path = fmt.Sprintf("%s[%d]", path, i)
		}
		l.schemaSlips(page, path)
	}
}

func (l *linter) each(n *node, path string, visit func(*node, string)) {
	if n == nil {
		return
	}
	for i, item := range n.items {
		visit(item, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (l *linter) known(n *node, path string, fields []string) {
	if n == nil {
		return
	}
	for _, e := range n.entries {
		if !slices.Contains(fields, e.key) {
			l.warn(e.mark, join(path, e.key), "unknown-field", fmt.Sprintf("there is no field %q here", e.key), suggestField(e.key, fields))
		}
	}
}

// slips warns only of names that are nearly one of the fields: others may be there too.
func (l *linter) slips(n *node, path string, fields []string) {
	if n == nil {
		return
	}
	for _, e := range n.entries {
		if slices.Contains(fields, e.key) || len(e.key) < 4 {
			continue
		}
		if near := nearest.Name(e.key, fields); near != "" && !n.given(near) {
			l.warn(e.mark, join(path, e.key), "unknown-field", fmt.Sprintf("there is no field %q here", e.key), near)
		}
	}
}

// schemaSlips looks for misspelt keywords in a JSON Schema of the form.
func (l *linter) schemaSlips(n *node, path string) {
	if n == nil || n.kind != mapNode {
		return
	}
	l.slips(n, path, schemaKeywords)
	for _, e := range n.entries {
		at := path + "." + e.key
		switch e.key {
		case "properties", "definitions", "$defs", "patternProperties", "dependencies", "dependentSchemas":
			for _, p := range e.value.entries {
				l.schemaSlips(p.value, at+"."+p.key)
			}
		case "allOf", "anyOf", "oneOf":
			l.each(e.value, at, l.schemaSlips)
		case "items", "if", "then", "else", "not", "additionalProperties", "contains":
			l.schemaSlips(e.value, at)
			l.each(e.value, at, l.schemaSlips)
		}
	}
}

// keys warns of expressions in keys, which are never evaluated, and of names that hide what expressions read.
func (l *linter) keys() {
	for i := range l.t.steps {
		s := &l.t.steps[i]
		l.templatedKeys(s.node.get("input"), s.path+".input")
		l.templatedKeys(s.node.get("each"), s.path+".each")
	}
	l.templatedKeys(l.t.spec("output"), "spec.output")
	l.everyText(func(t text) {
		expr.Walk(t.parsed.Root(), func(n expr.Node) bool {
			for _, name := range boundBy(n) {
				if slices.Contains(contextNames, name.Name) {
					l.warn(l.place(t, name.Pos().Offset), t.path, "shadowed-name",
						fmt.Sprintf("%q hides the %s that every expression reads", name.Name, name.Name), "")
				}
			}
			return true
		})
	})
}

func boundBy(n expr.Node) []*expr.NameExpr {
	switch n := n.(type) {
	case *expr.SetStmt:
		return n.Targets
	case *expr.ForStmt:
		return n.Targets
	case *expr.MacroStmt:
		return append([]*expr.NameExpr{n.Name}, n.Params.Names...)
	case *expr.CallerExpr:
		return n.Params.Names
	}
	return nil
}

func (l *linter) templatedKeys(n *node, path string) {
	if n == nil {
		return
	}
	l.each(n, path, l.templatedKeys)
	for _, e := range n.entries {
		if strings.Contains(e.key, "${{") {
			l.warn(e.mark, path+"."+e.key, "templated-key", fmt.Sprintf("the key %q stays as it is: only values are evaluated", e.key), "")
		}
		l.templatedKeys(e.value, path+"."+e.key)
	}
}

// inputsWithoutEffect warns of inputs that an action accepts and does not read, or refuses together.
func (l *linter) inputsWithoutEffect() {
	for i := range l.t.steps {
		s := &l.t.steps[i]
		input := s.node.get("input")
		if s.action != "fetch:template" || input == nil {
			continue
		}
		path := s.path + ".input."
		if input.given("copyWithoutRender") {
			l.warn(input.keyMark("copyWithoutRender"), path+"copyWithoutRender", "input-without-effect",
				`"copyWithoutRender" is accepted and not read: the files are rendered`, "copyWithoutTemplating")
		}
		if ext := input.get("templateFileExtension"); ext != nil && ext.kind != nullNode && ext.text != "false" {
			for _, other := range []string{"copyWithoutTemplating", "cookiecutterCompat"} {
				if v := input.get(other); v != nil && v.kind != nullNode && v.text != "false" {
					l.warn(input.keyMark(other), path+other, "conflicting-inputs",
						fmt.Sprintf("fetch:template fails if %q is given together with templateFileExtension", other), "remove one of the two")
				}
			}
		}
	}
}

// dashedIDs warns of steps.some-id in v1beta3, which is a subtraction there.
func (l *linter) dashedIDs() {
	if l.strict() {
		return
	}
	look := func(n *node, path string) {
		var at cursor
		for _, tag := range tag.FindAllStringIndex(n.text, -1) {
			for _, m := range inTag.FindAllStringIndex(n.text[tag[0]:tag[1]], -1) {
				offset := tag[0] + m[0]
				if id := l.dashedID(n.text[offset:]); id != "" {
					l.warn(l.locate(n, &at, offset), path, "dashed-step-id", fmt.Sprintf("%q is a subtraction", "steps."+id), "steps['"+id+"']")
				}
			}
		}
	}
	for i := range l.t.steps {
		l.t.steps[i].node.strings(l.t.steps[i].path, look)
	}
	l.t.spec("output").strings("spec.output", look)
}

// onlyDashed leaves out what Lint says of the parts of a reference that has a dashed id.
func (l *linter) onlyDashed(problems []fault.Problem) []fault.Problem {
	type span struct{ line, from, to int }
	var dashed []span
	for _, p := range problems {
		if p.Rule == "dashed-step-id" {
			dashed = append(dashed, span{p.Line, p.Column, p.Column + len(p.Try) - len("['']")})
		}
	}
	return slices.DeleteFunc(problems, func(p fault.Problem) bool {
		return (p.Rule == "unknown-step" || p.Rule == "unknown-name") && slices.ContainsFunc(dashed, func(s span) bool {
			return p.Line == s.line && s.from <= p.Column && p.Column <= s.to
		})
	})
}
