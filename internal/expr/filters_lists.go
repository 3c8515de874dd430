package expr

import (
	"crypto/rand"
	"math"
	"math/big"
	"slices"
	"strings"
)

// sequence is the items of an array or the units of a text; false for anything else.
func (ev *evaluator) sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case *array:
		return ev.itemsOf(v), true
	case string:
		return ev.textItems(v).items, true
	case *safeText:
		return ev.textItems(v.text).items, true
	}
	return nil, false
}

// indexed are the items 0, 1, … of a record with a property length, as array functions see a record.
func (ev *evaluator) indexed(o *Object) []any {
	length := ev.number(ev.get(o, "length"))
	if length != length || length <= 0 {
		length = 0
	}
	out := make([]any, ev.reserve(math.Ceil(length)))
	for i := range out {
		out[i] = ev.get(o, formatNumber(float64(i)))
	}
	return out
}

// mapped is indexed for functions that make an array of that length first.
func (ev *evaluator) mapped(o *Object) []any {
	if n, ok := ev.get(o, "length").(float64); ok && n == n && (n != math.Trunc(n) || n < 0 || n > 4294967295) {
		throw("Invalid array-like record length")
	}
	return ev.indexed(o)
}

func positiveCount(ev *evaluator, v any, what string) int {
	n := math.Trunc(ev.number(v))
	if n != n || n <= 0 || n > 1<<53-1 {
		throw(what + " must be a positive integer")
	}
	return int(min(n, maxWork+1))
}

func filterBatch(ev *evaluator, v any, args []any) any {
	if isNullish(v) {
		throw("batch requires a sequence")
	}
	width := positiveCount(ev, at(args, 0), "Batch size")
	var values []any
	if o, ok := v.(*Object); ok {
		values = ev.indexed(o)
	} else {
		values, _ = ev.sequence(v)
	}
	var out []any
	for row := range slices.Chunk(values, width) {
		row = slices.Clone(row)
		if fill := at(args, 1); Truthy(fill) {
			ev.workUnits(width - len(row))
			for len(row) < width {
				row = append(row, fill)
			}
		}
		out = append(out, ev.newArray(row))
	}
	return ev.newArray(out)
}

func filterSlice(ev *evaluator, v any, args []any) any {
	text, isText := textOf(v)
	a, isArray := v.(*array)
	var values []any
	switch {
	case isArray:
		values = slices.Clone(a.items)
	case isText:
		values = ev.textItems(text).items
	default:
		throw("slice requires a sequence")
	}
	count := positiveCount(ev, at(args, 0), "Slice count")
	ev.workUnits(count)
	size, extra := len(values)/count, len(values)%count
	fill := at(args, 1)
	out := make([]any, 0, count)
	offset := 0
	for i := range count {
		length := size + boolInt(i < extra)
		part := slices.Clone(values[offset : offset+length])
		offset += length
		if Truthy(fill) && i >= extra {
			if isText {
				throw("slice cannot append a fill value to a string")
			}
			part = append(part, fill)
		}
		if isText {
			parts := make([]string, len(part))
			for j, p := range part {
				parts[j] = p.(string)
			}
			out = append(out, joinText(parts, ""))
		} else {
			out = append(out, ev.newArray(part))
		}
	}
	return ev.newArray(out)
}

func (ev *evaluator) edge(v any, name string, last bool) any {
	if isNullish(v) {
		throw(name + " requires a sequence")
	}
	key := "0"
	if last {
		key = ev.text(ev.number(ev.directLength(v)) - 1)
	}
	item, _ := ev.own(v, key)
	return item
}

func lengthOf(v any) any {
	switch v := v.(type) {
	case *array:
		return float64(len(v.items))
	case *Object:
		return float64(v.Len())
	case string:
		return float64(unitLen(v))
	case *safeText:
		return float64(unitLen(v.text))
	}
	if isNullish(v) || v == false {
		return 0.0
	}
	return Undefined
}

func filterList(ev *evaluator, v any, _ []any) any {
	switch v := v.(type) {
	case *array:
		return v
	case *Object:
		out := make([]any, 0, v.Len())
		for _, k := range v.Keys() {
			out = append(out, ev.newObject("key", k, "value", ev.get(v, k)))
		}
		return ev.newArray(out)
	}
	values, ok := ev.sequence(v)
	if !ok {
		throw("list requires an iterable value")
	}
	return ev.newArray(values)
}

func filterRandom(ev *evaluator, v any, _ []any) any {
	if isNullish(v) {
		throw("random requires a sequence")
	}
	if o, ok := v.(*Object); ok {
		n := ev.number(ev.get(o, "length"))
		if n != math.Trunc(n) || n <= 0 || n > 1<<53-1 {
			return Undefined
		}
		return ev.get(o, formatNumber(randomBelow(n)))
	}
	values, _ := ev.sequence(v)
	if len(values) == 0 {
		return Undefined
	}
	return values[int(randomBelow(float64(len(values))))]
}

func randomBelow(n float64) float64 {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		throw("No randomness: " + err.Error())
	}
	return float64(i.Int64())
}

func filterReverse(ev *evaluator, v any, _ []any) any {
	if s, ok := textOf(v); ok {
		units := toUnits(s)
		slices.Reverse(units)
		return keepSafe(v, fromUnits(units))
	}
	var items []any
	switch v := v.(type) {
	case *array:
		items = slices.Clone(v.items)
	case *Object:
		items = ev.mapped(v)
	}
	slices.Reverse(items)
	return ev.newArray(items)
}

func (ev *evaluator) selectItems(v any, args []any, name string, want bool) any {
	test := "truthy"
	if t := at(args, 0); t != any(Undefined) {
		test = ev.text(t)
	}
	t, known := builtinTests[test]
	if !known {
		throw("Unknown template test " + test)
	}
	if isNullish(v) {
		throw(name + " requires a sequence")
	}
	var values []any
	switch v := v.(type) {
	case *Object:
		values = ev.presentIndexed(v)
	case *array:
		values = ev.presentOf(v)
	default:
		var ok bool
		if values, ok = ev.sequence(v); !ok {
			return ev.newArray(nil)
		}
	}
	var rest []any
	if len(args) > 1 {
		rest = args[1:]
	}
	checkTestArity(test, t, len(rest))
	var out []any
	for _, item := range values {
		ev.work()
		if ev.applyTest(test, item, rest) == want {
			out = append(out, item)
		}
	}
	return ev.newArray(out)
}

// presentIndexed are the items that exist among 0, 1, … of a record with a property length.
func (ev *evaluator) presentIndexed(o *Object) []any {
	length := ev.number(ev.get(o, "length"))
	if length != length || length <= 0 {
		length = 0
	}
	n := ev.reserve(math.Min(math.Floor(length), 1<<53-1))
	var out []any
	for i := range n {
		if key := formatNumber(float64(i)); o.Has(key) {
			out = append(out, ev.get(o, key))
		}
	}
	return out
}

func (ev *evaluator) selectAttr(v any, args []any, name string, want bool) any {
	a, ok := v.(*array)
	if !ok {
		throw(name + " requires an array")
	}
	key := ev.attributeKey(at(args, 0))
	var out []any
	for _, item := range ev.presentOf(a) {
		ev.work()
		if Truthy(ev.attribute(item, key)) == want {
			out = append(out, item)
		}
	}
	return ev.newArray(out)
}

func (ev *evaluator) attributeKey(v any) string {
	key := ev.text(v)
	checkAttribute(key)
	return key
}

func checkAttribute(key string) {
	if reserved(key) {
		throwf("Template attribute %s is reserved", key)
	}
}

func (ev *evaluator) attribute(v any, key string) any {
	if isNullish(v) {
		throw("Cannot read a template attribute from a nullish value")
	}
	out, _ := ev.own(v, key)
	return out
}

func (ev *evaluator) attributePath(v any) []string {
	if !Truthy(v) {
		return nil
	}
	path := []string{ev.text(v)}
	if s, ok := v.(string); ok {
		path = strings.Split(s, ".")
	}
	for _, key := range path {
		checkAttribute(key)
	}
	return path
}

func (ev *evaluator) follow(v any, path []string) any {
	for _, key := range path {
		if isNullish(v) {
			throw("Cannot read a template attribute from a nullish value")
		}
		var ok bool
		if v, ok = ev.own(v, key); !ok {
			return Undefined
		}
	}
	return v
}

// projected are the items, or one attribute of each; absent items stay absent.
func (ev *evaluator) projected(v, attribute any, name string) []any {
	if !Truthy(attribute) {
		a, ok := v.(*array)
		if !ok {
			throw(name + " requires an array")
		}
		out := slices.Clone(a.items)
		for i := range out {
			if out[i] != any(hole) {
				out[i] = ev.item(a, i)
			}
		}
		return out
	}
	key := ev.attributeKey(attribute)
	var items []any
	switch v := v.(type) {
	case *array:
		items = slices.Clone(v.items)
		for i := range items {
			if items[i] != any(hole) {
				items[i] = ev.attribute(ev.item(v, i), key)
			}
		}
		return items
	case *Object:
		items = ev.mapped(v)
	case string:
		items = ev.textItems(v).items
	case *safeText:
		if v.text != "" {
			ev.attribute(Undefined, key)
		}
	}
	for i := range items {
		items[i] = ev.attribute(items[i], key)
	}
	return items
}

func filterJoin(ev *evaluator, v any, args []any) any {
	sep := ""
	if s := at(args, 0); Truthy(s) {
		sep = ev.text(s)
	}
	return ev.joinItems(ev.projected(v, at(args, 1), "join"), sep)
}

func (ev *evaluator) joinItems(items []any, sep string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		ev.work()
		if item != any(hole) && !isNullish(item) {
			parts[i] = ev.text(ev.enter(item))
		}
	}
	return ev.join(parts, sep)
}

func filterSum(ev *evaluator, v any, args []any) any {
	var total any = 0.0
	for _, item := range ev.projected(v, at(args, 0), "sum") {
		if item != any(hole) {
			total = ev.add(total, item)
		}
	}
	start := at(args, 1)
	if start == any(Undefined) {
		start = 0.0
	}
	return ev.add(start, total)
}
