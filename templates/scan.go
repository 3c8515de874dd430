package templates

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/expr"
	"gopkg.in/yaml.v3"
)

// text is a string of the template that holds expressions.
type text struct {
	node   *node
	path   string
	parsed *expr.Template
	grown  []int // offsets in the parsed source where it is longer than the file's by dashGrowth
}

// hasTags says whether a string can hold an expression, a statement or a comment at all.
func hasTags(s string) bool {
	return strings.Contains(s, "${{") || strings.Contains(s, "{%") || strings.Contains(s, "{#")
}

// parseText parses a string. In a strict template it first turns steps.some-id, which the language
// reads as a subtraction, into steps['some-id'] where a step of that id exists.
func (c *compiler) parseText(n *node, path string) (text, error) {
	src, grown := n.text, []int(nil)
	if c.strict() {
		src, grown = c.undash(src)
	}
	parsed, err := expr.Parse(src, expr.Options{})
	return text{n, path, parsed, grown}, err
}

// place is where an offset of the parsed source stands in the file.
func (c *compiler) place(t text, offset int) mark {
	return c.t.place(t.node, t.original(offset))
}

func (t text) original(offset int) int {
	before := 0
	for _, at := range t.grown {
		if at < offset {
			before++
		}
	}
	return max(0, offset-before*dashGrowth)
}

// place is where the byte at offset of a string stands in the file, as well as the style tells.
func (t *Template) place(n *node, offset int) mark {
	offset = min(offset, len(n.text))
	before := n.text[:offset]
	row := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	at := n.mark
	switch {
	case n.style&yaml.LiteralStyle != 0:
		at.line += row + 1
		at.column = t.indent(n.line) + column + 1
	case n.style&yaml.FoldedStyle != 0:
		return mark{n.line + 1, t.indent(n.line) + 1}
	case row > 0:
		return n.mark
	case n.style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.column += column + 1
	default:
		at.column += column
	}
	if at.line > len(t.lines) || at.column > utf8.RuneCountInString(t.lines[at.line-1]) {
		return n.mark
	}
	return at
}

// indent is how far the first line with text after the given one is indented.
func (t *Template) indent(line int) int {
	for _, l := range t.lines[min(line, len(t.lines)):] {
		if trimmed := strings.TrimLeft(l, " "); strings.TrimSpace(trimmed) != "" {
			return len(l) - len(trimmed)
		}
	}
	return 0
}

var (
	dashed = regexp.MustCompile(`^steps\.([\w$]+(?:-[\w$]+)+)`)
	tag    = regexp.MustCompile(`(?s)\$\{\{.*?\}\}`)
	inTag  = regexp.MustCompile(`\bsteps\.[\w$]+(?:-[\w$]+)+`)
)

// dashGrowth is how much longer steps['a-b'] is than steps.a-b.
const dashGrowth = 3

// undash gives the source with steps.some-id written as steps['some-id'], and where it grew.
func (c *compiler) undash(src string) (string, []int) {
	if !hasTags(src) || !inTag.MatchString(src) {
		return src, nil
	}
	var at []int
	parsed, err := expr.Parse(src, expr.Options{})
	if err == nil {
		for _, ref := range parsed.References() {
			if ref.Path[0] == "steps" {
				at = append(at, ref.Pos.Offset)
			}
		}
	} else { // an id such as step-1 isn't even a subtraction
		for _, t := range tag.FindAllStringIndex(src, -1) {
			for _, m := range inTag.FindAllStringIndex(src[t[0]:t[1]], -1) {
				at = append(at, t[0]+m[0])
			}
		}
	}
	slices.Sort(at)
	var b strings.Builder
	var grown []int
	done := 0
	for _, offset := range slices.Compact(at) {
		id := c.dashedID(src[offset:])
		if id == "" {
			continue
		}
		b.WriteString(src[done:offset])
		b.WriteString("steps['" + id + "']")
		done = offset + len("steps.") + len(id)
		grown = append(grown, b.Len()-1)
	}
	b.WriteString(src[done:])
	return b.String(), grown
}

// dashedID gives the longest step id with a dash that the source names after `steps.`, or "".
func (c *compiler) dashedID(src string) string {
	m := dashed.FindStringSubmatch(src)
	if m == nil {
		return ""
	}
	for id := m[1]; strings.Contains(id, "-"); id = id[:strings.LastIndexByte(id, '-')] {
		if _, ok := c.byID[id]; ok {
			return id
		}
	}
	return ""
}

// scan parses every string below a value and visits those with expressions.
func (c *compiler) scan(n *node, path string, visit func(text)) {
	n.strings(path, func(n *node, path string) {
		if !hasTags(n.text) {
			return
		}
		t, err := c.parseText(n, path)
		if err == nil {
			visit(t)
			return
		}
		offset, says := 0, err.Error()
		var syntax *expr.SyntaxError
		if errors.As(err, &syntax) {
			offset, says = syntax.Pos.Offset, syntax.Msg
		}
		c.strictly(c.place(t, offset), path, "bad-expression", "the expression can't be read: "+says, "")
	})
}
