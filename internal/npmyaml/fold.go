package npmyaml

import "unicode/utf16"

// mode is what kind of text is folded.
type mode int

const (
	flow mode = iota
	block
	quotes
)

// folding breaks the lines of a text at spaces, as yaml's foldFlowLines does, in UTF-16 units as there.
type folding struct {
	text   []uint16
	indent int
	mode   mode
}

// unit is a character, 0 behind the end.
func (f folding) unit(i int) uint16 {
	if i < 0 || i >= len(f.text) {
		return 0
	}
	return f.text[i]
}

// fold breaks a text at the line width; at is the column where it begins, -1 if that does not count.
// overflows, if not nil, tells whether a line has no place to break it.
func fold(text, indent string, m mode, at int, overflows *bool) string {
	f := folding{text: utf16.Encode([]rune(text)), indent: len(indent), mode: m}
	step := max(1+minContentWidth, 1+lineWidth-len(indent))
	if len(f.text) <= step {
		return text
	}
	folds, escaped, overflow := f.places(at, step)
	if overflow && overflows != nil {
		*overflows = true
	}
	if len(folds) == 0 {
		return text
	}
	breaking := utf16.Encode([]rune("\n" + indent))
	out := append([]uint16(nil), f.text[:folds[0]]...)
	for i, at := range folds {
		end := len(f.text)
		if i+1 < len(folds) && folds[i+1] != 0 {
			end = folds[i+1]
		}
		if at == 0 {
			out = append(append(out[:0], breaking...), f.text[:end]...)
			continue
		}
		if escaped[at] {
			out = append(out, f.text[at], '\\')
		}
		out = append(append(out, breaking...), f.text[min(at+1, end):end]...)
	}
	return string(utf16.Decode(out))
}

// places finds where to break lines, and which of the breaks stand within a word and must be escaped.
func (f folding) places(at, step int) (folds []int, escaped map[int]bool, overflow bool) {
	escaped = map[int]bool{}
	end := lineWidth - f.indent
	if at >= 0 {
		if at > lineWidth-max(2, minContentWidth) {
			folds = append(folds, 0)
		} else {
			end = lineWidth - at
		}
	}
	split, prev := 0, uint16(0)
	escStart, escEnd := -1, -1
	i := -1
	if f.mode == block {
		if i = f.skipIndented(i); i != -1 {
			end = i + step
		}
	}
	for i++; i < len(f.text); i++ {
		ch := f.text[i]
		if f.mode == quotes && ch == '\\' {
			escStart = i
			i += escapeLength(f.unit(i+1)) - 1
			escEnd = i
		}
		if ch == '\n' {
			if f.mode == block {
				i = f.skipIndented(i)
			}
			end, split, prev = i+f.indent+step, 0, ch
			continue
		}
		if ch == ' ' && prev != 0 && !isBlank(prev) {
			if next := f.unit(i + 1); next != 0 && !isBlank(next) {
				split = i
			}
		}
		switch {
		case i < end:
		case split != 0:
			folds = append(folds, split)
			end, split = split+step, 0
		case f.mode == quotes:
			for prev == ' ' || prev == '\t' {
				prev = ch
				i++
				ch = f.unit(i)
				overflow = true
			}
			j := escStart - 1
			if i > escEnd+1 {
				j = i - 2
			}
			if escaped[j] {
				return nil, nil, overflow
			}
			folds, escaped[j] = append(folds, j), true
			end, split = j+step, 0
		default:
			overflow = true
		}
		prev = ch
	}
	return folds, escaped, overflow
}

func escapeLength(kind uint16) int {
	switch kind {
	case 'x':
		return 4
	case 'u':
		return 6
	default:
		return 2
	}
}

func isBlank(u uint16) bool { return u == ' ' || u == '\n' || u == '\t' }

// skipIndented gives the last line break of the more indented lines that follow a place.
func (f folding) skipIndented(i int) int {
	end, start := i, i+1
	for ch := f.unit(start); ch == ' ' || ch == '\t'; {
		if i < start+f.indent {
			i++
			ch = f.unit(i)
			continue
		}
		for i++; i < len(f.text) && f.text[i] != '\n'; i++ {
		}
		end, start = i, i+1
		ch = f.unit(start)
	}
	return end
}
