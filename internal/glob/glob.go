// Package glob matches names against patterns as Backstage does (fast-glob 3 with dot files): braces,
// extended globs and character classes included, in time that no pattern can blow up.
package glob

import (
	"unicode/utf8"

	"github.com/gildway/gildway/internal/fault"
)

// What a pattern may be. More is an Invalid fault.
const (
	MaxLength       = 4096
	MaxAlternatives = 1000 // what its braces come to
	maxNegations    = 2    // of !(…) in each other
)

// Pattern is a compiled glob.
type Pattern struct{ alternatives []program }

// Compile reads a pattern. * and ? match within a folder's name, ** as a whole name matches any folders or
// none, [a-z] and [[:alpha:]] match a character, {a,b} and {1..3} stand for several patterns, and @(a|b),
// ?(a), *(a), +(a) and !(a) for one of them, none or one, any number, one or more, and none of them.
// \ makes the next character stand for itself.
func Compile(pattern string) (Pattern, error) {
	expanded, err := Braces(pattern)
	if err != nil {
		return Pattern{}, err
	}
	var p Pattern
	for _, alternative := range expanded {
		compiled, ok := compile(alternative)
		if !ok {
			return Pattern{}, fault.New(fault.Invalid, "the glob pattern %.80q has more than %d !(…) in each other", pattern, maxNegations)
		}
		p.alternatives = append(p.alternatives, compiled)
	}
	return p, nil
}

// Braces gives the patterns, without braces, that one with {a,b} or {1..3} stands for.
func Braces(pattern string) ([]string, error) {
	if len(pattern) > MaxLength || !utf8.ValidString(pattern) {
		return nil, fault.New(fault.Invalid, "a glob pattern is a text of at most %d bytes", MaxLength)
	}
	expanded, ok := expand(pattern)
	if !ok {
		return nil, fault.New(fault.Invalid, "the braces of the glob pattern %.80q come to more than %d patterns", pattern, MaxAlternatives)
	}
	return expanded, nil
}

// Match reports whether the pattern matches all of a slash-separated name.
func (p Pattern) Match(name string) bool {
	for _, alternative := range p.alternatives {
		if alternative.match(name) {
			return true
		}
	}
	return false
}

// program is a graph of nodes. Where a match goes on from a node depends on nothing but the node, so that
// trying each node at each place once is enough.
type program struct {
	nodes []node
	start int
}

type kind int

const (
	accept  kind = iota
	literal      // the rune
	class        // a rune that is() likes
	star         // any part of a name
	name         // all of a name
	folders      // nothing, or whole folders with their slashes
	rest         // nothing, or a slash and everything
	all          // everything
	split        // goes on at any of to
	none         // part of a name that none of the programs matches
)

type node struct {
	kind kind
	next int
	rune rune
	is   func(rune) bool
	to   []int
	not  []program
}

func (p program) match(name string) bool {
	m := matching{program: p, name: name, tried: make([]bool, len(p.nodes)*(len(name)+1))}
	return m.from(p.start, 0)
}

type matching struct {
	program
	name  string
	tried []bool
}

func (m *matching) from(id, at int) bool {
	for {
		mark := id*(len(m.name)+1) + at
		if m.tried[mark] {
			return false
		}
		m.tried[mark] = true
		n := m.nodes[id]
		switch n.kind {
		case accept:
			return at == len(m.name)
		case literal, class:
			r, size := utf8.DecodeRuneInString(m.name[at:])
			if size == 0 || n.kind == literal && r != n.rune || n.kind == class && (r == '/' || !n.is(r)) {
				return false
			}
			id, at = n.next, at+size
		case split:
			for _, to := range n.to {
				if m.from(to, at) {
					return true
				}
			}
			return false
		default:
			return m.longer(n, at)
		}
	}
}

// longer tries a node that can match texts of several lengths.
func (m *matching) longer(n node, at int) bool {
	for end := at; end <= len(m.name); end++ {
		part := m.name[at:end]
		switch {
		case n.kind == folders && end > at && part[len(part)-1] != '/':
			continue
		case n.kind == rest && end > at && part[0] != '/':
			return false
		case (n.kind == star || n.kind == name || n.kind == none) && end > at && part[len(part)-1] == '/':
			return false
		case n.kind == name && end == at, n.kind == none && anyMatches(n.not, part):
			continue
		}
		if m.from(n.next, end) {
			return true
		}
	}
	return false
}

func anyMatches(programs []program, s string) bool {
	for _, p := range programs {
		if p.match(s) {
			return true
		}
	}
	return false
}
