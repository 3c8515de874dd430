package expr

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// program is a JavaScript regular expression on Go's linear-time engine. What that engine cannot do (lookaround,
// backreferences) is refused when the literal is parsed.
type program struct {
	re     *regexp.Regexp
	names  []string
	global bool
	sticky bool
}

const (
	jsSpace   = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	jsNotEOLs = `[^\n\r\x{2028}\x{2029}]`
)

func compileRegex(pattern, flags string) (*program, error) {
	t := &regexTranslator{src: pattern, multiline: strings.Contains(flags, "m")}
	if err := t.translate(); err != nil {
		return nil, err
	}
	prefix := ""
	if strings.Contains(flags, "i") {
		prefix = "(?i)"
	}
	re, err := regexp.Compile(prefix + t.out.String())
	if err != nil {
		return nil, regexFault(err)
	}
	return &program{re: re, names: re.SubexpNames(), global: strings.Contains(flags, "g"), sticky: strings.Contains(flags, "y")}, nil
}

// regexFault tells a pattern that is wrong from one that is too large for the engine.
func regexFault(err error) error {
	var fault *syntax.Error
	if errors.As(err, &fault) && (fault.Code == syntax.ErrInvalidRepeatSize || fault.Code == syntax.ErrLarge) {
		return unsupportedRegex(fault.Code.String())
	}
	return errInvalidRegex
}

var errInvalidRegex error = reason("Invalid regular-expression literal")

type regexTranslator struct {
	src       string
	i         int
	out       strings.Builder
	multiline bool
}

func unsupportedRegex(what string) error {
	return reason("Unsupported regular expression: " + what)
}

func (t *regexTranslator) translate() error {
	for t.i < len(t.src) {
		c := t.src[t.i]
		switch {
		case c == '\\':
			if err := t.escape(false); err != nil {
				return err
			}
			continue
		case c == '[':
			if err := t.class(); err != nil {
				return err
			}
			continue
		case c == '.':
			t.out.WriteString(jsNotEOLs)
		case c == '^' && t.multiline:
			t.out.WriteString("(?m:^)")
		case c == '^':
			t.out.WriteString(`\A`)
		case c == '$' && t.multiline:
			t.out.WriteString("(?m:$)")
		case c == '$':
			t.out.WriteString(`\z`)
		case c == '(' && strings.HasPrefix(t.src[t.i:], "(?"):
			if err := t.group(); err != nil {
				return err
			}
			continue
		case c == '{' && !quantifier(t.src[t.i:]), c == '}' || c == ']':
			// A brace that is no quantifier stands for itself.
			if c == '}' && t.inQuantifier() {
				t.out.WriteByte(c)
			} else {
				t.out.WriteByte('\\')
				t.out.WriteByte(c)
			}
		default:
			t.out.WriteByte(c)
		}
		t.i++
	}
	return nil
}

func quantifier(s string) bool {
	end := strings.IndexByte(s, '}')
	if end < 2 {
		return false
	}
	low, high, ranged := strings.Cut(s[1:end], ",")
	digits := func(s string) bool { return s != "" && digitRun(s, 10) == len(s) }
	return digits(low) && (!ranged || high == "" || digits(high))
}

func (t *regexTranslator) inQuantifier() bool {
	open := strings.LastIndexByte(t.src[:t.i], '{')
	return open >= 0 && !strings.ContainsRune(t.src[open:t.i], '}') && quantifier(t.src[open:])
}

func (t *regexTranslator) group() error {
	rest := t.src[t.i:]
	switch {
	case strings.HasPrefix(rest, "(?:"):
		t.out.WriteString("(?:")
		t.i += 3
	case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!"):
		return unsupportedRegex("lookahead")
	case strings.HasPrefix(rest, "(?<=") || strings.HasPrefix(rest, "(?<!"):
		return unsupportedRegex("lookbehind")
	case strings.HasPrefix(rest, "(?<"):
		t.out.WriteString("(?P<")
		t.i += 3
	default:
		return errInvalidRegex
	}
	return nil
}

// escape translates what follows a backslash, inside a class or outside.
func (t *regexTranslator) escape(inClass bool) error {
	t.i++
	if t.i >= len(t.src) {
		return errInvalidRegex
	}
	c := t.src[t.i]
	t.i++
	code := func(n int) bool {
		if len(t.src)-t.i < n || digitRun(t.src[t.i:t.i+n], 16) != n {
			return false
		}
		t.out.WriteString(`\x{` + t.src[t.i:t.i+n] + `}`)
		t.i += n
		return true
	}
	switch {
	case c == 'd' || c == 'D' || c == 'w' || c == 'W' || c == 'f' || c == 'n' || c == 'r' || c == 't' || c == 'v':
		t.out.WriteString(`\` + string(c))
	case (c == 'b' || c == 'B') && !inClass:
		t.out.WriteString(`\` + string(c))
	case c == 'b':
		t.out.WriteString(`\x08`)
	case c == 's' && inClass:
		t.out.WriteString(jsSpace)
	case c == 's':
		t.out.WriteString("[" + jsSpace + "]")
	case c == 'S' && inClass:
		return unsupportedRegex(`\S within a class`)
	case c == 'S':
		t.out.WriteString("[^" + jsSpace + "]")
	case c == 'x' && code(2), c == 'u' && code(4):
	case c == '0' && (t.i >= len(t.src) || !isDigit(t.src[t.i])):
		t.out.WriteString(`\x00`)
	case isDigit(c):
		return unsupportedRegex("backreference")
	case c == 'k' && strings.HasPrefix(t.src[t.i:], "<"):
		return unsupportedRegex("backreference")
	case c == 'c' && t.i < len(t.src) && isNameStart(t.src[t.i]) && t.src[t.i] != '_':
		t.out.WriteString(`\x{` + strconv.FormatInt(int64(t.src[t.i]&0x1F), 16) + `}`)
		t.i++
	case c < 0x80 && !isNameStart(c):
		t.out.WriteString(`\` + string(rune(c)))
	default:
		t.out.WriteByte(c)
	}
	return nil
}

func (t *regexTranslator) class() error {
	switch rest := t.src[t.i:]; {
	case strings.HasPrefix(rest, "[^]"):
		t.out.WriteString(`[\x{0}-\x{10FFFF}]`)
		t.i += 3
		return nil
	case strings.HasPrefix(rest, "[]"):
		t.out.WriteString(`[^\x{0}-\x{10FFFF}]`)
		t.i += 2
		return nil
	}
	t.out.WriteByte('[')
	t.i++
	if t.i < len(t.src) && t.src[t.i] == '^' {
		t.out.WriteByte('^')
		t.i++
	}
	if rest := t.src[t.i:]; strings.HasPrefix(rest, `\S\s]`) || strings.HasPrefix(rest, `\s\S]`) {
		t.out.WriteString(`\x{0}-\x{10FFFF}]`)
		t.i += 5
		return nil
	}
	for t.i < len(t.src) {
		switch c := t.src[t.i]; c {
		case ']':
			t.out.WriteByte(c)
			t.i++
			return nil
		case '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case '[', '&', '~':
			t.out.WriteString(`\` + string(c))
			t.i++
		default:
			t.out.WriteByte(c)
			t.i++
		}
	}
	return errInvalidRegex
}

// match finds the first match at or after a byte offset; submatch offsets are of the whole text.
func (p *program) match(s string, from int) []int {
	if from > len(s) {
		return nil
	}
	m := p.re.FindStringSubmatchIndex(s[from:])
	if m == nil || p.sticky && m[0] != 0 {
		return nil
	}
	for i := range m {
		if m[i] >= 0 {
			m[i] += from
		}
	}
	return m
}

// substitute writes a replacement with its $ patterns.
func (p *program) substitute(b *strings.Builder, s, replacement string, m []int) {
	group := func(n int) string {
		if m[2*n] < 0 {
			return ""
		}
		return s[m[2*n]:m[2*n+1]]
	}
	groups := len(m)/2 - 1
	named := false
	for _, n := range p.names {
		named = named || n != ""
	}
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
			b.WriteString(group(0))
			i++
		case rest[0] == '`':
			b.WriteString(s[:m[0]])
			i++
		case rest[0] == '\'':
			b.WriteString(s[m[1]:])
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
			b.WriteString(group(n))
			i += width
		case rest[0] == '<' && named && strings.IndexByte(rest, '>') > 0:
			end := strings.IndexByte(rest, '>')
			if n := p.re.SubexpIndex(rest[1:end]); n > 0 {
				b.WriteString(group(n))
			}
			i += 1 + end
		default:
			b.WriteByte('$')
		}
	}
}
