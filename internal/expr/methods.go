package expr

import (
	"math"
	"slices"
	"strings"
)

// method is a method of a value with the number of arguments it must be written with; most of -1 means any.
type method struct {
	least, most int
	fn          func(ev *evaluator, receiver any, args []any) any
}

var stringMethods, numberMethods, arrayMethods, jinjaArrayMethods, jinjaRecordMethods, regexMethods map[string]*method

// methodOf finds one of the closed list of methods.
func methodOf(v any, name string, compat bool) *method {
	switch v.(type) {
	case string, *safeText:
		return stringMethods[name]
	case float64:
		return numberMethods[name]
	case *array:
		if m := jinjaArrayMethods[name]; m != nil && compat {
			return m
		}
		return arrayMethods[name]
	case *Object:
		if compat {
			return jinjaRecordMethods[name]
		}
	case *regex:
		return regexMethods[name]
	}
	return nil
}

func init() {
	text := func(least, most int, fn func(ev *evaluator, s string, args []any) any) *method {
		return &method{least, most, func(ev *evaluator, v any, args []any) any {
			s, _ := textOf(v)
			return fn(ev, s, args)
		}}
	}
	plain := func(fn func(string) string) *method {
		return text(0, 0, func(_ *evaluator, s string, _ []any) any { return fn(s) })
	}
	stringMethods = map[string]*method{
		"charAt": text(0, 1, func(ev *evaluator, s string, args []any) any {
			if i := ev.integer(at(args, 0), 0); i >= 0 && i < float64(unitLen(s)) {
				return sliceUnits(s, int(i), int(i)+1)
			}
			return ""
		}),
		"charCodeAt": text(0, 1, func(ev *evaluator, s string, args []any) any {
			if i := ev.integer(at(args, 0), 0); i >= 0 && i < float64(unitLen(s)) {
				return float64(toUnits(sliceUnits(s, int(i), int(i)+1))[0])
			}
			return math.NaN()
		}),
		"concat": text(0, -1, func(ev *evaluator, s string, args []any) any {
			for _, a := range args {
				s = ev.concat(s, ev.text(a))
			}
			return s
		}),
		"startsWith": text(1, 2, func(ev *evaluator, s string, args []any) any {
			from := clampIndex(ev.integer(at(args, 1), 0), unitLen(s))
			return strings.HasPrefix(sliceUnits(s, from, unitLen(s)), ev.text(args[0]))
		}),
		"endsWith": text(1, 2, func(ev *evaluator, s string, args []any) any {
			to := clampIndex(ev.integer(at(args, 1), math.Inf(1)), unitLen(s))
			return strings.HasSuffix(sliceUnits(s, 0, to), ev.text(args[0]))
		}),
		"includes": text(1, 2, func(ev *evaluator, s string, args []any) any {
			return indexOfText(s, ev.text(args[0]), ev.integer(at(args, 1), 0)) >= 0
		}),
		"indexOf": text(1, 2, func(ev *evaluator, s string, args []any) any {
			return float64(indexOfText(s, ev.text(args[0]), ev.integer(at(args, 1), 0)))
		}),
		"lastIndexOf": text(1, 2, func(ev *evaluator, s string, args []any) any {
			from := math.Inf(1)
			if p := at(args, 1); p != any(Undefined) {
				if n := ev.number(p); n == n {
					from = truncate(n)
				}
			}
			return float64(lastIndexOfText(s, ev.text(args[0]), from))
		}),
		"slice": text(0, 2, func(ev *evaluator, s string, args []any) any {
			from, to := ev.span(args, 0, unitLen(s))
			return sliceUnits(s, from, to)
		}),
		"substring": text(0, 2, func(ev *evaluator, s string, args []any) any {
			n := unitLen(s)
			from, to := clampIndex(ev.integer(at(args, 0), 0), n), clampIndex(ev.integer(at(args, 1), math.Inf(1)), n)
			return sliceUnits(s, min(from, to), max(from, to))
		}),
		"replace":     text(2, 2, methodReplace),
		"split":       text(0, 2, methodSplit),
		"toLowerCase": plain(lowerText),
		"toUpperCase": plain(upperText),
		"trim":        plain(trimText),
		"trimStart":   plain(func(s string) string { return strings.TrimLeftFunc(s, isSpace) }),
		"trimEnd":     plain(func(s string) string { return strings.TrimRightFunc(s, isSpace) }),
	}
	number := func(least, most float64, finiteOnly bool, err string, format func(f float64, n int) string) *method {
		return &method{0, 1, func(ev *evaluator, v any, args []any) any {
			f := v.(float64)
			a := at(args, 0)
			if a == any(Undefined) {
				return format(f, -1)
			}
			n := truncate(ev.number(a))
			if f-f != 0 && finiteOnly {
				return formatNumber(f)
			}
			if n < least || n > most {
				throw(err)
			}
			return format(f, int(n))
		}}
	}
	numberMethods = map[string]*method{
		"toFixed": number(0, 100, false, "toFixed() digits argument must be between 0 and 100", func(f float64, n int) string {
			return toFixed(f, max(n, 0))
		}),
		"toExponential": number(0, 100, true, "toExponential() argument must be between 0 and 100", toExponential),
		"toPrecision": number(1, 100, true, "toPrecision() argument must be between 1 and 100", func(f float64, n int) string {
			if n < 0 {
				return formatNumber(f)
			}
			return toPrecision(f, n)
		}),
		"toString": number(2, 36, false, "toString() radix argument must be between 2 and 36", func(f float64, n int) string {
			if n < 0 {
				return formatNumber(f)
			}
			return formatRadix(f, n)
		}),
	}
	regexMethods = map[string]*method{"test": {1, 1, func(ev *evaluator, v any, args []any) any {
		return v.(*regex).exec(ev, toUnits(ev.text(args[0]))) != nil
	}}}
}

// integer is an optional argument made an integer; infinities stay.
func (ev *evaluator) integer(v any, fallback float64) float64 {
	if v == any(Undefined) {
		return fallback
	}
	return truncate(ev.number(v))
}

// relative is an index that counts from the end when negative.
func relative(f float64, length int) int {
	if f < 0 {
		return max(0, int(math.Max(f, -float64(length)))+length)
	}
	return int(math.Min(f, float64(length)))
}

// span reads an optional start and end from args[i], args[i+1].
func (ev *evaluator) span(args []any, i, length int) (int, int) {
	return relative(ev.integer(at(args, i), 0), length), relative(ev.integer(at(args, i+1), math.Inf(1)), length)
}

func indexOfText(s, needle string, from float64) int {
	start := clampIndex(from, unitLen(s))
	i := strings.Index(sliceUnits(s, start, unitLen(s)), needle)
	if i < 0 {
		return -1
	}
	return start + unitLen(sliceUnits(s, start, unitLen(s))[:i])
}

func lastIndexOfText(s, needle string, from float64) int {
	end := min(clampIndex(from, unitLen(s))+unitLen(needle), unitLen(s))
	head := sliceUnits(s, 0, end)
	i := strings.LastIndex(head, needle)
	if i < 0 {
		return -1
	}
	return unitLen(head[:i])
}

func methodReplace(ev *evaluator, s string, args []any) any {
	with := ev.text(args[1])
	if r, ok := args[0].(*regex); ok {
		return ev.regexReplace(s, r, with)
	}
	needle := ev.text(args[0])
	i := strings.Index(s, needle)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	m := &matched{text: func(from, to int) string { return s[from:to] }, size: len(s), caps: []int{i, i + len(needle)}}
	m.expand(&b, with)
	b.WriteString(s[i+len(needle):])
	ev.boundText(b.Len())
	return healText(b.String())
}

func methodSplit(ev *evaluator, s string, args []any) any {
	limit := math.MaxUint32
	if l := at(args, 1); l != any(Undefined) {
		limit = int(toUint32(ev.number(l)))
	}
	var parts []any
	switch sep := at(args, 0).(type) {
	case undefined:
		parts = []any{s}
	case *regex:
		parts = sep.split(ev, toUnits(s))
	default:
		needle := ev.text(sep)
		pieces := splitUnits(s)
		if needle != "" {
			pieces = strings.Split(s, needle)
		}
		for _, p := range pieces {
			parts = append(parts, p)
		}
	}
	return ev.newArray(parts[:min(limit, len(parts))])
}

// exec is RegExp.prototype.exec: it gives the starts and ends of the groups, and moves lastIndex for global and sticky
// expressions.
func (r *regex) exec(ev *evaluator, input []uint16) []int {
	p := r.literal.program
	if !p.global && !p.sticky {
		return p.match(ev, input, 0)
	}
	if r.lastIndex > len(input) {
		r.lastIndex = 0
		return nil
	}
	caps := p.match(ev, input, r.lastIndex)
	if caps == nil {
		r.lastIndex = 0
		return nil
	}
	r.lastIndex = caps[1]
	return caps
}

func (ev *evaluator) regexReplace(s string, r *regex, with string) string {
	p := r.literal.program
	input := toUnits(s)
	m := &matched{text: func(from, to int) string { return fromUnits(input[from:to]) }, size: len(input), names: p.names}
	var b strings.Builder
	last := 0
	if p.global {
		r.lastIndex = 0
	}
	for {
		caps := r.exec(ev, input)
		if caps == nil {
			break
		}
		b.WriteString(m.text(last, caps[0]))
		m.caps = caps
		m.expand(&b, with)
		last = caps[1]
		ev.work()
		ev.boundText(b.Len())
		if !p.global {
			break
		}
		if caps[0] == caps[1] {
			r.lastIndex++
		}
	}
	b.WriteString(m.text(last, len(input)))
	return healText(b.String())
}

// split is String.prototype.split with an expression; its groups become parts.
func (r *regex) split(ev *evaluator, input []uint16) []any {
	at := *r.literal.program
	at.sticky = true
	if len(input) == 0 {
		if at.match(ev, input, 0) != nil {
			return nil
		}
		return []any{""}
	}
	var parts []any
	last := 0
	for i := 0; i < len(input); {
		ev.work()
		caps := at.match(ev, input, i)
		if caps == nil || caps[1] == last {
			i++
			continue
		}
		parts = append(parts, fromUnits(input[last:i]))
		for g := 2; g < len(caps); g += 2 {
			if caps[g] < 0 {
				parts = append(parts, Undefined)
			} else {
				parts = append(parts, fromUnits(input[caps[g]:caps[g+1]]))
			}
		}
		last = caps[1]
		i = last
	}
	return append(parts, fromUnits(input[last:]))
}

// change gives an array new items after a mutation that may have added some of the caller's values.
func (ev *evaluator) change(a *array, items []any, added ...any) {
	for _, v := range added {
		if ev.reaches(v, a, map[any]bool{}) {
			throw("Cyclic template values are not supported")
		}
	}
	a.replace(slices.Clip(items))
}
