package expr

// escape reads what begins with a backslash, outside a class.
func (p *regexParser) escape() (*regexTree, bool, error) {
	c := p.peek(1)
	switch {
	case c == 'b' || c == 'B':
		p.i += 2
		return &regexTree{op: opBoundary, negate: c == 'B'}, false, nil
	case c >= '1' && c <= '9':
		begun := p.i
		p.i++
		if n, _ := p.decimal(); n <= p.total {
			return &regexTree{op: opBackreference, n: n, fold: p.ignoreCase}, true, nil
		}
		p.i = begun
	case c == 'k' && p.named:
		p.i += 2
		if !p.take("<") {
			return nil, false, errInvalidRegex
		}
		name, err := p.groupName()
		if err != nil || !p.hasGroup(name) {
			return nil, false, errInvalidRegex
		}
		return &regexTree{op: opBackreference, n: -1, name: name, fold: p.ignoreCase}, true, nil
	}
	p.i++
	if set := p.classEscape(); set != nil {
		if p.ignoreCase {
			set = (&unitSet{ranges: set.ranges, negate: set.negate}).fold()
		}
		return &regexTree{op: opSet, set: set}, true, nil
	}
	u, err := p.unitEscape(false)
	return p.unit(u), true, err
}

// hasGroup looks for a named group anywhere in the pattern.
func (p *regexParser) hasGroup(name string) bool {
	ahead := &regexParser{units: p.units}
	for ; ahead.i < len(p.units); ahead.i++ {
		switch {
		case ahead.peek(0) == '\\':
			ahead.i++
		case ahead.peek(0) == '(' && ahead.peek(1) == '?' && ahead.peek(2) == '<' && ahead.peek(3) != '=' && ahead.peek(3) != '!':
			at := ahead.i
			ahead.i += 3
			if found, err := ahead.groupName(); err == nil && found == name {
				return true
			}
			ahead.i = at
		}
	}
	return false
}

// classEscape reads the letter of \d, \w, \s and their opposites.
func (p *regexParser) classEscape() *unitSet {
	var set *unitSet
	c := p.peek(0)
	switch c {
	case 'd', 'D':
		set = digitSet
	case 'w', 'W':
		set = wordSet
	case 's', 'S':
		set = spaceSet
	default:
		return nil
	}
	p.i++
	if c < 'a' {
		return &unitSet{ranges: set.ranges, negate: true}
	}
	return set
}

var regexControls = map[int]uint16{'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unitEscape reads the escape of one unit; the backslash is behind.
func (p *regexParser) unitEscape(inClass bool) (uint16, error) {
	c := p.peek(0)
	if c < 0 {
		return 0, errInvalidRegex
	}
	p.i++
	if u, ok := regexControls[c]; ok {
		return u, nil
	}
	switch {
	case c == 'b' && inClass:
		return '\b', nil
	case c == 'c':
		next := p.peek(0)
		letter := next|0x20 >= 'a' && next|0x20 <= 'z'
		if letter || inClass && (next >= '0' && next <= '9' || next == '_') {
			p.i++
			return uint16(next % 32), nil
		}
		p.i--
		return '\\', nil
	case c == 'x' || c == 'u':
		digits := 2
		if c == 'u' {
			digits = 4
		}
		if n, ok := p.hex(digits); ok {
			return uint16(n), nil
		}
	case c >= '0' && c <= '7':
		n := c - '0'
		for i := 1; i < 3 && p.peek(0) >= '0' && p.peek(0) <= '7' && n*8+p.peek(0)-'0' <= 0377; i++ {
			n = n*8 + p.peek(0) - '0'
			p.i++
		}
		return uint16(n), nil
	case c == 'k' && p.named:
		return 0, errInvalidRegex
	}
	return uint16(c), nil
}

func (p *regexParser) class() (*unitSet, error) {
	p.i++
	out := &unitSet{negate: p.take("^")}
	for !p.take("]") {
		low, lowSet, err := p.classAtom()
		if err != nil {
			return nil, err
		}
		if p.peek(0) != '-' || p.peek(1) == ']' || p.peek(1) < 0 {
			out.put(low, lowSet)
			continue
		}
		p.i++
		high, highSet, err := p.classAtom()
		if err != nil {
			return nil, err
		}
		switch {
		case lowSet != nil || highSet != nil:
			out.put(low, lowSet)
			out.put(high, highSet)
			out.add('-', '-')
		case low > high:
			return nil, errInvalidRegex
		default:
			out.add(low, high)
		}
	}
	if p.ignoreCase {
		out.fold()
	}
	return out, nil
}

func (s *unitSet) put(u uint16, set *unitSet) {
	if set != nil {
		s.union(set)
	} else {
		s.add(u, u)
	}
}

func (p *regexParser) classAtom() (uint16, *unitSet, error) {
	c := p.peek(0)
	if c < 0 {
		return 0, nil, errInvalidRegex
	}
	p.i++
	if c != '\\' {
		return uint16(c), nil, nil
	}
	if set := p.classEscape(); set != nil {
		return 0, set, nil
	}
	u, err := p.unitEscape(true)
	return u, nil, err
}
