package templates

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/nearest"
)

// pages checks that values can be checked: every pattern is one and every reference leads somewhere.
func (c *compiler) pages() {
	for i, page := range c.t.pageNodes() {
		path := "spec.parameters"
		if c.t.spec("parameters").kind == listNode {
			path = nth(path, i)
		}
		c.formSchema(page, path)
		c.requiredNames(page, path)
	}
	if schema := c.t.spec("secrets").get("schema"); schema != nil {
		c.formSchema(schema, "spec.secrets.schema")
	}
}

func (c *compiler) formSchema(schema *node, path string) {
	root, err := conform.Read(schema.json(verbatim))
	if err != nil {
		c.refuse(schema.mark, path, "bad-schema", "the schema is not JSON", "")
		return
	}
	c.keywords(schema, path, root)
}

// requiredNames finds what a page requires and no page asks for: nobody could ever submit the form.
func (c *compiler) requiredNames(page *node, path string) {
	names := c.declaredParameters()
	required := page.get("required")
	if names == nil || c.t.FormDecorators() != nil || required == nil {
		return
	}
	for i, item := range required.items {
		if item.kind == stringNode && !names[item.text] {
			c.strictly(item.mark, nth(path+".required", i), "bad-schema", fmt.Sprintf("%q is required, and no page asks for it", item.text),
				c.nearest(item.text, keysOf(names)))
		}
	}
}

// numericKeywords take a number.
var numericKeywords = []string{
	"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"minItems", "maxItems", "minProperties", "maxProperties",
}

// plainKeywords hold data, not schemas.
var plainKeywords = []string{"default", "enum", "const", "examples"}

func (c *compiler) keywords(n *node, path string, root *conform.Schema) {
	for i, item := range n.items {
		c.keywords(item, nth(path, i), root)
	}
	for _, e := range n.entries {
		at := under(path, e.key)
		switch text := e.value.kind == stringNode; {
		case text && (e.key == "enum" || e.key == "required"):
			c.strictly(e.value.mark, at, "bad-schema", e.key+" takes a list; this is a text", fmt.Sprintf("%s: [%s]", e.key, e.value.text))
		case text && slices.Contains(numericKeywords, e.key):
			c.strictly(e.value.mark, at, "bad-schema", e.key+" takes a number; this is a text", "")
		case slices.Contains(plainKeywords, e.key) || strings.HasPrefix(e.key, "ui:"):
		case e.key == "pattern" && e.value.kind == stringNode:
			if err := conform.CheckPattern(e.value.text); err != nil {
				c.strictly(e.value.mark, at, "bad-schema", fmt.Sprintf("the pattern %.100q is not a regular expression", e.value.text), "")
			}
		case e.key == "type" && e.value.kind != mapNode && !strings.HasSuffix(path, ".dependencies"):
			c.types(e.value, at)
		case e.key == "$ref" && e.value.kind == stringNode:
			if !root.Leads(e.value.text) {
				c.strictly(e.value.mark, at, "bad-schema", fmt.Sprintf("%q leads nowhere in this page", e.value.text), "#/definitions/…")
			}
		default:
			c.keywords(e.value, at, root)
		}
	}
}

// types checks the types that a schema names: of one that it doesn't know every value is.
func (c *compiler) types(n *node, path string) {
	if n.kind == listNode {
		for i, item := range n.items {
			c.types(item, nth(path, i))
		}
		return
	}
	if n.kind == stringNode && n.text != "any" && !slices.Contains(conform.Types, n.text) {
		c.strictly(n.mark, path, "bad-schema", fmt.Sprintf("there is no type %q", n.text), cmp.Or(nearest.Name(n.text, conform.Types), "string"))
	}
}

// declaredParameters are the names that the pages ask for, wherever in the schema; nil if a page leaves them open, or
// if there are none and a decorator may add some.
func (c *compiler) declaredParameters() map[string]bool {
	names := map[string]bool{}
	for _, page := range c.t.pageNodes() {
		if !collectProperties(page, names) {
			return nil
		}
	}
	if len(names) == 0 && c.t.FormDecorators() != nil {
		return nil
	}
	return names
}

func collectProperties(schema *node, names map[string]bool) (closed bool) {
	for _, e := range schema.entries {
		switch e.key {
		case "properties":
			for _, p := range e.value.entries {
				names[p.key] = true
			}
		case "$ref", "patternProperties":
			return false
		case "additionalProperties":
			if e.value.kind == mapNode || e.value.text == "true" {
				return false
			}
		case "allOf", "anyOf", "oneOf":
			for _, item := range e.value.items {
				if !collectProperties(item, names) {
					return false
				}
			}
		case "if", "then", "else":
			if !collectProperties(e.value, names) {
				return false
			}
		case "dependencies", "dependentSchemas":
			for _, d := range e.value.entries {
				if !collectProperties(d.value, names) {
					return false
				}
			}
		}
	}
	return true
}
