package templates

import (
	"fmt"
	"slices"
	"strings"
)

// question is what the form asks for under one name.
type question struct {
	at      mark
	path    string
	kind    string   // "" = not one of string, number, boolean, array, object, or not always the same
	choices []string // of a string with an enum
	asked   bool     // the form itself depends on the answer
}

// form is what the pages ask for.
type form struct {
	questions map[string]*question
	names     []string // in the order of the file
	secrets   []string // names of fields that put their value into the secrets
	open      bool     // the pages leave open what else may be answered
	decorated bool     // a decorator may add answers and secrets
}

func formOf(t *Template) *form {
	f := &form{questions: map[string]*question{}}
	f.decorated = t.spec("formDecorators") != nil || t.spec("EXPERIMENTAL_formDecorators") != nil
	for i, page := range t.pageNodes() {
		path := "spec.parameters"
		if t.spec("parameters").kind == listNode {
			path = fmt.Sprintf("%s[%d]", path, i)
		}
		f.open = f.open || !collectProperties(page, map[string]bool{})
		f.schema(page, path, false)
	}
	return f
}

// schema collects the questions of a schema that applies to all answers; in a condition they are only read.
func (f *form) schema(n *node, path string, condition bool) {
	if n.kind != mapNode {
		return
	}
	for _, e := range n.entries {
		at := path + "." + e.key
		switch e.key {
		case "properties":
			for _, p := range e.value.entries {
				f.question(p, at+"."+p.key, condition)
			}
		case "allOf", "anyOf", "oneOf":
			for i, item := range e.value.items {
				f.schema(item, fmt.Sprintf("%s[%d]", at, i), condition)
			}
		case "if":
			f.schema(e.value, at, true)
		case "then", "else":
			f.schema(e.value, at, condition)
		case "dependencies", "dependentSchemas", "dependentRequired":
			for _, d := range e.value.entries {
				f.read(d.key)
				f.schema(d.value, at+"."+d.key, condition)
			}
		}
	}
}

func (f *form) read(name string) {
	if q := f.questions[name]; q != nil {
		q.asked = true
		return
	}
	f.questions[name] = &question{asked: true}
}

func (f *form) question(e entry, path string, condition bool) {
	q := f.questions[e.key]
	if q == nil {
		q = &question{}
		f.questions[e.key] = q
	}
	if condition || e.value.get("const") != nil {
		q.asked = true // a branch of the form is chosen by it
		if condition {
			return
		}
	}
	kind, choices := kindOfSchema(e.value)
	if q.path == "" {
		q.at, q.path, q.kind, q.choices = e.mark, path, kind, choices
		f.names = append(f.names, e.key)
	} else if e.value.get("const") == nil && (q.kind != kind || !slices.Equal(q.choices, choices)) {
		q.kind, q.choices = "", nil
	}
	if field := e.value.get("ui:field"); field != nil && field.text == "Secret" {
		f.secrets = append(f.secrets, e.key)
	}
	options := e.value.get("ui:options")
	if key := options.get("requestUserCredentials").get("secretsKey"); key != nil {
		f.secrets = append(f.secrets, key.text)
	}
}

func kindOfSchema(n *node) (kind string, choices []string) {
	v := n.get("type")
	if v == nil || v.kind != stringNode {
		return "", nil
	}
	switch v.text {
	case "integer":
		return "number", nil
	case "number", "boolean", "array", "object":
		return v.text, nil
	case "string":
		if enum := n.get("enum"); enum != nil && enum.kind == listNode {
			for _, item := range enum.items {
				if item.kind != stringNode {
					return "string", nil
				}
				choices = append(choices, item.text)
			}
		}
		return "string", choices
	}
	return "", nil
}

// unusedParameters warns of questions whose answers nothing reads.
func (l *linter) unusedParameters() {
	used, all := map[string]bool{}, false
	l.everyText(func(t text) {
		for _, ref := range t.parsed.References() {
			if ref.Path[0] != "parameters" {
				continue
			}
			if len(ref.Path) == 1 {
				all = true
			} else {
				used[ref.Path[1]] = true
			}
		}
	})
	if all {
		return
	}
	for _, name := range l.params.names {
		q := l.params.questions[name]
		if used[name] || q.asked || l.mentioned(name) {
			continue
		}
		if slices.Contains(l.params.secrets, name) {
			continue // what is read is the secret
		}
		l.warn(q.at, q.path, "unused-parameter", fmt.Sprintf("nothing reads the answer %q", name), "")
	}
}

// mentioned says whether an expression that can't be parsed, so that what it reads is unknown, has the name in it.
func (l *linter) mentioned(name string) bool {
	found := false
	look := func(n *node, _ string) {
		if hasTags(n.text) && strings.Contains(n.text, name) {
			if _, err := l.parseText(n, ""); err != nil {
				found = true
			}
		}
	}
	for i := range l.t.steps {
		l.t.steps[i].node.strings("", look)
	}
	l.t.spec("output").strings("", look)
	return found
}

// everyText visits whatever expression stands in the steps and the output.
func (l *linter) everyText(visit func(text)) {
	for i := range l.t.steps {
		l.readable(l.t.steps[i].node, l.t.steps[i].path, visit)
	}
	l.readable(l.t.spec("output"), "spec.output", visit)
}
