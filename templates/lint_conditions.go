package templates

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/expr"
)

// conditions warns of every `if` that is decided before the run.
func (l *linter) conditions() {
	for i := range l.t.steps {
		for _, cond := range l.t.steps[i].conditions() {
			l.condition(cond.node, cond.path)
		}
	}
	for _, list := range []string{"links", "text"} {
		items := l.t.spec("output").get(list)
		if items == nil || items.kind != listNode {
			continue
		}
		for i, item := range items.items {
			if n := item.get("if"); n != nil {
				l.condition(n, fmt.Sprintf("spec.output.%s[%d].if", list, i))
			}
		}
	}
}

func (l *linter) condition(n *node, path string) {
	says := func(truth bool, why, try string) {
		l.warn(n.mark, path, "constant-condition", fmt.Sprintf("the condition is always %t: %s", truth, why), try)
	}
	switch {
	case n.kind == boolNode:
		try := "remove the condition"
		if n.text == "false" {
			try = "remove the step"
		}
		says(n.text == "true", "it is written so", try)
		return
	case n.kind != stringNode:
		return
	case n.text == "":
		says(false, `"" is an empty text`, "remove the condition")
		return
	case !hasTags(n.text):
		says(true, fmt.Sprintf("%q is a text without an expression", n.text), asExpression(n.text))
		return
	}
	t, err := l.parseText(n, path)
	if err != nil {
		if !l.strict() {
			says(true, "the expression can't be read, so its raw text is the condition", "")
		}
		return
	}
	if !t.parsed.IsSoleExpression() {
		l.textCondition(t)
		return
	}
	for _, statement := range t.parsed.Root().Statements {
		if out, ok := statement.(*expr.OutputStmt); ok {
			switch l.truth(t, out.Expr, true) {
			case always:
				says(true, whyTrue(out.Expr), "")
			case never:
				says(false, "nothing it reads can change it", "")
			}
		}
	}
}

// asExpression is what somebody meant who wrote an expression without its braces.
func asExpression(s string) string {
	s = strings.TrimSpace(s)
	switch s {
	case "true", "false":
		return s
	}
	parsed, err := expr.Parse("${{ "+s+" }}", expr.Options{})
	if err != nil || len(parsed.References())+len(parsed.Calls()) == 0 {
		return ""
	}
	for _, ref := range parsed.References() {
		if !slices.Contains(contextNames, ref.Path[0]) {
			return ""
		}
	}
	for _, call := range parsed.Calls() {
		if !slices.Contains(functionNames, call.Name) {
			return ""
		}
	}
	return "${{ " + s + " }}"
}

func whyTrue(n expr.Node) string {
	if lit, ok := n.(*expr.LiteralExpr); ok {
		if s, ok := lit.Value.(string); ok {
			return fmt.Sprintf("%q is a text, and every text but the empty one is true", s)
		}
	}
	if logic, ok := n.(*expr.LogicExpr); ok && logic.Or {
		return "one side of the `or` is always true; compare the value on both sides of it"
	}
	return "nothing it reads can change it"
}

// textCondition is about a condition that is more than one interpolation: it comes to a text.
func (l *linter) textCondition(t text) {
	n := t.node
	interpolations, others := 0, 0
	solid, blank := false, false // text that is there whatever the values are; only blanks are
	for _, statement := range t.parsed.Root().Statements {
		switch s := statement.(type) {
		case *expr.TextStmt:
			solid = solid || s.Text != ""
			blank = blank || s.Text != "" && strings.TrimSpace(s.Text) == ""
		case *expr.OutputStmt:
			interpolations++
		default:
			others++
		}
	}
	trimmed := strings.TrimSpace(n.text)
	switch {
	case solid && blank && interpolations == 1 && others == 0 && strings.HasPrefix(trimmed, "${{"):
		l.warn(n.mark, t.path, "constant-condition", "the condition is always true: blanks around ${{ }} make it a text", trimmed)
	case solid:
		l.warn(n.mark, t.path, "constant-condition", "the condition is always true: words around ${{ }} make it a text that is never empty", "")
	default:
		l.warn(n.mark, t.path, "text-condition",
			"the condition comes to a text, in which even \"false\" is true; write one ${{ }} and nothing around it", "")
	}
}

// truth is what is known of a condition before the run.
type truth int

const (
	depends truth = iota
	always
	never
)

func truthOf(v bool) truth {
	if v {
		return always
	}
	return never
}

func (t truth) not() truth {
	switch t {
	case always:
		return never
	case never:
		return always
	}
	return depends
}

func (l *linter) truth(t text, n expr.Node, root bool) truth {
	switch n := n.(type) {
	case *expr.LogicExpr:
		left, right := l.truth(t, n.Left, false), l.truth(t, n.Right, false)
		wins := never
		if n.Or {
			wins = always
		}
		switch {
		case left == wins || right == wins:
			return wins
		case left == wins.not() && right == wins.not():
			return wins.not()
		}
		return depends
	case *expr.UnaryExpr:
		if n.Op == "not" {
			return l.truth(t, n.Operand, false).not()
		}
	case *expr.GroupExpr:
		if len(n.Items) > 0 {
			return l.truth(t, n.Items[len(n.Items)-1], root)
		}
	}
	return constant(t, n, root)
}

// foldTime bounds the evaluation of one constant expression.
const foldTime = 50 * time.Millisecond

// constant gives the truth of an expression that reads nothing.
func constant(t text, n expr.Node, root bool) truth {
	switch n := n.(type) {
	case *expr.LiteralExpr:
		return truthOf(expr.Truthy(n.Value))
	case *expr.ArrayExpr:
		return truthOf(!root || len(n.Items) > 0) // `if` itself takes an empty list as false, `and` and `or` don't
	case *expr.ObjectExpr:
		return always
	case *expr.BinaryExpr:
		if n.Op == "~" && (solidText(n.Left) || solidText(n.Right)) {
			return always
		}
	}
	if !root || len(t.parsed.References()) > 0 || len(t.parsed.Calls()) > 0 {
		return depends
	}
	ctx, cancel := context.WithTimeout(context.Background(), foldTime)
	defer cancel()
	v, err := t.parsed.Evaluate(ctx, &expr.Env{})
	if err != nil {
		return depends
	}
	if items, ok := v.([]any); ok {
		return truthOf(len(items) > 0)
	}
	return truthOf(expr.Truthy(v))
}

func solidText(n expr.Node) bool {
	lit, ok := n.(*expr.LiteralExpr)
	return ok && expr.ToString(lit.Value) != ""
}

// comparisons warns of comparing what can't be equal.
func (l *linter) comparisons() {
	l.everyText(func(t text) {
		expr.Walk(t.parsed.Root(), func(n expr.Node) bool {
			if cmp, ok := n.(*expr.CompareExpr); ok && len(cmp.Rest) == 1 {
				l.comparison(t, cmp)
			}
			return true
		})
	})
}

// operand is what is known of one side of a comparison.
type operand struct {
	kind    string
	literal any
	is      bool // a literal
	name    string
	choices []string
}

func (l *linter) comparison(t text, n *expr.CompareExpr) {
	op := n.Rest[0].Op
	equality := op == "==" || op == "!=" || op == "===" || op == "!=="
	a, b := l.operand(n.First), l.operand(n.Rest[0].Operand)
	if !equality || a.kind == "" || b.kind == "" {
		return
	}
	at := l.place(t, n.First.Pos().Offset)
	if a.is {
		a, b = b, a
	}
	switch {
	case a.kind != b.kind:
		if len(op) == 2 && (converts(a, b) || converts(b, a)) {
			return
		}
		l.warn(at, t.path, "compared-kinds", fmt.Sprintf("%s is compared with %s: the one doesn't equal the other", a, b), correctly(a, b))
	case b.is && !a.is && len(a.choices) > 0:
		s, _ := b.literal.(string)
		for _, choice := range a.choices {
			if choice == s {
				return
			}
		}
		l.warn(at, t.path, "unknown-choice", fmt.Sprintf("the form doesn't offer %q for %q", s, a.name), l.nearest(s, a.choices))
	}
}

func (o operand) String() string {
	what := map[string]string{"string": "a text", "number": "a number", "boolean": "a boolean", "array": "a list", "object": "a mapping"}[o.kind]
	if o.is {
		return fmt.Sprintf("%s (%s)", what, expr.ToString(o.literal))
	}
	return fmt.Sprintf("%s (parameters.%s)", what, o.name)
}

// converts says whether == may find a value of another kind equal: numbers and booleans equal texts that read as numbers.
func converts(a, b operand) bool {
	switch a.kind {
	case "array", "object":
		return false
	}
	if b.kind == "array" {
		return true // a list becomes its text
	}
	if a.kind == "string" && a.is && (b.kind == "number" || b.kind == "boolean") {
		s := strings.TrimSpace(a.literal.(string))
		_, err := strconv.ParseFloat(s, 64)
		return s == "" || err == nil
	}
	if a.kind == "string" && b.kind != "string" && !a.is && !b.is || a.kind == "number" && b.kind == "string" && !b.is {
		return true
	}
	return a.kind == "boolean" && b.kind == "number"
}

// correctly writes the literal of a comparison as the other side's kind.
func correctly(a, b operand) string {
	s, ok := b.literal.(string)
	if b.is && ok && a.kind == "boolean" && (s == "true" || s == "false") {
		return s + " without quotes"
	}
	if v, ok := b.literal.(bool); b.is && ok && a.kind == "string" {
		return strconv.Quote(strconv.FormatBool(v))
	}
	return ""
}

func (l *linter) operand(n expr.Node) operand {
	switch n := n.(type) {
	case *expr.LiteralExpr:
		switch v := n.Value.(type) {
		case string:
			return operand{kind: "string", literal: v, is: true}
		case float64:
			return operand{kind: "number", literal: v, is: true}
		case bool:
			return operand{kind: "boolean", literal: v, is: true}
		}
	case *expr.LookupExpr:
		target, ok := n.Target.(*expr.NameExpr)
		key, literal := n.Key.(*expr.LiteralExpr)
		if !ok || !literal || target.Name != "parameters" {
			return operand{}
		}
		name, _ := key.Value.(string)
		if q := l.params.questions[name]; q != nil && !l.params.decorated {
			return operand{kind: q.kind, name: name, choices: q.choices}
		}
	}
	return operand{}
}
