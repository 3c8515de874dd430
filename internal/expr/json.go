package expr

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// stringify is JSON.stringify; false means that there is no text, as for undefined.
func stringify(ev *evaluator, v any, indent string) (text string, ok bool, err error) {
	if ev == nil {
		defer func() {
			if r := recover(); r != nil {
				f, isFailure := r.(failure)
				if !isFailure {
					panic(r)
				}
				err = fmt.Errorf("expr: %s", f.msg)
			}
		}()
	}
	w := &jsonWriter{ev: ev, indent: indent}
	if !w.write(v, 0) {
		return "", false, nil
	}
	return w.out.String(), true, nil
}

type jsonWriter struct {
	ev     *evaluator
	out    strings.Builder
	indent string
}

// write reports whether the value has a JSON form; it writes nothing if not.
func (w *jsonWriter) write(v any, depth int) bool {
	w.ev.work()
	w.ev.boundText(w.out.Len())
	if depth > maxValueDepth {
		throw("Template value nesting cannot exceed 256 levels")
	}
	switch v := v.(type) {
	case nil:
		w.out.WriteString("null")
	case undefined, *holeType:
		return false
	case bool:
		w.out.WriteString(boolText(v))
	case float64:
		if v != v || math.IsInf(v, 0) {
			w.out.WriteString("null")
		} else {
			w.out.WriteString(formatNumber(v))
		}
	case string:
		w.quote(v)
	case *safeText:
		w.quote(v.text)
	case *array:
		w.items(v.items, depth)
	case []any:
		w.items(v, depth)
	case *Object:
		w.object(v, depth)
	case *regex:
		w.out.WriteString("{}")
	case *callable:
		throw("Callable values cannot be serialized")
	default:
		throw("Unsupported value of Go type " + fmt.Sprintf("%T", v))
	}
	return true
}

func (w *jsonWriter) newline(depth int) {
	if w.indent != "" {
		w.out.WriteByte('\n')
		for range depth {
			w.out.WriteString(w.indent)
		}
	}
}

func (w *jsonWriter) items(items []any, depth int) {
	w.out.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.newline(depth + 1)
		if !w.write(item, depth+1) {
			w.out.WriteString("null")
		}
	}
	if len(items) > 0 {
		w.newline(depth)
	}
	w.out.WriteByte(']')
}

func (w *jsonWriter) object(o *Object, depth int) {
	if o == nil {
		w.out.WriteString("null")
		return
	}
	w.out.WriteByte('{')
	first := true
	for k, v := range o.All() {
		if v == any(Undefined) {
			continue
		}
		if !first {
			w.out.WriteByte(',')
		}
		first = false
		w.newline(depth + 1)
		w.quote(k)
		w.out.WriteByte(':')
		if w.indent != "" {
			w.out.WriteByte(' ')
		}
		w.write(v, depth+1)
	}
	if !first {
		w.newline(depth)
	}
	w.out.WriteByte('}')
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func (w *jsonWriter) quote(s string) {
	w.out.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := decodeUnit(s[i:])
		switch escape, ok := jsonEscapes[r]; {
		case ok:
			w.out.WriteString(escape)
		case r < ' ' || r >= 0xD800 && r <= 0xDFFF:
			fmt.Fprintf(&w.out, `\u%04x`, r)
		case r == utf8.RuneError:
			w.out.WriteString("\uFFFD")
		default:
			w.out.WriteString(s[i : i+n])
		}
		i += n
	}
	w.out.WriteByte('"')
}
