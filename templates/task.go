package templates

import (
	"encoding/json"
	"slices"
)

// Page is one page of the form.
type Page struct {
	Title       string          `json:"title"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"` // as written, keys in the file's order
}

// Pages are the pages of the form in their order.
func (t *Template) Pages() []Page {
	pages := []Page{}
	for _, n := range t.pageNodes() {
		page := Page{Title: "Please enter the following information", Schema: n.json(verbatim)}
		if v := n.get("title"); v != nil && v.kind == stringNode && v.text != "" {
			page.Title = v.text
		}
		if v := n.get("description"); v != nil && v.kind == stringNode {
			page.Description = v.text
		}
		pages = append(pages, page)
	}
	return pages
}

func (t *Template) pageNodes() []*node {
	n := t.spec("parameters")
	switch {
	case n == nil:
		return nil
	case n.kind == mapNode:
		return []*node{n}
	}
	return n.items
}

func (t *Template) spec(key string) *node { return t.root.get("spec").get(key) }

// TaskSteps are the steps as Backstage stores them with a task: every key kept, id and name defaulted.
// A switch is followed by the steps of its branches.
func (t *Template) TaskSteps() []json.RawMessage {
	steps := make([]json.RawMessage, 0, len(t.steps))
	for _, s := range t.steps {
		n := s.node
		if s.isSwitch() {
			n = n.without("switch").with("action", "switch")
		}
		if !s.named.id {
			n = n.with("id", s.id)
		}
		if !s.named.name {
			n = n.with("name", s.name)
		}
		steps = append(steps, n.json(verbatim))
	}
	return steps
}

// with gives a copy of a mapping in which a key has a text: in its place, or at the end.
func (n *node) with(key, text string) *node {
	c := *n
	c.entries = slices.Clone(n.entries)
	value := &node{kind: stringNode, text: text}
	if i := slices.IndexFunc(c.entries, func(e entry) bool { return e.key == key }); i >= 0 {
		c.entries[i].value = value
	} else {
		c.entries = append(c.entries, entry{key: key, value: value})
	}
	return &c
}

// without gives a copy of a mapping that lacks a key.
func (n *node) without(key string) *node {
	c := *n
	c.entries = slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return e.key == key })
	return &c
}

// Output is spec.output as written, {} if there is none.
func (t *Template) Output() json.RawMessage {
	if n := t.spec("output"); n != nil && n.kind == mapNode {
		return n.json(verbatim)
	}
	return json.RawMessage("{}")
}

// Presentation is spec.presentation, nil if there is none.
func (t *Template) Presentation() json.RawMessage { return t.spec("presentation").json(verbatim) }

// Recovery is spec.EXPERIMENTAL_recovery, nil if there is none.
func (t *Template) Recovery() json.RawMessage { return t.spec("EXPERIMENTAL_recovery").json(verbatim) }

// FormDecorators is spec.formDecorators or its older name, nil if there is neither.
func (t *Template) FormDecorators() json.RawMessage {
	if n := t.spec("formDecorators"); n != nil {
		return n.json(verbatim)
	}
	return t.spec("EXPERIMENTAL_formDecorators").json(verbatim)
}

// UIOptions is metadata["ui:options"], nil if there is none.
func (t *Template) UIOptions() json.RawMessage {
	return t.root.get("metadata").get("ui:options").json(verbatim)
}

// SecretsSchema is the JSON Schema of the secrets, nil if there is none.
func (t *Template) SecretsSchema() json.RawMessage {
	return t.spec("secrets").get("schema").json(verbatim)
}
