package expr

import (
	"math"
	"slices"
	"unicode"
)

// regexTree is a part of a pattern as it is written.
type regexTree struct {
	op       regexOp
	unit     uint16
	set      *unitSet
	n        int
	name     string
	negate   bool
	behind   bool
	fold     bool
	parts    []*regexTree
	min, max int
	lazy     bool
	// groups are the captures within: from the first up to, and not including, the last.
	groups [2]int
}

const regexUnbounded = math.MaxInt32

type regexParser struct {
	units                 []uint16
	i                     int
	ignoreCase, multiline bool
	// total and names count what the whole pattern has, which escapes depend on.
	total int
	named bool
	names []string
}

// survey counts the groups ahead of parsing.
func (p *regexParser) survey() {
	p.names = []string{""}
	inClass := false
	for i := 0; i < len(p.units); i++ {
		switch u := p.units[i]; {
		case u == '\\':
			i++
		case u == '[':
			inClass = true
		case u == ']':
			inClass = false
		case u == '(' && !inClass:
			if i+1 >= len(p.units) || p.units[i+1] != '?' {
				p.total++
			} else if i+3 < len(p.units) && p.units[i+2] == '<' && p.units[i+3] != '=' && p.units[i+3] != '!' {
				p.total++
				p.named = true
			}
		}
	}
}

func (p *regexParser) peek(ahead int) int {
	if p.i+ahead < len(p.units) {
		return int(p.units[p.i+ahead])
	}
	return -1
}

func (p *regexParser) take(text string) bool {
	for i := range len(text) {
		if p.peek(i) != int(text[i]) {
			return false
		}
	}
	p.i += len(text)
	return true
}

func (p *regexParser) disjunction() (*regexTree, error) {
	alternatives := &regexTree{op: opAlternatives}
	for {
		sequence := &regexTree{op: opSequence}
		for p.i < len(p.units) && p.peek(0) != '|' && p.peek(0) != ')' {
			term, err := p.term()
			if err != nil {
				return nil, err
			}
			sequence.parts = append(sequence.parts, term)
		}
		alternatives.parts = append(alternatives.parts, sequence)
		if !p.take("|") {
			break
		}
	}
	if len(alternatives.parts) == 1 {
		return alternatives.parts[0], nil
	}
	return alternatives, nil
}

func (p *regexParser) term() (*regexTree, error) {
	first := len(p.names)
	atom, quantifiable, err := p.atom()
	if err != nil {
		return nil, err
	}
	low, high, ok := p.quantifier()
	if !ok {
		return atom, nil
	}
	if !quantifiable || low > high {
		return nil, errInvalidRegex
	}
	return &regexTree{op: opLoop, min: low, max: high, lazy: p.take("?"), parts: []*regexTree{atom}, groups: [2]int{first, len(p.names)}}, nil
}

// quantifier reads *, +, ? or {n}, {n,}, {n,m}; a brace that is none of these stands for itself.
func (p *regexParser) quantifier() (low, high int, ok bool) {
	switch {
	case p.take("*"):
		return 0, regexUnbounded, true
	case p.take("+"):
		return 1, regexUnbounded, true
	case p.take("?"):
		return 0, 1, true
	case p.peek(0) != '{':
		return 0, 0, false
	}
	begun := p.i
	p.i++
	if low, ok = p.decimal(); ok {
		high = low
		if p.take(",") {
			if high, ok = p.decimal(); !ok {
				high = regexUnbounded
			}
		}
		if p.take("}") {
			return low, high, true
		}
	}
	p.i = begun
	return 0, 0, false
}

func (p *regexParser) decimal() (n int, ok bool) {
	for ; p.peek(0) >= '0' && p.peek(0) <= '9'; p.i++ {
		n, ok = min(n*10+p.peek(0)-'0', regexUnbounded), true
	}
	return n, ok
}

func (p *regexParser) atom() (_ *regexTree, quantifiable bool, _ error) {
	switch c := p.peek(0); c {
	case '^', '$':
		p.i++
		op := opBegin
		if c == '$' {
			op = opEnd
		}
		return &regexTree{op: op, negate: p.multiline}, false, nil
	case '(':
		return p.group()
	case '.':
		p.i++
		return &regexTree{op: opSet, set: notEnds}, true, nil
	case '[':
		set, err := p.class()
		return &regexTree{op: opSet, set: set}, true, err
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, false, errInvalidRegex
	case '{':
		if _, _, ok := p.quantifier(); ok {
			return nil, false, errInvalidRegex
		}
	}
	p.i++
	return p.unit(p.units[p.i-1]), true, nil
}

func (p *regexParser) unit(u uint16) *regexTree {
	if p.ignoreCase {
		return &regexTree{op: opUnit, unit: canonical()[u], fold: true}
	}
	return &regexTree{op: opUnit, unit: u}
}

func (p *regexParser) group() (*regexTree, bool, error) {
	out := &regexTree{op: opSequence}
	quantifiable := true
	switch {
	case p.take("(?:"):
	case p.take("(?="):
		out.op = opLook
	case p.take("(?!"):
		out.op, out.negate = opLook, true
	case p.take("(?<="):
		out.op, out.behind, quantifiable = opLook, true, false
	case p.take("(?<!"):
		out.op, out.behind, out.negate, quantifiable = opLook, true, true, false
	default:
		name := ""
		if p.take("(?<") {
			var err error
			if name, err = p.groupName(); err != nil || slices.Contains(p.names, name) {
				return nil, false, errInvalidRegex
			}
		} else if p.take("(?") {
			return nil, false, errInvalidRegex
		} else {
			p.i++
		}
		out.op, out.n = opSave, len(p.names)
		p.names = append(p.names, name)
	}
	first := len(p.names)
	body, err := p.disjunction()
	if err != nil {
		return nil, false, err
	}
	if !p.take(")") {
		return nil, false, errInvalidRegex
	}
	out.parts, out.groups = []*regexTree{body}, [2]int{first, len(p.names)}
	return out, quantifiable, nil
}

func (p *regexParser) groupName() (string, error) {
	var name []uint16
	for !p.take(">") {
		c := p.peek(0)
		if c < 0 {
			return "", errInvalidRegex
		}
		p.i++
		if c == '\\' {
			code, ok := -1, false
			if p.take("u") {
				code, ok = p.hex(4)
			}
			if !ok {
				return "", errInvalidRegex
			}
			c = code
		}
		name = append(name, uint16(c))
	}
	text := fromUnits(name)
	for i, r := range text {
		start := r == '$' || r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r)
		if !start && (i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc) && r != 0x200C && r != 0x200D) {
			return "", errInvalidRegex
		}
	}
	if text == "" {
		return "", errInvalidRegex
	}
	return text, nil
}

func (p *regexParser) hex(digits int) (n int, ok bool) {
	for i := range digits {
		c := p.peek(i)
		switch {
		case c >= '0' && c <= '9':
			n = n*16 + c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n*16 + (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
	}
	p.i += digits
	return n, true
}
