package expr

import (
	"math"
	"slices"
)

func init() {
	list := func(least, most int, fn func(ev *evaluator, a *array, args []any) any) *method {
		return &method{least, most, func(ev *evaluator, v any, args []any) any {
			a := v.(*array)
			ev.workUnits(len(a.items) / 16)
			return fn(ev, a, args)
		}}
	}
	indexOf := func(ev *evaluator, a *array, args []any) any {
		from := relative(ev.integer(at(args, 1), 0), len(a.items))
		for i := from; i < len(a.items); i++ {
			if a.items[i] != any(hole) && strictEqual(ev.item(a, i), args[0]) {
				return float64(i)
			}
		}
		return -1.0
	}
	arrayMethods = map[string]*method{
		"at": list(1, 1, func(ev *evaluator, a *array, args []any) any {
			i := ev.integer(args[0], 0)
			if i < 0 {
				i += float64(len(a.items))
			}
			if i < 0 || i >= float64(len(a.items)) {
				return Undefined
			}
			return ev.item(a, int(i))
		}),
		"concat": list(0, -1, func(ev *evaluator, a *array, args []any) any {
			out := slices.Clone(a.items)
			for _, arg := range args {
				if other, ok := arg.(*array); ok {
					out = append(out, other.items...)
				} else {
					out = append(out, arg)
				}
			}
			return ev.newArray(out)
		}),
		"flat": list(0, 1, func(ev *evaluator, a *array, args []any) any {
			return ev.newArray(ev.flatten(nil, a, math.Max(0, ev.integer(at(args, 0), 1))))
		}),
		"includes": list(1, 2, func(ev *evaluator, a *array, args []any) any {
			for i := relative(ev.integer(at(args, 1), 0), len(a.items)); i < len(a.items); i++ {
				v := ev.item(a, i)
				f, isNumber := v.(float64)
				g, both := args[0].(float64)
				if strictEqual(v, args[0]) || isNumber && both && f != f && g != g {
					return true
				}
			}
			return false
		}),
		"indexOf": list(1, 2, indexOf),
		"lastIndexOf": list(1, 2, func(ev *evaluator, a *array, args []any) any {
			from := ev.integer(at(args, 1), math.Inf(1))
			if from < 0 {
				from += float64(len(a.items))
			}
			for i := int(math.Min(from, float64(len(a.items)-1))); i >= 0; i-- {
				if a.items[i] != any(hole) && strictEqual(ev.item(a, i), args[0]) {
					return float64(i)
				}
			}
			return -1.0
		}),
		"join": list(0, 1, func(ev *evaluator, a *array, args []any) any {
			sep := ","
			if s := at(args, 0); s != any(Undefined) {
				sep = ev.text(s)
			}
			return ev.joinItems(a.items, sep)
		}),
		"slice": list(0, 2, func(ev *evaluator, a *array, args []any) any {
			from, to := ev.span(args, 0, len(a.items))
			return ev.newArray(ev.cut(a, from, to))
		}),
		"push": list(0, -1, methodPush),
		"pop": list(0, 0, func(ev *evaluator, a *array, _ []any) any {
			return ev.removeAt(a, len(a.items)-1)
		}),
		"shift": list(0, 0, func(ev *evaluator, a *array, _ []any) any { return ev.removeAt(a, 0) }),
		"unshift": list(0, -1, func(ev *evaluator, a *array, args []any) any {
			ev.change(a, slices.Concat(args, a.items), args...)
			return float64(len(a.items))
		}),
		"splice": list(0, -1, methodSplice),
		"sort": list(0, 0, func(ev *evaluator, a *array, _ []any) any {
			items := slices.Clone(a.items)
			for i := range items {
				if items[i] != any(hole) {
					items[i] = ev.item(a, i)
				}
			}
			ev.sortItems(items, func(x, y any) int { return compareText(ev.text(x), ev.text(y)) })
			a.replace(items)
			return a
		}),
		"reverse": list(0, 0, func(_ *evaluator, a *array, _ []any) any {
			items := slices.Clone(a.items)
			slices.Reverse(items)
			a.replace(items)
			return a
		}),
		"fill": list(1, 3, func(ev *evaluator, a *array, args []any) any {
			from, to := ev.span(args, 1, len(a.items))
			items := slices.Clone(a.items)
			for i := from; i < to; i++ {
				items[i] = args[0]
			}
			if from < to {
				ev.change(a, items, args[0])
			}
			return a
		}),
		"copyWithin": list(1, 3, func(ev *evaluator, a *array, args []any) any {
			to := relative(ev.integer(args[0], 0), len(a.items))
			from, end := ev.span(args, 1, len(a.items))
			items := slices.Clone(a.items)
			if from < end {
				copy(items[to:], a.items[from:end])
			}
			a.replace(items)
			return a
		}),
	}
	find := list(1, 1, indexOf)
	jinjaArrayMethods = map[string]*method{
		"append": list(1, 1, methodPush),
		"index":  find,
		"find":   find,
		"count": list(1, 1, func(ev *evaluator, a *array, args []any) any {
			n := 0
			for _, item := range ev.presentOf(a) {
				ev.work()
				n += boolInt(strictEqual(item, args[0]))
			}
			return float64(n)
		}),
		"insert": list(2, 2, func(ev *evaluator, a *array, args []any) any {
			i := relative(ev.integer(args[0], 0), len(a.items))
			ev.change(a, slices.Insert(slices.Clone(a.items), i, args[1]), args[1])
			return ev.newArray(nil)
		}),
		"pop": list(0, 1, func(ev *evaluator, a *array, args []any) any {
			i := float64(len(a.items) - 1)
			if first := at(args, 0); first != any(Undefined) {
				if i = ev.integer(first, 0); i < 0 {
					i += float64(len(a.items))
				}
			}
			if i < 0 || i >= float64(len(a.items)) {
				return Undefined
			}
			return ev.removeAt(a, int(i))
		}),
		"remove": list(1, 1, func(ev *evaluator, a *array, args []any) any {
			if i := indexOf(ev, a, args).(float64); i >= 0 {
				return ev.newArray([]any{ev.removeAt(a, int(i))})
			}
			return ev.newArray(nil)
		}),
	}
	record := func(least, most int, fn func(ev *evaluator, o *Object, args []any) any) *method {
		return &method{least, most, func(ev *evaluator, v any, args []any) any { return fn(ev, v.(*Object), args) }}
	}
	entries := func(item func(ev *evaluator, o *Object, key string) any) *method {
		return record(0, 0, func(ev *evaluator, o *Object, _ []any) any {
			out := make([]any, 0, o.Len())
			for _, k := range o.Keys() {
				ev.work()
				out = append(out, item(ev, o, k))
			}
			return ev.newArray(out)
		})
	}
	jinjaRecordMethods = map[string]*method{
		"get": record(1, 2, func(ev *evaluator, o *Object, args []any) any {
			if v, ok := ev.own(o, ev.text(args[0])); ok {
				return v
			}
			return at(args, 1)
		}),
		"has_key": record(1, 1, func(ev *evaluator, o *Object, args []any) any {
			_, ok := ev.own(o, ev.text(args[0]))
			return ok
		}),
		"keys":   entries(func(_ *evaluator, _ *Object, k string) any { return k }),
		"values": entries(func(ev *evaluator, o *Object, k string) any { return ev.get(o, k) }),
		"items": entries(func(ev *evaluator, o *Object, k string) any {
			return ev.newArray([]any{k, ev.get(o, k)})
		}),
	}
}

func methodPush(ev *evaluator, a *array, args []any) any {
	ev.change(a, slices.Concat(a.items, args), args...)
	return float64(len(a.items))
}

// cut copies the items between two indexes, absent ones included.
func (ev *evaluator) cut(a *array, from, to int) []any {
	if from >= to {
		return nil
	}
	for i := from; i < to; i++ {
		ev.item(a, i)
	}
	return slices.Clone(a.items[from:to])
}

func (ev *evaluator) removeAt(a *array, i int) any {
	if len(a.items) == 0 {
		return Undefined
	}
	v := ev.item(a, i)
	a.replace(slices.Delete(slices.Clone(a.items), i, i+1))
	return v
}

func methodSplice(ev *evaluator, a *array, args []any) any {
	if at(args, 0) == any(Undefined) {
		return ev.newArray(nil)
	}
	from := relative(ev.integer(args[0], 0), len(a.items))
	to := len(a.items)
	var added []any
	if n := at(args, 1); n != any(Undefined) {
		to = from + int(math.Min(math.Max(0, ev.integer(n, 0)), float64(to-from)))
		added = args[2:]
	}
	removed := ev.cut(a, from, to)
	ev.change(a, slices.Concat(a.items[:from], added, a.items[to:]), added...)
	return ev.newArray(removed)
}

func (ev *evaluator) flatten(out []any, a *array, depth float64) []any {
	for i := range a.items {
		ev.work()
		if a.items[i] == any(hole) {
			continue
		}
		v := ev.item(a, i)
		if inner, ok := v.(*array); ok && depth > 0 {
			out = ev.flatten(out, inner, depth-1)
		} else {
			out = append(out, v)
		}
	}
	return out
}
