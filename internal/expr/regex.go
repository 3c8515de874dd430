package expr

import (
	"strings"
	"sync"
)

// program is a compiled regular expression with JavaScript's meaning: it works on UTF-16 units, has look-around and
// backreferences, and forgets a group's capture when the group is entered anew. Matching backtracks and is accounted for.
type program struct {
	start *regexNode
	// names are the names of groups, "" for those without; names[0] stands for the whole match.
	names          []string
	loops          int
	global, sticky bool
}

var errInvalidRegex error = reason("Invalid regular-expression literal")

func compileRegex(pattern, flags string) (*program, error) {
	p := &regexParser{
		units: toUnits(pattern), ignoreCase: strings.Contains(flags, "i"), multiline: strings.Contains(flags, "m"),
	}
	p.survey()
	tree, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.i < len(p.units) {
		return nil, errInvalidRegex
	}
	out := &program{names: p.names, global: strings.Contains(flags, "g"), sticky: strings.Contains(flags, "y")}
	l := &regexLinker{names: p.names}
	whole := &regexNode{op: opSave, n: 1, next: &regexNode{op: opAccept}}
	out.start = &regexNode{op: opSave, n: 0, next: l.link(tree, whole, false)}
	out.loops = l.loops
	return out, nil
}

// unitSet is a set of UTF-16 units: sorted ranges of which each holds both its ends.
type unitSet struct {
	ranges []unitRange
	negate bool
	// folded has, for expressions that ignore case, the canonical forms of the members.
	folded *[65536 / 64]uint64
}

type unitRange struct{ low, high uint16 }

func (s *unitSet) has(u uint16) bool {
	if s.folded != nil {
		c := canonical()[u]
		return (s.folded[c/64]&(1<<(c%64)) != 0) != s.negate
	}
	return s.listed(u) != s.negate
}

func (s *unitSet) listed(u uint16) bool {
	for _, r := range s.ranges {
		if u >= r.low && u <= r.high {
			return true
		}
	}
	return false
}

func (s *unitSet) add(low, high uint16) { s.ranges = append(s.ranges, unitRange{low, high}) }

func (s *unitSet) union(other *unitSet) {
	if !other.negate {
		s.ranges = append(s.ranges, other.ranges...)
		return
	}
	low := 0
	for u := 0; u <= 0x10000; u++ {
		if u == 0x10000 || other.listed(uint16(u)) {
			if u > low {
				s.add(uint16(low), uint16(u-1))
			}
			low = u + 1
		}
	}
}

func (s *unitSet) fold() *unitSet {
	canon := canonical()
	s.folded = new([65536 / 64]uint64)
	for _, r := range s.ranges {
		for u := int(r.low); u <= int(r.high); u++ {
			c := canon[u]
			s.folded[c/64] |= 1 << (c % 64)
		}
	}
	return s
}

var (
	digitSet = &unitSet{ranges: []unitRange{{'0', '9'}}}
	wordSet  = &unitSet{ranges: []unitRange{{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}}}
	spaceSet = &unitSet{ranges: []unitRange{{'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
		{0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}}}
	lineEnds = &unitSet{ranges: []unitRange{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}}
	notEnds  = &unitSet{ranges: lineEnds.ranges, negate: true}
)

// canonical is the upper case that ignoring case compares by: of one unit, and never ASCII for what is not.
var canonical = sync.OnceValue(func() *[65536]uint16 {
	out := new([65536]uint16)
	for u := range out {
		out[u] = uint16(u)
		if u >= 0xD800 && u <= 0xDFFF {
			continue
		}
		if upper := toUnits(upperText(string(rune(u)))); len(upper) == 1 && (u < 0x80 || upper[0] >= 0x80) {
			out[u] = upper[0]
		}
	}
	return out
})

// matched is what a replacement may refer to. caps are starts and ends, -1 for groups that took no part.
type matched struct {
	text  func(from, to int) string
	size  int
	caps  []int
	names []string
}

func (m *matched) group(n int) string {
	if m.caps[2*n] < 0 {
		return ""
	}
	return m.text(m.caps[2*n], m.caps[2*n+1])
}

func (m *matched) named(name string) string {
	for i, n := range m.names {
		if n == name && n != "" {
			return m.group(i)
		}
	}
	return ""
}

// expand writes a replacement with its $ patterns.
func (m *matched) expand(b *strings.Builder, replacement string) {
	groups := len(m.caps)/2 - 1
	named := strings.Join(m.names, "") != ""
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		if c != '$' || i+1 >= len(replacement) {
			b.WriteByte(c)
			continue
		}
		rest := replacement[i+1:]
		switch {
		case rest[0] == '$':
			b.WriteByte('$')
			i++
		case rest[0] == '&':
			b.WriteString(m.group(0))
			i++
		case rest[0] == '`':
			b.WriteString(m.text(0, m.caps[0]))
			i++
		case rest[0] == '\'':
			b.WriteString(m.text(m.caps[1], m.size))
			i++
		case isDigit(rest[0]):
			n, width := int(rest[0]-'0'), 1
			if len(rest) > 1 && isDigit(rest[1]) {
				if two := n*10 + int(rest[1]-'0'); two >= 1 && two <= groups {
					n, width = two, 2
				}
			}
			if n < 1 || n > groups {
				b.WriteByte('$')
				continue
			}
			b.WriteString(m.group(n))
			i += width
		case rest[0] == '<' && named && strings.IndexByte(rest, '>') > 0:
			end := strings.IndexByte(rest, '>')
			b.WriteString(m.named(rest[1:end]))
			i += 1 + end
		default:
			b.WriteByte('$')
		}
	}
}
