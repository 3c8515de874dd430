package npmyaml

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf16"
)

var (
	// needsDouble finds characters that only double quotes can hold.
	needsDouble = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f-\x{9f}]`)
	// notPlain finds what would mean something else without quotes.
	notPlain = regexp.MustCompile("^[\n\t ,\\[\\]{}#&*!|>'\"%@`]|^[?-]$|^[?-][ \t]|[\n:][ \t]|[ \t]\n|[\n\t ]#|[\n\t :]\\z")
	// notText finds what would be read as something other than a text.
	notText = regexp.MustCompile(`^(?:~|[Nn]ull|NULL|[Tt]rue|TRUE|[Ff]alse|FALSE|` +
		`0o[0-7]+|[-+]?[0-9]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN|` +
		`[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+|[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*))?\z`)
	documentMarker  = regexp.MustCompile(`(?m)^(?:%|---|\.\.\.)`)
	lineBreaks      = regexp.MustCompile(`\n+`)
	blankLastLine   = regexp.MustCompile(`\n[\t ]+\z`)
	spacedLineBreak = regexp.MustCompile(`[ \t]\n|\n[ \t]`)
)

// length is that of JavaScript: in UTF-16 units.
func length(s string) int { return len(utf16.Encode([]rune(s))) }

func (p place) text(s string) string {
	switch {
	case needsDouble.MatchString(s):
		return p.doubleQuoted(s)
	case p.key && strings.Contains(s, "\n"):
		return p.quoted(s)
	case notPlain.MatchString(s):
		if p.key || !strings.Contains(s, "\n") {
			return p.quoted(s)
		}
		return p.block(s)
	case strings.Contains(s, "\n"):
		return p.block(s)
	case p.key && p.indent == "  " && documentMarker.MatchString(s):
		return p.quoted(s)
	case notText.MatchString(s):
		return p.quoted(s)
	case p.key:
		return s
	default:
		return fold(s, p.indent, flow, p.at, nil)
	}
}

func (p place) quoted(s string) string {
	if strings.Contains(s, `"`) && !strings.Contains(s, "'") {
		return p.singleQuoted(s)
	}
	return p.doubleQuoted(s)
}

func (p place) singleQuoted(s string) string {
	if p.key && strings.Contains(s, "\n") || spacedLineBreak.MatchString(s) {
		return p.doubleQuoted(s)
	}
	text := "'" + lineBreaks.ReplaceAllString(s, "$0\n"+p.indent) + "'" // it holds no single quote
	if p.key {
		return text
	}
	return fold(text, p.indent, flow, p.at, nil)
}

var escapes = map[string]string{"0000": `\0`, "0007": `\a`, "000b": `\v`, "001b": `\e`}

func (p place) doubleQuoted(s string) string {
	source := stringify(s)
	var out strings.Builder
	for i := 0; i < len(source); i++ {
		ch := source[i]
		if ch == ' ' && strings.HasPrefix(source[i+1:], `\n`) {
			out.WriteString(`\ `) // a space before a line break would be lost
			i++
			ch = '\\'
		}
		if ch != '\\' {
			out.WriteByte(ch)
			continue
		}
		switch source[i+1] {
		case 'u':
			out.WriteString(escape(source[i+2 : i+6]))
			i += 5
		case 'n':
			if p.key || source[i+2] == '"' || length(source) < minMultiLine {
				out.WriteString(`\n`)
				i++
				continue
			}
			out.WriteString("\n\n") // the first one would be folded away
			for strings.HasPrefix(source[i+2:], `\n`) && source[i+4] != '"' {
				out.WriteByte('\n')
				i += 2
			}
			out.WriteString(p.indent)
			if source[i+2] == ' ' {
				out.WriteByte('\\')
			}
			i++
		default:
			out.WriteString(source[i : i+2])
			i++
		}
	}
	if p.key {
		return out.String()
	}
	return fold(out.String(), p.indent, quotes, p.at, nil)
}

func escape(code string) string {
	switch short, known := escapes[code]; {
	case known:
		return short
	case strings.HasPrefix(code, "00"):
		return `\x` + code[2:]
	default:
		return `\u` + code
	}
}

// stringify is JSON.stringify of a text.
func stringify(s string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a text always encodes
	text := strings.TrimSuffix(out.String(), "\n")
	return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
}
