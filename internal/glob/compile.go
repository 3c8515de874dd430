package glob

import (
	"strings"
	"unicode"
)

// compile makes the program of a pattern without braces. It fails if !(…) are nested too deep.
func compile(pattern string) (program, bool) {
	c := &compiler{source: []rune(pattern)}
	c.nodes = []node{{kind: accept}}
	start, ok := c.sequence(0, len(c.source), 0)
	return program{nodes: c.nodes, start: start}, ok
}

type compiler struct {
	source   []rune
	nodes    []node
	negation int
}

func (c *compiler) add(n node) int {
	c.nodes = append(c.nodes, n)
	return len(c.nodes) - 1
}

// sequence compiles source[from:to], after which a match goes on at next, and gives its first node.
func (c *compiler) sequence(from, to, next int) (start int, ok bool) {
	var items []item
	for at := from; at < to; {
		it := c.item(from, at, to)
		items = append(items, it)
		at = it.end
	}
	for i := len(items) - 1; i >= 0; i-- {
		if next, ok = c.link(items[i], next); !ok {
			return 0, false
		}
	}
	return next, true
}

// item is a piece of a pattern: a node, or a group with its alternatives.
type item struct {
	node  node
	group rune // @ ? * + ! or 0
	parts [][2]int
	end   int
	words []rune // of a class that also stands for itself: [ab] matches "[ab]"
}

func (c *compiler) item(from, at, to int) item {
	r := c.source[at]
	peek := func(i int) rune {
		if i < to {
			return c.source[i]
		}
		return 0
	}
	switch {
	case r == '\\' && at+1 < to:
		return item{node: node{kind: literal, rune: c.source[at+1]}, end: at + 2}
	case strings.ContainsRune("@?*+!", r) && peek(at+1) == '(':
		if parts, end, closed := c.group(at+2, to); closed {
			return item{group: r, parts: parts, end: end}
		}
	case r == '(':
		if parts, end, closed := c.group(at+1, to); closed {
			return item{group: '@', parts: parts, end: end}
		}
	case r == '[':
		if is, end, closed := c.class(at+1, to); closed {
			it := item{node: node{kind: class, is: is}, end: end}
			if words := c.source[at:end]; !strings.ContainsAny(string(words[1:len(words)-1]), `-*+?.^${}(|)[]!\`) {
				it.words = words
			}
			return it
		}
	}
	switch {
	case r == '?':
		return item{node: node{kind: class, is: func(rune) bool { return true }}, end: at + 1}
	case r == '*':
		return c.stars(from, at, to)
	case r == '/' && at > from && c.source[at-1] != '*' && c.wholeName(at+1, to) && c.starsEnd(at+1, to) == to:
		return item{node: node{kind: rest}, end: to} // "a/**" matches "a" too
	default:
		return item{node: node{kind: literal, rune: r}, end: at + 1}
	}
}

func (c *compiler) stars(from, at, to int) item {
	end := c.starsEnd(at, to)
	switch {
	case end-at == 1 && (at == 0 || c.source[at-1] == '/') && (end == len(c.source) || c.source[end] == '/'):
		return item{node: node{kind: name}, end: end}
	case end-at == 1 || at > from && c.source[at-1] != '/' || !c.wholeName(at, to):
		return item{node: node{kind: star}, end: end}
	case end == to:
		return item{node: node{kind: all}, end: end}
	default:
		return item{node: node{kind: folders}, end: end + 1}
	}
}

func (c *compiler) starsEnd(at, to int) int {
	for at < to && c.source[at] == '*' && !(at+1 < to && c.source[at+1] == '(') {
		at++
	}
	return at
}

// wholeName reports whether two stars at a place are all that stands up to the next slash.
func (c *compiler) wholeName(at, to int) bool {
	end := c.starsEnd(at, to)
	return end-at == 2 && (end == to || c.source[end] == '/')
}

// group finds the alternatives of a group whose first one begins at a place, and where the group ends.
func (c *compiler) group(at, to int) (parts [][2]int, end int, closed bool) {
	depth, from := 0, at
	for ; at < to; at++ {
		switch c.source[at] {
		case '\\':
			at++
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return append(parts, [2]int{from, at}), at + 1, true
			}
			depth--
		case '|':
			if depth == 0 {
				parts, from = append(parts, [2]int{from, at}), at+1
			}
		}
	}
	return nil, 0, false
}

func (c *compiler) link(it item, next int) (int, bool) {
	if it.group == 0 {
		it.node.next = next
		start := c.add(it.node)
		if it.words == nil {
			return start, true
		}
		for i := len(it.words) - 1; i >= 0; i-- {
			next = c.add(node{kind: literal, rune: it.words[i], next: next})
		}
		return c.add(node{kind: split, to: []int{start, next}}), true
	}
	if it.group == '!' {
		return c.negate(it, next)
	}
	choice, after := c.add(node{kind: split}), next
	if it.group == '*' || it.group == '+' {
		after = choice // and perhaps once more
	}
	var to []int
	for _, part := range it.parts {
		start, ok := c.sequence(part[0], part[1], after)
		if !ok {
			return 0, false
		}
		to = append(to, start)
	}
	c.nodes[choice].to = to
	if it.group != '@' {
		c.nodes[choice].to = append(to[:len(to):len(to)], next)
	}
	if it.group == '+' {
		return c.add(node{kind: split, to: to}), true
	}
	return choice, true
}

func (c *compiler) negate(it item, next int) (int, bool) {
	if c.negation++; c.negation > maxNegations {
		return 0, false
	}
	defer func() { c.negation-- }()
	var not []program
	for _, part := range it.parts {
		inner := &compiler{source: c.source[part[0]:part[1]], nodes: []node{{kind: accept}}, negation: c.negation}
		start, ok := inner.sequence(0, len(inner.source), 0)
		if !ok {
			return 0, false
		}
		not = append(not, program{nodes: inner.nodes, start: start})
	}
	return c.add(node{kind: none, not: not, next: next}), true
}

var posix = map[string]func(rune) bool{
	"alpha": isLetter, "digit": isDigit, "lower": isLower, "upper": isUpper,
	"alnum":  func(r rune) bool { return isLetter(r) || isDigit(r) },
	"word":   func(r rune) bool { return isLetter(r) || isDigit(r) || r == '_' },
	"xdigit": func(r rune) bool { return isDigit(r) || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' },
	"space":  unicode.IsSpace,
	"blank":  func(r rune) bool { return r == ' ' || r == '\t' },
	"punct":  func(r rune) bool { return r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) },
	"cntrl":  func(r rune) bool { return r < ' ' || r == 0x7f },
	"graph":  func(r rune) bool { return r > ' ' && r < 0x7f },
	"print":  func(r rune) bool { return r >= ' ' && r < 0x7f },
}

func isLower(r rune) bool  { return r >= 'a' && r <= 'z' }
func isUpper(r rune) bool  { return r >= 'A' && r <= 'Z' }
func isLetter(r rune) bool { return isLower(r) || isUpper(r) }
func isDigit(r rune) bool  { return r >= '0' && r <= '9' }

// class reads what stands between brackets, from behind the first one.
func (c *compiler) class(at, to int) (is func(rune) bool, end int, closed bool) {
	negated := at < to && (c.source[at] == '!' || c.source[at] == '^')
	if negated {
		at++
	}
	var tests []func(rune) bool
	for first := true; at < to && (first || c.source[at] != ']'); first = false {
		if c.source[at] == '[' && at+1 < to && c.source[at+1] == ':' {
			name, _, found := strings.Cut(string(c.source[at+2:to]), ":]")
			if test := posix[name]; found && test != nil {
				tests = append(tests, test)
				at += len(name) + 4
				continue
			}
		}
		var low, high rune
		low, at = c.member(at, to)
		high = low
		if at+1 < to && c.source[at] == '-' && c.source[at+1] != ']' {
			high, at = c.member(at+1, to)
		}
		tests = append(tests, func(r rune) bool { return low <= r && r <= high })
	}
	if at >= to {
		return nil, 0, false
	}
	return func(r rune) bool {
		for _, test := range tests {
			if test(r) {
				return !negated
			}
		}
		return negated
	}, at + 1, true
}

func (c *compiler) member(at, to int) (rune, int) {
	if c.source[at] == '\\' && at+1 < to {
		at++
	}
	return c.source[at], at + 1
}
