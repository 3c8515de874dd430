// Package npmyaml writes YAML as the npm package yaml 2 does with its defaults, byte for byte: files that
// Backstage wrote before must not change when somebody else writes them.
package npmyaml

import (
	"math"
	"strings"

	"github.com/gildway/gildway/internal/expr"
)

const (
	lineWidth       = 80
	minContentWidth = 20
	minMultiLine    = 40   // shorter texts in double quotes keep their \n
	longestKey      = 1024 // longer ones need a question mark
)

// Marshal writes an object as a document. Keys keep their order.
func Marshal(o *expr.Object) []byte {
	return []byte(place{at: -1}.value(o) + "\n")
}

// place is where something is written.
type place struct {
	indent string
	at     int // column of the first character, -1 if it does not count
	key    bool
}

func (p place) value(v any) string {
	switch v := v.(type) {
	case *expr.Object:
		return p.mapping(v)
	case []any:
		return p.list(v)
	case string:
		return p.text(v)
	case bool:
		if v {
			return "true"
		}
		return "false"
	case float64:
		return number(v)
	default:
		return "null"
	}
}

func number(n float64) string {
	switch {
	case math.IsNaN(n):
		return ".nan"
	case math.IsInf(n, 1):
		return ".inf"
	case math.IsInf(n, -1):
		return "-.inf"
	case n == 0 && math.Signbit(n):
		return "-0"
	default:
		return expr.ToString(n)
	}
}

func (p place) list(items []any) string {
	if len(items) == 0 {
		return "[]"
	}
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = "- " + place{indent: p.indent + "  ", at: p.at}.value(item)
	}
	return strings.Join(lines, "\n"+p.indent)
}

func (p place) mapping(o *expr.Object) string {
	if o.Len() == 0 {
		return "{}"
	}
	lines := make([]string, 0, o.Len())
	for key, value := range o.All() {
		if value != any(expr.Undefined) {
			lines = append(lines, p.entry(key, value))
		}
	}
	return strings.Join(lines, "\n"+p.indent)
}

func (p place) entry(key string, value any) string {
	inner := place{indent: p.indent + "  ", at: p.at, key: true}
	start := inner.text(key)
	inner.key = false
	if length(start) > longestKey {
		return "? " + start + "\n" + p.indent + ": " + inner.value(value)
	}
	start += ":"
	switch v := value.(type) {
	case *expr.Object:
		if v.Len() > 0 {
			return start + "\n" + inner.indent + inner.value(v)
		}
	case []any:
		if len(v) > 0 {
			return start + "\n" + inner.indent + inner.value(v)
		}
	default:
		inner.at = length(start) + 1
	}
	text := inner.value(value)
	if strings.HasPrefix(text, "\n") {
		return start + text
	}
	return start + " " + text
}
