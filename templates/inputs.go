package templates

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	schemakind "github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// inputSchema is an action's input schema, ready to check with.
type inputSchema struct {
	compiled *jsonschema.Schema
	names    []string
}

// schemaOf gives the input schema of an action, nil if it has none that can be read.
func (c *compiler) schemaOf(a plan.Action) *inputSchema {
	if s, ok := c.schemas[a.ID]; ok {
		return s
	}
	c.schemas[a.ID] = nil
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Input))
	if err != nil {
		return nil
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // a schema reaches for nothing outside itself
	if compiler.AddResource("mem:input", doc) != nil {
		return nil
	}
	compiled, err := compiler.Compile("mem:input")
	if err != nil {
		return nil
	}
	s := &inputSchema{compiled: compiled, names: keysOf(compiled.Properties)}
	c.schemas[a.ID] = s
	return s
}

// input checks what a step gives its action, as far as it is written out: a value with an expression
// in it passes.
func (c *compiler) input(s *step, action plan.Action) {
	schema := c.schemaOf(action)
	if schema == nil {
		return
	}
	input := s.input
	if input == nil {
		input = &node{mark: s.mark, kind: mapNode}
	}
	said := len(c.refused) + len(c.advice)
	if invalid, ok := schema.compiled.Validate(input.plain()).(*jsonschema.ValidationError); ok {
		c.mismatch(s, action, input, schema, invalid)
	}
	if action.Valid != nil && said == len(c.refused)+len(c.advice) {
		c.invalid(s, action, input)
	}
}

// standin is what an expression comes to, as far as actions are told before a run.
const standin = "<value>"

// invalid checks what the action itself says of an input that fits its schema.
func (c *compiler) invalid(s *step, action plan.Action, input *node) {
	err := action.Valid(input.json(func(text string) string {
		if hasTags(text) {
			return standin
		}
		return text
	}))
	if err == nil {
		return
	}
	told := fault.From(err)
	if len(told.Problems) == 0 {
		told.Problems = []fault.Problem{{Path: "input", Says: told.Public}}
	}
	for _, p := range told.Problems {
		at, where := input.find(strings.FieldsFunc(strings.TrimPrefix(p.Path, "input"), func(r rune) bool { return strings.ContainsRune(".[]", r) }))
		c.strictly(at.mark, s.path+".input"+where, "input-schema", fmt.Sprintf("%s: %s: %s", action.ID, nameOf(strings.TrimPrefix(p.Path, "input")), p.Says), p.Try)
	}
}

var english = message.NewPrinter(language.English)

// mismatch reports the leaves of a validation error.
func (c *compiler) mismatch(s *step, action plan.Action, input *node, schema *inputSchema, e *jsonschema.ValidationError) {
	at, where := input.find(e.InstanceLocation)
	path := s.path + ".input" + where
	says := func(says, try string) { c.strictly(at.mark, path, "input-schema", says, try) }
	switch k := e.ErrorKind.(type) {
	case *schemakind.Required:
		for _, name := range k.Missing {
			says(fmt.Sprintf("%s needs the input %q", action.ID, strings.TrimPrefix(where+"."+name, ".")), "")
		}
		return
	case *schemakind.AdditionalProperties:
		for _, name := range k.Properties {
			try := ""
			if len(e.InstanceLocation) == 0 {
				try = c.nearest(name, schema.names)
			}
			c.strictly(at.keyMark(name), under(path, name), "input-schema",
				fmt.Sprintf("%s has no input %q", action.ID, strings.TrimPrefix(where+"."+name, ".")), try)
		}
		return
	case *schemakind.AnyOf, *schemakind.OneOf:
		if !at.templated() {
			says(fmt.Sprintf("%s: %s fits none of the forms it may have", action.ID, nameOf(where)), "")
		}
		return
	}
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			c.mismatch(s, action, input, schema, cause)
		}
		return
	}
	if !at.templated() {
		says(fmt.Sprintf("%s: %s: %s", action.ID, nameOf(where), e.ErrorKind.LocalizedString(english)), "")
	}
}

func nameOf(where string) string {
	if where == "" {
		return "the input"
	}
	return "input " + strings.TrimPrefix(where, ".")
}

// plain gives the value as the validator takes it.
func (n *node) plain() any {
	switch n.kind {
	case boolNode:
		return n.text == "true"
	case numberNode:
		f, _ := strconv.ParseFloat(n.text, 64) // its text was written from a float
		return f
	case stringNode:
		return n.text
	case listNode:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = item.plain()
		}
		return items
	case mapNode:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = e.value.plain()
		}
		return m
	}
	return nil
}

// find gives the value at a location, or the last one on the way to it, and the way as text.
func (n *node) find(location []string) (*node, string) {
	where := ""
	for _, part := range location {
		next := n.get(part)
		if i, err := strconv.Atoi(part); n.kind == listNode && err == nil && i < len(n.items) {
			next = n.items[i]
			part = "[" + part + "]"
		} else {
			part = "." + part
		}
		if next == nil {
			break
		}
		n, where = next, where+part
	}
	return n, where
}

func (n *node) keyMark(key string) mark {
	if i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key }); i >= 0 {
		return n.entries[i].mark
	}
	return n.mark
}

// templated says whether an expression stands in the value.
func (n *node) templated() bool {
	found := false
	n.strings("", func(n *node, _ string) { found = found || hasTags(n.text) })
	return found
}
