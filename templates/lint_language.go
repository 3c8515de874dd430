package templates

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr"
)

// contextNames are what expressions in a template can read.
var contextNames = []string{"parameters", "steps", "user", "context", "environment", "secrets", "each"}

// contextFields are what stands in those names that always hold the same.
var contextFields = map[string][]string{
	"user": {"entity", "ref"}, "context": {"task"}, "context.task": {"id"}, "environment": {"parameters", "secrets"}, "each": {"key", "value"},
}

// contextHabits are what people write for them.
var contextHabits = map[string]string{
	"context.taskId": "task.id", "environment.params": "parameters", "each.item": "value", "each.index": "key",
}

var (
	filterNames   = expr.Filters()
	testNames     = expr.Tests()
	functionNames = append([]string{"always", "failure"}, expr.Functions()...)
	methodNames   = expr.Methods()
)

// placeOfText tells what is in scope where an expression stands.
type placeOfText struct {
	step    *step // nil in the output
	secrets bool
	each    bool
}

// texts visits every string with an expression that can be read, with what is in scope there.
func (c *compiler) texts(visit func(t text, in placeOfText)) {
	for i := range c.t.steps {
		s := &c.t.steps[i]
		loop := s.node.given("each")
		in := placeOfText{step: s, secrets: true, each: loop}
		c.readable(s.node.get("each"), s.path+".each", func(t text) { visit(t, placeOfText{step: s, secrets: true}) })
		c.readable(s.node.get("input"), s.path+".input", func(t text) { visit(t, in) })
		for _, cond := range s.conditions() {
			c.readable(cond.node, cond.path, func(t text) { visit(t, placeOfText{step: s, secrets: loop, each: loop}) })
		}
	}
	c.readable(c.t.spec("output"), "spec.output", func(t text) { visit(t, placeOfText{}) })
}

// readable visits the strings below a value that hold an expression and parse.
func (c *compiler) readable(n *node, path string, visit func(text)) {
	n.strings(path, func(n *node, path string) {
		if !hasTags(n.text) {
			return
		}
		if t, err := c.parseText(n, path); err == nil {
			visit(t)
		}
	})
}

// condition is an `if` and where it stands.
type condition struct {
	node *node
	path string
}

// conditions are the `if` of a step and of the branches of its switch.
func (s *step) conditions() []condition {
	found := []condition{}
	if n := s.node.get("if"); n != nil {
		found = append(found, condition{n, s.path + ".if"})
	}
	if branches := s.node.get("switch"); branches != nil && branches.kind == mapNode {
		for _, e := range branches.entries {
			if n := e.value.get("if"); n != nil {
				found = append(found, condition{n, s.path + ".switch." + e.key + ".if"})
			}
		}
	}
	return found
}

// language refuses in v3, and warns of in v1beta3, what makes Backstage use an expression's raw text
// or find nothing: names, filters, tests, functions and methods that do not exist.
func (c *compiler) language() {
	c.texts(func(t text, in placeOfText) {
		for _, ref := range t.parsed.References() {
			c.name(t, in, ref)
		}
		for _, call := range t.parsed.Calls() {
			if !slices.Contains(functionNames, call.Name) {
				c.strictly(c.place(t, call.Pos.Offset), t.path, "unknown-function",
					fmt.Sprintf("there is no function %q", call.Name), c.nearest(call.Name, functionNames))
			}
		}
		expr.Walk(t.parsed.Root(), func(n expr.Node) bool {
			c.called(t, n)
			return true
		})
	})
}

func (c *compiler) name(t text, in placeOfText, ref expr.Reference) {
	at := func() mark { return c.place(t, ref.Pos.Offset) }
	switch name := ref.Path[0]; {
	case name == "always" || name == "failure":
		c.strictly(at(), t.path, "unknown-name", fmt.Sprintf("%q is a function: it has to be called", name), name+"()")
	case !slices.Contains(contextNames, name):
		c.strictly(at(), t.path, "unknown-name", fmt.Sprintf("there is no %q here", name), c.nearest(name, contextNames))
	case name == "each" && !in.each:
		c.strictly(at(), t.path, "each-outside-loop", "each exists only in the input and the condition of a step that has `each`", "")
	case name == "secrets" && !in.secrets:
		c.strictly(at(), t.path, "undefined-secret", "secrets are undefined here: only the input and `each` of a step see them", "")
	case name == "environment" && !in.secrets && len(ref.Path) > 1 && ref.Path[1] == "secrets":
		c.strictly(at(), t.path, "undefined-secret", "the environment has no secrets here: only the input and `each` of a step see them", "")
	default:
		c.field(t, ref)
	}
}

// field checks what is read of a name that always holds the same.
func (c *compiler) field(t text, ref expr.Reference) {
	for depth := 1; depth < len(ref.Path); depth++ {
		in := strings.Join(ref.Path[:depth], ".")
		known, closed := contextFields[in]
		if !closed {
			return
		}
		if !slices.Contains(known, ref.Path[depth]) {
			c.strictly(c.place(t, ref.Pos.Offset), t.path, "unknown-name", fmt.Sprintf("there is no %q in %s", ref.Path[depth], in),
				cmp.Or(contextHabits[in+"."+ref.Path[depth]], c.nearest(ref.Path[depth], known)))
			return
		}
	}
}

// called checks the filters, tests and methods that an expression uses.
func (c *compiler) called(t text, n expr.Node) {
	switch n := n.(type) {
	case *expr.FilterExpr:
		if !slices.Contains(filterNames, n.Name) {
			c.strictly(c.place(t, n.NamePos.Offset), t.path, "unknown-filter",
				fmt.Sprintf("there is no filter %q", n.Name), c.nearest(n.Name, filterNames))
		}
	case *expr.TestExpr:
		if name, pos, ok := testName(n); ok && !slices.Contains(testNames, name) {
			c.strictly(c.place(t, pos.Offset), t.path, "unknown-test", fmt.Sprintf("there is no test %q", name), c.nearest(name, testNames))
		}
	case *expr.CallExpr:
		lookup, ok := n.Func.(*expr.LookupExpr)
		if !ok {
			return
		}
		if key, ok := lookup.Key.(*expr.LiteralExpr); ok {
			if name, ok := key.Value.(string); ok && !slices.Contains(methodNames, name) {
				c.strictly(c.place(t, key.Pos().Offset), t.path, "unknown-method",
					fmt.Sprintf("no value has a method %q", name), c.nearest(name, methodNames))
			}
		}
	}
}

// testName gives the name of the test that follows `is`.
func testName(n *expr.TestExpr) (string, expr.Pos, bool) {
	right := n.Right
	if call, ok := right.(*expr.CallExpr); ok {
		right = call.Func
	}
	name, ok := right.(*expr.NameExpr)
	if !ok {
		return "", expr.Pos{}, false
	}
	return name.Name, name.Pos(), true
}
