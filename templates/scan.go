package templates

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/expr"
	"gopkg.in/yaml.v3"
)

// text is a string of the template that holds expressions.
type text struct {
	node *node
	path string
	*parsedText
}

// parsedText is what a string came to, wherever aliases put it.
type parsedText struct {
	parsed *expr.Template
	err    error
	grown  []int // offsets in the parsed source where it is longer than the file's by dashGrowth
	at     cursor
}

// cursor is a place in a string that was looked up before: the next one is found from there.
type cursor struct {
	offset, row, column int
	folded              folded
}

// folded is a place in a string whose lines were joined: an offset, and where that is in the file.
type folded struct {
	offset int
	at     mark
	bytes  int // of the line before the place
}

// move goes to an offset of the string.
func (c *cursor) move(s string, offset int) {
	if offset < c.offset {
		*c = cursor{}
	}
	passed := s[c.offset:offset]
	if last := strings.LastIndexByte(passed, '\n'); last >= 0 {
		c.row += strings.Count(passed, "\n")
		c.column = 0
		passed = passed[last+1:]
	}
	c.column += utf8.RuneCountInString(passed)
	c.offset = offset
}

// hasTags says whether a string can hold an expression, a statement or a comment at all.
func hasTags(s string) bool {
	return strings.Contains(s, "${{") || strings.Contains(s, "{%") || strings.Contains(s, "{#")
}

// parseText parses a string. In a strict template it first turns steps.some-id, which the language
// reads as a subtraction, into steps['some-id'] where a step of that id exists.
func (c *compiler) parseText(n *node, path string) (text, error) {
	known, ok := c.parsed[n]
	if !ok {
		known = &parsedText{}
		c.parsed[n] = known
		src := n.text
		if c.strict() {
			src, known.grown = c.undash(src)
		}
		known.parsed, known.err = expr.Parse(src, expr.Options{})
	}
	return text{n, path, known}, known.err
}

// place is where an offset of the parsed source stands in the file.
func (c *compiler) place(t text, offset int) mark {
	return c.locate(t.node, &t.at, t.original(offset))
}

// locate is where an offset of a string stands in the file, as well as the style tells.
func (c *compiler) locate(n *node, from *cursor, offset int) mark {
	from.move(n.text, min(offset, len(n.text)))
	at := n.mark
	switch {
	case n.style&yaml.LiteralStyle != 0:
		at.line += from.row + 1
		at.column = c.indent(n.line) + from.column + 1
	case n.style&yaml.FoldedStyle != 0:
		return c.folded(n, &from.folded, offset)
	case from.row > 0:
		return n.mark
	case n.style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.column += from.column + 1
	default:
		at.column += from.column
	}
	if at.line > len(c.t.lines) || at.column > c.width(at.line) {
		return n.mark
	}
	return at
}

// folded is where an offset of a string stands whose lines were joined: all of it but white space is in the file as it is.
func (c *compiler) folded(n *node, from *folded, offset int) mark {
	if offset = min(offset, len(n.text)); from.at.line == 0 || offset < from.offset {
		*from = folded{at: mark{n.line + 1, 1}}
	}
	left := 0 // characters on the way
	for _, r := range n.text[from.offset:offset] {
		if !unicode.IsSpace(r) {
			left++
		}
	}
	from.offset = offset
	for ; from.at.line <= len(c.t.lines); from.at, from.bytes = (mark{from.at.line + 1, 1}), 0 {
		begun := from.bytes
		for i, r := range c.t.lines[from.at.line-1][begun:] {
			if !unicode.IsSpace(r) {
				if left == 0 {
					from.bytes = begun + i
					return from.at
				}
				left--
			}
			from.at.column++
		}
	}
	return n.mark
}

func (c *compiler) width(line int) int {
	w, ok := c.widths[line]
	if !ok {
		w = utf8.RuneCountInString(c.t.lines[line-1])
		c.widths[line] = w
	}
	return w
}

// original is where an offset of the parsed source stands in the string as written.
func (t text) original(offset int) int {
	before, _ := slices.BinarySearch(t.grown, offset)
	return max(0, offset-before*dashGrowth)
}

// indent is how far the first line with text after the given one is indented.
func (c *compiler) indent(line int) int {
	if indent, ok := c.indents[line]; ok {
		return indent
	}
	for _, l := range c.t.lines[min(line, len(c.t.lines)):] {
		if trimmed := strings.TrimLeft(l, " "); strings.TrimSpace(trimmed) != "" {
			c.indents[line] = len(l) - len(trimmed)
			break
		}
	}
	return c.indents[line]
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

// maxID is the length of the longest id in bytes that is looked for with dashes in it.
const maxID = 200

// dashedID gives the longest step id with a dash that the source names after `steps.`, or "".
func (c *compiler) dashedID(src string) string {
	m := dashed.FindStringSubmatch(src)
	if m == nil {
		return ""
	}
	id := m[1]
	if len(id) > maxID {
		id = id[:maxID+1]
		id = id[:max(0, strings.LastIndexByte(id, '-'))]
	}
	for ; strings.Contains(id, "-"); id = id[:strings.LastIndexByte(id, '-')] {
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
