package expr

import (
	"sort"
	"strings"
	"unicode/utf8"
)

type tagKind int

const (
	tagText tagKind = iota
	tagVariable
	tagBlock
)

// tag is a piece of a template: text, the inside of ${{ }} or the inside of {% %}. Source offsets say where the
// inside starts.
type tag struct {
	kind   tagKind
	value  string
	start  int
	inside int
}

// source turns offsets into positions; asking for them in rising order costs linear time in all.
type source struct {
	text  string
	lines []int
	last  Pos
}

func newSource(text string) *source {
	s := &source{text: text, lines: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

func (s *source) pos(offset int) Pos {
	offset = min(max(offset, 0), len(s.text))
	line := sort.SearchInts(s.lines, offset+1)
	p := Pos{Line: line, Column: 1, Offset: s.lines[line-1]}
	if s.last.Line == line && s.last.Offset <= offset {
		p = s.last
	}
	p.Column += unitLen(s.text[p.Offset:offset])
	p.Offset = offset
	s.last = p
	return p
}

func (s *source) fail(offset int, msg string) {
	panic(&SyntaxError{Pos: s.pos(offset), Msg: msg})
}

// codeSpace is whitespace inside a tag, at the start of s; it gives its length in bytes.
func codeSpace(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case ' ', '\t', '\n', '\r':
		return 1
	case 0xC2:
		if len(s) > 1 && s[1] == 0xA0 {
			return 2
		}
	}
	return 0
}

func trimCodeStart(s string) string {
	for n := codeSpace(s); n > 0; n = codeSpace(s) {
		s = s[n:]
	}
	return s
}

func trimCode(s string) string {
	s = trimCodeStart(s)
	return strings.TrimRight(strings.TrimRightFunc(s, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == 0xA0
	}), "")
}

func isNameStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }

// nameEnd is the end of the identifier at i, or -1; digits may lead where a property is named.
func nameEnd(s string, i int, digitsLead bool) int {
	if digitsLead {
		for i < len(s) && isDigit(s[i]) {
			i++
		}
	}
	if i >= len(s) || !isNameStart(s[i]) {
		return -1
	}
	for i < len(s) && (isNameStart(s[i]) || isDigit(s[i])) {
		i++
	}
	return i
}

// codeError is a fault at an offset of the piece of code being scanned.
type codeError struct {
	offset int
	msg    string
}

// skipCode gives the end of the string, name, number or regular expression at i, or -1 if there is none.
func skipCode(s string, i int) (int, *codeError) {
	if c := s[i]; c == '"' || c == '\'' {
		for j := i + 1; j < len(s); j++ {
			if s[j] == '\\' {
				j++
			} else if s[j] == c {
				return j + 1, nil
			}
		}
		return len(s), nil
	}
	end := nameEnd(s, i, true)
	if end < 0 {
		j := i
		for j < len(s) && isDigit(s[j]) {
			j++
		}
		if j > i {
			return j, nil
		}
		return -1, nil
	}
	if s[i:end] == "r" && end < len(s) && s[end] == '/' {
		_, _, end, err := scanRegex(s, i)
		return end, err
	}
	return end, nil
}

// findCode finds a terminator outside strings, names and regular expressions, or gives -1.
func (s *source) findCode(from int, terminator string) int {
	for i := from; i <= len(s.text)-len(terminator); {
		end, err := skipCode(s.text, i)
		switch {
		case err != nil:
			s.fail(err.offset, err.msg)
		case end >= 0:
			i = end
		case strings.HasPrefix(s.text[i:], terminator):
			return i
		default:
			i++
		}
	}
	return -1
}

// nextIndex remembers where a marker comes next, so that scanning stays linear.
type nextIndex struct {
	marker string
	at     int
}

func (n *nextIndex) from(s string, i int) int {
	if n.at >= 0 && n.at < i {
		n.at = indexFrom(s, n.marker, i)
	}
	return n.at
}

func indexFrom(s, sub string, i int) int {
	if j := strings.Index(s[i:], sub); j >= 0 {
		return i + j
	}
	return -1
}

type scanner struct {
	src     *source
	opts    Options
	index   int
	pending strings.Builder
	textAt  int
	tags    []tag
	// dirty says whether the current line has had anything but whitespace.
	dirty bool
}

// scan splits a template into tags, applying whitespace control, raw blocks and comments.
func scan(src *source, opts Options) []tag {
	s := &scanner{src: src, opts: opts}
	variable := "${{"
	if opts.CookiecutterCompat {
		variable = "{{"
	}
	first := func(marker string) *nextIndex { return &nextIndex{marker, indexFrom(src.text, marker, 0)} }
	openings := []*nextIndex{first(variable), first("{%"), first("{#")}
	strayEnd := first("#}")
	for s.index < len(src.text) {
		var open *nextIndex
		for _, o := range openings {
			if at := o.from(src.text, s.index); at >= 0 && (open == nil || at < open.at) {
				open = o
			}
		}
		if stray := strayEnd.from(src.text, s.index); stray >= 0 && (open == nil || stray < open.at) {
			src.fail(stray, "Unexpected end of comment")
		}
		if open == nil {
			s.text(len(src.text))
			break
		}
		s.text(open.at)
		s.tag(open.marker, open == openings[1], open == openings[2])
	}
	s.flush()
	return s.tags
}

// advance moves to an offset, remembering whether the line has content.
func (s *scanner) advance(to int) {
	for i := s.index; i < to; {
		r, w := utf8.DecodeRuneInString(s.src.text[i:])
		if r == '\n' {
			s.dirty = false
		} else if !isSpace(r) {
			s.dirty = true
		}
		i += w
	}
	s.index = to
}

func (s *scanner) text(to int) {
	if s.pending.Len() == 0 {
		s.textAt = s.index
	}
	s.pending.WriteString(s.src.text[s.index:to])
	s.advance(to)
}

func (s *scanner) setPending(text string) {
	s.pending.Reset()
	s.pending.WriteString(text)
}

func (s *scanner) flush() {
	if s.pending.Len() > 0 {
		s.tags = append(s.tags, tag{kind: tagText, value: s.pending.String(), start: s.textAt, inside: s.textAt})
		s.pending.Reset()
	}
}

func (s *scanner) tag(marker string, block, comment bool) {
	text := s.src.text
	start := s.index
	if block && s.opts.LstripBlocks && !s.dirty {
		pending := s.pending.String()
		line := strings.LastIndexByte(pending, '\n') + 1
		if trimText(pending[line:]) == "" {
			s.setPending(pending[:line])
		}
	}
	inside := start + len(marker)
	if strings.HasPrefix(text[inside:], "-") {
		inside++
		s.setPending(strings.TrimRightFunc(s.pending.String(), isSpace))
	}
	s.flush()
	s.advance(inside)
	var end int
	name, closing := "variable", "}}"
	switch {
	case comment:
		name, closing = "comment", "#}"
		end = indexFrom(text, closing, inside)
	case block:
		name, closing = "block", "%}"
		end = s.src.findCode(inside, closing)
	default:
		end = s.src.findCode(inside, closing)
	}
	if end < 0 {
		s.src.fail(start, "Unterminated "+name+" tag")
	}
	trimRight := text[end-1] == '-'
	contentEnd := end
	if trimRight {
		contentEnd--
	}
	content := text[inside:max(inside, contentEnd)]
	s.advance(end + len(closing))
	if !comment {
		value := trimCodeStart(content)
		t := tag{kind: tagVariable, value: value, start: start, inside: inside + len(content) - len(value)}
		if block {
			t.kind, t.value = tagBlock, trimCode(content)
			if n := tagName(t.value); n == "raw" || n == "verbatim" {
				s.raw(t, n, trimRight)
				return
			}
		}
		s.tags = append(s.tags, t)
	}
	switch {
	case trimRight:
		s.skipSpace()
	case block && s.opts.TrimBlocks:
		s.skipNewline()
	}
}

func (s *scanner) skipSpace() {
	rest := s.src.text[s.index:]
	s.advance(s.index + len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
}

func (s *scanner) skipNewline() {
	rest := s.src.text[s.index:]
	if strings.HasPrefix(rest, "\r\n") {
		s.advance(s.index + 2)
	} else if strings.HasPrefix(rest, "\n") {
		s.advance(s.index + 1)
	}
}

func (s *scanner) raw(t tag, name string, trimRight bool) {
	if t.value != name {
		s.src.fail(t.start, name+" tag does not accept trailing content")
	}
	if s.opts.TrimBlocks {
		s.skipNewline()
	}
	depth := 1
	for i := s.index; ; {
		at := indexFrom(s.src.text, "{%", i)
		if at < 0 {
			s.src.fail(t.start, `Missing "end`+name+`" tag`)
		}
		closes, end := rawMarker(s.src.text, at, name)
		if end < 0 {
			i = at + 2
			continue
		}
		if !closes {
			depth++
		} else if depth--; depth == 0 {
			if strings.Contains(s.src.text[at:end], "\n") {
				s.src.fail(at, name+" closing tag cannot contain a line break")
			}
			s.text(at)
			s.advance(end)
			if trimRight {
				s.skipSpace()
			}
			return
		}
		i = end
	}
}

// rawMarker reads {% raw %} or {% endraw %} at an offset: whether it closes, and its end or -1.
func rawMarker(text string, at int, name string) (closes bool, end int) {
	skip := func(i int) int {
		return len(text) - len(strings.TrimLeftFunc(text[i:], isSpace))
	}
	i := skip(at + 2)
	switch {
	case strings.HasPrefix(text[i:], "end"+name):
		closes = true
		i += len("end" + name)
	case strings.HasPrefix(text[i:], name):
		i += len(name)
	default:
		return false, -1
	}
	if i = skip(i); strings.HasPrefix(text[i:], "%}") {
		return closes, i + 2
	}
	return false, -1
}

// tagName is the identifier that a block tag starts with.
func tagName(value string) string {
	value = trimCodeStart(value)
	if end := nameEnd(value, 0, false); end > 0 {
		return value[:end]
	}
	return ""
}
