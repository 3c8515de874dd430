package expr

import (
	"math"
	"slices"
	"strings"
)

// Within an evaluation a value may also be one of these; none of them leaves it.
type (
	// array is a JavaScript array: it has an identity, may have holes, and its changes stay within one evaluation.
	// Items may be raw []any that were not looked at yet.
	array struct {
		items    []any
		depth    int
		callable bool
	}
	// safeText is text marked by the filter safe, or what a macro returns.
	safeText struct{ text string }
	// regex is an evaluated literal.
	regex struct {
		literal   *RegexExpr
		lastIndex int
	}
	holeType struct{}
)

// hole stands for an absent item.
var hole = &holeType{}

func containsCallable(v any) bool {
	switch v := v.(type) {
	case *callable:
		return true
	case *array:
		return v.callable
	case *Object:
		return v.callable
	}
	return false
}

func depthOf(v any) int {
	switch v := v.(type) {
	case *array:
		return v.depth
	case *Object:
		return v.depth
	case []any:
		return 1
	}
	return 0
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case undefined:
		return "undefined"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case *array, []any:
		return "array"
	case *Object:
		return "record"
	case *safeText:
		return "safe string"
	case *regex:
		return "regular expression"
	case *callable:
		return "callable"
	}
	return "unknown value"
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case *safeText:
		return v.text, true
	}
	return "", false
}

func isNullish(v any) bool { return v == nil || v == any(Undefined) }

// refuseCallable stops where a function would be turned into data.
func refuseCallable(values ...any) {
	if slices.ContainsFunc(values, containsCallable) {
		throw("Callable values cannot be coerced")
	}
}

// renderText is what a value contributes to the output. ev may be nil, for values outside an evaluation.
func renderText(ev *evaluator, v any) string {
	refuseCallable(v)
	return renderNested(ev, v, 0)
}

func renderNested(ev *evaluator, v any, depth int) string {
	if depth > maxValueDepth {
		throw("Template value nesting cannot exceed 256 levels")
	}
	switch v := v.(type) {
	case nil, undefined, *holeType:
		return ""
	case string:
		return v
	case bool:
		return boolText(v)
	case float64:
		return formatNumber(v)
	case *safeText:
		return v.text
	case *array:
		return renderItems(ev, v.items, depth)
	case []any:
		return renderItems(ev, v, depth)
	case *Object:
		return "[object Object]"
	case *regex:
		return v.literal.text()
	}
	throw("Callable values cannot be rendered")
	return ""
}

func renderItems(ev *evaluator, items []any, depth int) string {
	parts := make([]string, len(items))
	for i, item := range items {
		ev.work()
		parts[i] = renderNested(ev, item, depth+1)
	}
	return ev.join(parts, ",")
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// primitive is JavaScript's ToPrimitive: it gives undefined, null, bool, float64 or string.
func (ev *evaluator) primitive(v any) any {
	switch v := v.(type) {
	case nil, undefined, bool, float64, string:
		return v
	}
	return renderText(ev, v)
}

// text is JavaScript's String(v).
func (ev *evaluator) text(v any) string {
	switch v := ev.primitive(v).(type) {
	case nil:
		return "null"
	case undefined:
		return "undefined"
	case bool:
		return boolText(v)
	case float64:
		return formatNumber(v)
	case string:
		return v
	}
	return ""
}

// number is JavaScript's Number(v).
func (ev *evaluator) number(v any) float64 {
	switch v := ev.primitive(v).(type) {
	case nil:
		return 0
	case bool:
		return float64(boolInt(v))
	case float64:
		return v
	case string:
		ev.chargeText(len(v))
		return parseNumber(v)
	}
	return math.NaN()
}

// strictEqual is ===. Objects and arrays equal only themselves.
func strictEqual(a, b any) bool { return a == b }

func isPrimitive(v any) bool {
	switch v.(type) {
	case nil, undefined, bool, float64, string:
		return true
	}
	return false
}

// looseEqual is ==.
func (ev *evaluator) looseEqual(a, b any) bool {
	if strictEqual(a, b) {
		return true
	}
	if !isPrimitive(a) && !isPrimitive(b) {
		return false
	}
	return ev.loosePrimitives(ev.primitive(a), ev.primitive(b))
}

func (ev *evaluator) loosePrimitives(a, b any) bool {
	if strictEqual(a, b) {
		return true
	}
	if isNullish(a) || isNullish(b) {
		return isNullish(a) && isNullish(b)
	}
	if kindOf(a) == kindOf(b) {
		return false
	}
	return ev.number(a) == ev.number(b)
}

// order compares as < and > do: negative, zero, positive, or NaN for values without an order.
func (ev *evaluator) order(a, b any) float64 {
	pa, pb := ev.primitive(a), ev.primitive(b)
	if sa, ok := pa.(string); ok {
		if sb, ok := pb.(string); ok {
			return float64(sign(compareText(sa, sb)))
		}
	}
	na, nb := ev.number(pa), ev.number(pb)
	switch {
	case na < nb:
		return -1
	case na > nb:
		return 1
	case na == nb:
		return 0
	}
	return math.NaN()
}

// add is +.
func (ev *evaluator) add(a, b any) any {
	pa, pb := ev.primitive(a), ev.primitive(b)
	_, textA := pa.(string)
	_, textB := pb.(string)
	if textA || textB {
		return ev.concat(ev.text(pa), ev.text(pb))
	}
	return ev.number(pa) + ev.number(pb)
}

// concat joins text within the bounds of memory.
func (ev *evaluator) concat(a, b string) string {
	ev.boundText(len(a) + len(b))
	return concatText(a, b)
}

func (ev *evaluator) join(parts []string, sep string) string {
	size := 0
	for _, p := range parts {
		size += len(p) + len(sep)
	}
	ev.boundText(size)
	return joinText(parts, sep)
}

func (r *RegexExpr) text() string {
	source := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\u2028", `\u2028`, "\u2029", `\u2029`).Replace(r.Source)
	if source == "" {
		source = "(?:)"
	}
	flags := ""
	for _, f := range []string{"g", "i", "m", "y"} {
		if strings.Contains(r.Flags, f) {
			flags += f
		}
	}
	return "/" + source + "/" + flags
}
