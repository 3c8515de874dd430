package expr

import (
	"cmp"
	"slices"
)

func filterDictsort(ev *evaluator, v any, args []any) any {
	o, ok := v.(*Object)
	if !ok {
		throw("dictsort requires a record")
	}
	by := at(args, 1)
	if by != any(Undefined) && by != "key" && by != "value" {
		throw("dictsort can only sort by key or value")
	}
	keyOf := func(k string) any {
		var key any = k
		if by == "value" {
			key = ev.get(o, k)
		}
		if s, ok := textOf(key); ok && !Truthy(at(args, 0)) {
			return upperText(s)
		}
		return key
	}
	keys := slices.Clone(o.Keys())
	sortAsEngine(keys, func(a, b string) int {
		ev.work()
		ka, kb := keyOf(a), keyOf(b)
		if ev.order(ka, kb) > 0 {
			return 1
		}
		if strictEqual(ka, kb) {
			return 0
		}
		return -1
	})
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = ev.newArray([]any{k, ev.get(o, k)})
	}
	return ev.newArray(out)
}

func filterSort(ev *evaluator, v any, args []any) any {
	var values []any
	switch v := v.(type) {
	case *Object:
		values = ev.mapped(v)
	case *array:
		values = slices.Clone(v.items)
		for i := range values {
			if values[i] != any(hole) {
				values[i] = ev.item(v, i)
			}
		}
	default:
		var ok bool
		if values, ok = ev.sequence(v); !ok {
			return ev.newArray(nil)
		}
	}
	reverse, caseSensitive := Truthy(at(args, 0)), Truthy(at(args, 1))
	path := ev.attributePath(at(args, 2))
	ev.sortItems(values, func(a, b any) int {
		a, b = ev.follow(a, path), ev.follow(b, path)
		if sa, ok := textOf(a); ok && !caseSensitive {
			if sb, ok := textOf(b); ok {
				a, b = lowerText(sa), lowerText(sb)
			}
		}
		o := 0
		switch d := ev.order(a, b); {
		case d < 0:
			o = -1
		case d > 0:
			o = 1
		}
		if reverse {
			return -o
		}
		return o
	})
	return ev.newArray(values)
}

// sortItems sorts as Array.prototype.sort: stable, undefined last, absent items after that.
func (ev *evaluator) sortItems(items []any, order func(a, b any) int) {
	rank := func(v any) int {
		switch v {
		case any(hole):
			return 2
		case any(Undefined):
			return 1
		}
		return 0
	}
	sortAsEngine(items, func(a, b any) int {
		ev.work()
		if ra, rb := rank(a), rank(b); ra != 0 || rb != 0 {
			return cmp.Compare(ra, rb)
		}
		return order(a, b)
	})
}

// sortAsEngine sorts stably. Up to engineRun items it compares in the order in which V8 does, since what comes out for
// values without an order, such as text beside NaN, depends on that.
func sortAsEngine[T any](items []T, order func(a, b T) int) {
	const engineRun = 64
	if len(items) >= engineRun {
		slices.SortStableFunc(items, order)
		return
	}
	if len(items) < 2 {
		return
	}
	sorted := 2
	descending := order(items[1], items[0]) < 0
	for sorted < len(items) && (order(items[sorted], items[sorted-1]) < 0) == descending {
		sorted++
	}
	if descending {
		slices.Reverse(items[:sorted])
	}
	for ; sorted < len(items); sorted++ {
		pivot := items[sorted]
		left, right := 0, sorted
		for left < right {
			if mid := (left + right) / 2; order(pivot, items[mid]) < 0 {
				right = mid
			} else {
				left = mid + 1
			}
		}
		copy(items[left+1:sorted+1], items[left:sorted])
		items[left] = pivot
	}
}

func filterGroupby(ev *evaluator, v any, args []any) any {
	if isNullish(v) {
		throw("groupby requires a sequence")
	}
	var values []any
	if o, ok := v.(*Object); ok {
		values = ev.indexed(o)
	} else {
		values, _ = ev.sequence(v)
	}
	path := ev.attributePath(at(args, 0))
	groups := map[string][]any{}
	var keys []string
	for _, item := range values {
		ev.work()
		key := ev.text(ev.follow(item, path))
		if reserved(key) {
			throwf("Template record key %s is reserved", key)
		}
		if _, ok := groups[key]; !ok {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], item)
	}
	out := ev.newObject()
	for _, k := range keys {
		out.Set(k, ev.newArray(groups[k]))
	}
	return ev.boundObject(out)
}
