package expr

import "slices"

type regexOp uint8

const (
	opAccept regexOp = iota
	opUnit
	opSet
	opBegin
	opEnd
	opBoundary
	opBackreference
	opSave
	opAlternatives
	opSequence
	opLook
	// opLoop begins a loop, opAgain decides on another round, opRun is a loop over one unit at a time.
	opLoop
	opAgain
	opRun
)

// regexNode is a step of matching that knows what comes after it. In a look-behind everything runs backwards.
type regexNode struct {
	op       regexOp
	unit     uint16
	fold     bool
	negate   bool
	back     bool
	lazy     bool
	n        int
	min, max int
	from, to int
	set      *unitSet
	body     *regexNode
	choices  []*regexNode
	next     *regexNode
}

type regexLinker struct {
	loops int
	names []string
}

// link makes the steps of a tree that go on with next.
func (l *regexLinker) link(t *regexTree, next *regexNode, back bool) *regexNode {
	n := &regexNode{op: t.op, unit: t.unit, fold: t.fold, negate: t.negate, back: back, lazy: t.lazy, n: t.n, min: t.min, max: t.max, set: t.set,
		from: t.groups[0], to: t.groups[1], next: next}
	switch t.op {
	case opSequence:
		for i := range t.parts {
			if !back {
				i = len(t.parts) - 1 - i
			}
			next = l.link(t.parts[i], next, back)
		}
		return next
	case opAlternatives:
		for _, part := range t.parts {
			n.choices = append(n.choices, l.link(part, next, back))
		}
	case opSave:
		first, second := 2*t.n, 2*t.n+1
		if back {
			first, second = second, first
		}
		n.n = first
		n.next = l.link(t.parts[0], &regexNode{op: opSave, n: second, next: next}, back)
	case opBackreference:
		if t.name != "" {
			n.n = slices.Index(l.names, t.name)
		}
	case opLook:
		n.body = l.link(t.parts[0], &regexNode{op: opAccept}, t.behind)
	case opLoop:
		if atom := t.parts[0]; atom.op == opUnit || atom.op == opSet {
			n.op = opRun
			n.body = l.link(atom, nil, back)
			return n
		}
		n.n = l.loops
		l.loops++
		again := *n
		again.op = opAgain
		again.body = l.link(t.parts[0], &again, back)
		n.next = &again
	}
	return n
}

type loopState struct{ count, at int }

type regexMatcher struct {
	ev    *evaluator
	input []uint16
	caps  []int
	loops []loopState
	end   int
	depth int
	steps int
}

// match finds the first match at or after a unit; the result has the starts and ends of all groups, nil without one.
func (p *program) match(ev *evaluator, input []uint16, from int) []int {
	m := &regexMatcher{ev: ev, input: input, caps: make([]int, 2*len(p.names)), loops: make([]loopState, p.loops)}
	for at := from; at <= len(input); at++ {
		for i := range m.caps {
			m.caps[i] = -1
		}
		if m.run(p.start, at) {
			m.settle()
			return m.caps
		}
		if p.sticky {
			break
		}
	}
	m.settle()
	return nil
}

// settle accounts for the steps taken.
func (m *regexMatcher) settle() {
	if m.ev == nil {
		return
	}
	if m.ev.regexSteps += m.steps; m.ev.regexSteps > maxRegexSteps {
		exceeded(limitRegex, maxRegexSteps)
	}
	m.steps = 0
	m.ev.checkContext()
}

func (m *regexMatcher) takes(n *regexNode, at int) bool {
	if n.back {
		at--
	}
	if at < 0 || at >= len(m.input) {
		return false
	}
	u := m.input[at]
	if n.op == opSet {
		return n.set.has(u)
	}
	if n.fold {
		u = canonical()[u]
	}
	return u == n.unit
}

func stepOf(back bool) int {
	if back {
		return -1
	}
	return 1
}

func (m *regexMatcher) run(n *regexNode, at int) bool {
	if m.depth++; m.depth > maxRegexDepth {
		exceeded(limitRegexDepth, maxRegexDepth)
	}
	ok := m.follow(n, at)
	m.depth--
	return ok
}

func (m *regexMatcher) follow(n *regexNode, at int) bool {
	for {
		if m.steps++; m.steps >= settleRegexSteps {
			m.settle()
		}
		switch n.op {
		case opAccept:
			m.end = at
			return true
		case opUnit, opSet:
			if !m.takes(n, at) {
				return false
			}
			at += stepOf(n.back)
		case opBegin:
			if at > 0 && !(n.negate && lineEnds.has(m.input[at-1])) {
				return false
			}
		case opEnd:
			if at < len(m.input) && !(n.negate && lineEnds.has(m.input[at])) {
				return false
			}
		case opBoundary:
			before := at > 0 && wordSet.has(m.input[at-1])
			after := at < len(m.input) && wordSet.has(m.input[at])
			if (before != after) == n.negate {
				return false
			}
		case opBackreference:
			var ok bool
			if at, ok = m.backreference(n, at); !ok {
				return false
			}
		case opSave:
			old := m.caps[n.n]
			m.caps[n.n] = at
			if m.run(n.next, at) {
				return true
			}
			m.caps[n.n] = old
			return false
		case opAlternatives:
			last := len(n.choices) - 1
			for _, c := range n.choices[:last] {
				if m.run(c, at) {
					return true
				}
			}
			n = n.choices[last]
			continue
		case opLook:
			return m.look(n, at)
		case opRun:
			return m.repeat(n, at)
		case opLoop:
			old := m.loops[n.n]
			m.loops[n.n] = loopState{0, -1}
			if m.run(n.next, at) {
				return true
			}
			m.loops[n.n] = old
			return false
		case opAgain:
			return m.again(n, at)
		}
		n = n.next
	}
}

func (m *regexMatcher) backreference(n *regexNode, at int) (int, bool) {
	from, to := m.caps[2*n.n], m.caps[2*n.n+1]
	if from < 0 || to < 0 {
		return at, true
	}
	size := to - from
	start := at
	if n.back {
		start -= size
	}
	if start < 0 || start+size > len(m.input) {
		return 0, false
	}
	for i := range size {
		a, b := m.input[from+i], m.input[start+i]
		if n.fold {
			a, b = canonical()[a], canonical()[b]
		}
		if a != b {
			return 0, false
		}
	}
	m.steps += size / 8
	return at + size*stepOf(n.back), true
}

func (m *regexMatcher) look(n *regexNode, at int) bool {
	before := slices.Clone(m.caps)
	if m.run(n.body, at) == n.negate {
		copy(m.caps, before)
		return false
	}
	if n.negate {
		copy(m.caps, before)
	}
	if m.run(n.next, at) {
		return true
	}
	copy(m.caps, before)
	return false
}

// repeat is a loop over one unit at a time.
func (m *regexMatcher) repeat(n *regexNode, at int) bool {
	step := stepOf(n.back)
	count := 0
	for count < n.min {
		if !m.takes(n.body, at) {
			return false
		}
		at += step
		count++
		m.steps++
	}
	if n.lazy {
		for {
			if m.run(n.next, at) {
				return true
			}
			if count >= n.max || !m.takes(n.body, at) {
				return false
			}
			at += step
			count++
		}
	}
	for count < n.max && m.takes(n.body, at) {
		at += step
		count++
		m.steps++
	}
	for {
		if m.run(n.next, at) {
			return true
		}
		if count == n.min {
			return false
		}
		at -= step
		count--
	}
}

// again decides on another round of a loop. A round beyond the least number that takes nothing ends in vain.
func (m *regexMatcher) again(n *regexNode, at int) bool {
	state := m.loops[n.n]
	if state.count > n.min && state.at == at {
		return false
	}
	round := func() bool {
		if state.count >= n.max {
			return false
		}
		held := slices.Clone(m.caps[2*n.from : 2*n.to])
		for i := 2 * n.from; i < 2*n.to; i++ {
			m.caps[i] = -1
		}
		m.loops[n.n] = loopState{state.count + 1, at}
		if m.run(n.body, at) {
			return true
		}
		m.loops[n.n] = state
		copy(m.caps[2*n.from:], held)
		return false
	}
	switch {
	case state.count < n.min:
		return round()
	case n.lazy:
		return m.run(n.next, at) || round()
	}
	return round() || m.run(n.next, at)
}
