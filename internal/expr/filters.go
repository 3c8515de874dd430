package expr

import (
	"math"
	"strings"
)

type builtinFilter func(ev *evaluator, input any, args []any) any

var builtinFilters map[string]builtinFilter

func init() {
	def := func(_ *evaluator, v any, args []any) any {
		if Truthy(at(args, 1)) {
			if Truthy(v) {
				return v
			}
			return at(args, 0)
		}
		if v == any(Undefined) {
			return at(args, 0)
		}
		return v
	}
	escape := func(ev *evaluator, v any, _ []any) any {
		if s, ok := v.(*safeText); ok {
			return s
		}
		return ev.safe(escapeHTML(renderText(ev, v)))
	}
	builtinFilters = map[string]builtinFilter{
		"abs":     func(ev *evaluator, v any, _ []any) any { return math.Abs(ev.number(v)) },
		"default": def, "d": def,
		"dump":        filterDump,
		"escape":      escape,
		"e":           escape,
		"forceescape": func(ev *evaluator, v any, _ []any) any { return ev.safe(escapeHTML(renderText(ev, v))) },
		"safe": func(ev *evaluator, v any, _ []any) any {
			if s, ok := v.(*safeText); ok {
				return s
			}
			return ev.safe(renderText(ev, v))
		},
		"float": func(ev *evaluator, v any, args []any) any {
			if f := parseFloat(ev.text(v)); f == f {
				return f
			}
			return at(args, 0)
		},
		"int":   filterInt,
		"round": filterRound,

		"batch": filterBatch, "dictsort": filterDictsort, "groupby": filterGroupby, "join": filterJoin,
		"first":  func(ev *evaluator, v any, _ []any) any { return ev.edge(v, "first", false) },
		"last":   func(ev *evaluator, v any, _ []any) any { return ev.edge(v, "last", true) },
		"length": func(_ *evaluator, v any, _ []any) any { return lengthOf(v) },
		"list":   filterList, "random": filterRandom, "reverse": filterReverse,
		"select":     func(ev *evaluator, v any, args []any) any { return ev.selectItems(v, args, "select", true) },
		"reject":     func(ev *evaluator, v any, args []any) any { return ev.selectItems(v, args, "reject", false) },
		"selectattr": func(ev *evaluator, v any, args []any) any { return ev.selectAttr(v, args, "selectattr", true) },
		"rejectattr": func(ev *evaluator, v any, args []any) any { return ev.selectAttr(v, args, "rejectattr", false) },
		"slice":      filterSlice, "sort": filterSort, "sum": filterSum,

		"capitalize": func(ev *evaluator, v any, _ []any) any { return keepSafe(v, capitalizeText(ev.normalText(v))) },
		"center":     filterCenter, "indent": filterIndent,
		"lower":   func(ev *evaluator, v any, _ []any) any { return lowerText(ev.normalText(v)) },
		"upper":   func(ev *evaluator, v any, _ []any) any { return upperText(ev.normalText(v)) },
		"nl2br":   filterNl2br,
		"replace": filterReplace, "string": filterString, "striptags": filterStriptags, "title": filterTitle,
		"trim":     func(ev *evaluator, v any, _ []any) any { return keepSafe(v, trimText(ev.needText(v))) },
		"truncate": filterTruncate, "urlencode": filterURLEncode, "urlize": filterURLize, "wordcount": filterWordcount,
	}
}

func (ev *evaluator) safe(s string) *safeText {
	ev.boundText(len(s))
	return &safeText{s}
}

// keepSafe marks what was made of marked text.
func keepSafe(input any, s string) any {
	if _, ok := input.(*safeText); ok {
		return &safeText{s}
	}
	return s
}

// needText is the text of a string; anything else is an error.
func (ev *evaluator) needText(v any) string {
	s, ok := textOf(v)
	if !ok {
		throw("Filter input must be a string")
	}
	return s
}

// normalized makes empty text of null, undefined and false.
func normalized(v any) any {
	if isNullish(v) || v == false {
		return ""
	}
	return v
}

func (ev *evaluator) normalText(v any) string { return ev.needText(normalized(v)) }

func orDefault(v, fallback any) any {
	if Truthy(v) {
		return v
	}
	return fallback
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `\`, "&#92;")

func escapeHTML(s string) string { return htmlEscapes.Replace(s) }

func filterDump(ev *evaluator, v any, args []any) any {
	indent := ""
	switch n := at(args, 0).(type) {
	case string:
		indent = sliceUnits(n, 0, min(10, unitLen(n)))
	case float64:
		if n > 0 {
			indent = strings.Repeat(" ", int(math.Min(10, math.Trunc(n))))
		}
	}
	text, ok, _ := stringify(ev, v, indent)
	if !ok {
		return Undefined
	}
	return text
}

func filterInt(ev *evaluator, v any, args []any) any {
	base := 10.0
	if b := at(args, 1); b != any(Undefined) {
		base = math.Trunc(ev.number(b))
	}
	if n := parseInt(ev.text(v), base); n == n {
		return n
	}
	return at(args, 0)
}

func filterRound(ev *evaluator, v any, args []any) any {
	factor := power(10, ev.number(orDefault(at(args, 0), 0.0)))
	scaled := ev.number(v) * factor
	switch at(args, 1) {
	case "ceil":
		scaled = math.Ceil(scaled)
	case "floor":
		scaled = math.Floor(scaled)
	default:
		scaled = roundHalfUp(scaled)
	}
	return scaled / factor
}
