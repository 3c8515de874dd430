package expr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// enter makes an evaluation's own array of what the caller gave; everything else is as it is.
func (ev *evaluator) enter(v any) any {
	switch v := v.(type) {
	case nil, undefined, bool, float64, string, *array, *Object, *safeText, *regex, *callable, *holeType:
		return v
	case []any:
		return &array{items: slices.Clone(v), depth: 1}
	}
	converted, err := FromGo(v)
	if err != nil {
		throwf("Unsupported template value of type %T", v)
	}
	return ev.enter(converted)
}

// item is one item of an array, undefined if absent.
func (ev *evaluator) item(a *array, i int) any {
	if i < 0 || i >= len(a.items) {
		return Undefined
	}
	v := a.items[i]
	if v == any(hole) {
		return Undefined
	}
	if _, raw := v.([]any); raw {
		v = ev.enter(v)
		a.items[i] = v
	}
	return v
}

// itemsOf are the items of an array, absent ones as undefined.
func (ev *evaluator) itemsOf(a *array) []any {
	out := make([]any, len(a.items))
	for i := range out {
		out[i] = ev.item(a, i)
	}
	return out
}

// presentOf are the items of an array without the absent ones.
func (ev *evaluator) presentOf(a *array) []any {
	out := make([]any, 0, len(a.items))
	for i := range a.items {
		if a.items[i] != any(hole) {
			out = append(out, ev.item(a, i))
		}
	}
	return out
}

// get is a property of a record, undefined if absent or reserved.
func (ev *evaluator) get(o *Object, key string) any {
	if reserved(key) {
		return Undefined
	}
	v, ok := o.Get(key)
	if !ok {
		return Undefined
	}
	if raw, ok := v.([]any); ok {
		held := heldArray{o, key}
		a := ev.wrapped[held]
		if a == nil {
			a = ev.enter(raw).(*array)
			ev.wrapped[held] = a
		}
		return a
	}
	return ev.enter(v)
}

// newArray takes over the items.
func (ev *evaluator) newArray(items []any) *array {
	a := &array{}
	a.replace(items)
	return a
}

func (a *array) replace(items []any) {
	if len(items) > maxContainerLength {
		throwf("Template value containers cannot exceed %d entries", maxContainerLength)
	}
	depth, callable := 1, false
	for _, v := range items {
		depth = max(depth, depthOf(v)+1)
		callable = callable || containsCallable(v)
	}
	if depth > maxValueDepth {
		throwf("Template value nesting cannot exceed %d levels", maxValueDepth)
	}
	a.items, a.depth, a.callable = items, depth, callable
}

func (ev *evaluator) boundObject(o *Object) *Object {
	if o.Len() > maxContainerLength {
		throwf("Template value containers cannot exceed %d entries", maxContainerLength)
	}
	if o.depth > maxValueDepth {
		throwf("Template value nesting cannot exceed %d levels", maxValueDepth)
	}
	return o
}

func (ev *evaluator) newObject(pairs ...any) *Object {
	o := NewObject(pairs...)
	o.internal = true
	return ev.boundObject(o)
}

// reaches says whether an array can be found within a value, which adding the value to the array would make a cycle of.
func (ev *evaluator) reaches(v any, a *array, seen map[any]bool) bool {
	if v == any(a) {
		return true
	}
	switch v := v.(type) {
	case *array:
		if seen[v] {
			return false
		}
		seen[v] = true
		for _, item := range v.items {
			ev.work()
			if _, raw := item.([]any); !raw && ev.reaches(item, a, seen) {
				return true
			}
		}
	case *Object:
		if seen[v] {
			return false
		}
		seen[v] = true
		for k := range v.All() {
			ev.work()
			if ev.reaches(ev.get(v, k), a, seen) {
				return true
			}
		}
	}
	return false
}

// export makes a value of the public kinds: undefined entries are left out, undefined items become null, marked text
// becomes text, regular expressions their spelling.
func (ev *evaluator) export(v any, depth int) any {
	ev.work()
	if depth > maxValueDepth {
		throwf("Template value nesting cannot exceed %d levels", maxValueDepth)
	}
	switch v := v.(type) {
	case string:
		return wellFormed(v)
	case *safeText:
		return wellFormed(v.text)
	case *regex:
		return v.literal.text()
	case *array:
		return ev.exportItems(v.items, depth)
	case []any:
		return ev.exportItems(v, depth)
	case *Object:
		out := &Object{}
		for k := range v.All() {
			if reserved(k) {
				throwf("Template record key %s is reserved", k)
			}
			if item := ev.export(ev.get(v, k), depth+1); item != any(Undefined) {
				out.Set(wellFormed(k), item)
			}
		}
		return out
	case *callable:
		throw("Callable values cannot cross the capability boundary")
	}
	return v
}

func (ev *evaluator) exportItems(items []any, depth int) any {
	out := make([]any, len(items))
	for i, item := range items {
		if item == any(hole) {
			continue
		}
		if out[i] = ev.export(ev.enter(item), depth+1); out[i] == any(Undefined) {
			out[i] = nil
		}
	}
	return out
}

// lookup is target.key, target[key] or target[start:stop:step].
func (ev *evaluator) lookup(n *LookupExpr, e *frameEnv, depth int) any {
	target := ev.eval(n.Target, e, depth+1)
	key := n.Key
	if list, ok := key.(*ArrayExpr); ok && len(list.Items) == 1 {
		if s, ok := list.Items[0].(*SliceExpr); ok {
			key = s
		}
	}
	if s, ok := key.(*SliceExpr); ok {
		return ev.slice(target, s, e, depth+1)
	}
	var name string
	if l, ok := key.(*LiteralExpr); ok {
		ev.charge(depth + 1)
		name = ev.text(l.Value)
	} else {
		name = ev.text(ev.eval(key, e, depth+1))
	}
	if c, ok := target.(*callable); ok && c.kind == callBuiltin {
		return ev.callableMember(c, name)
	}
	return ev.member(target, name)
}

// member is a property of a value, or one of its methods, or undefined.
func (ev *evaluator) member(target any, key string) any {
	v, ok := ev.own(target, key)
	if ok {
		if c, isCall := v.(*callable); isCall {
			fresh := *c
			return &fresh
		}
		return v
	}
	if reserved(key) {
		return Undefined
	}
	if m := methodOf(target, key, ev.template.opts.CookiecutterCompat); m != nil {
		return &callable{kind: callBuiltin, method: m, receiver: target, name: key}
	}
	return Undefined
}

// own is a property that the value itself has.
func (ev *evaluator) own(target any, key string) (any, bool) {
	switch t := target.(type) {
	case *Object:
		if reserved(key) || !t.Has(key) {
			return Undefined, false
		}
		return ev.get(t, key), true
	case *array:
		if key == "length" {
			return float64(len(t.items)), true
		}
		if i, ok := indexIn(key, len(t.items)); ok {
			return ev.item(t, i), true
		}
	case string:
		return ev.unitOf(t, key)
	case *safeText:
		if key == "val" {
			return t.text, true
		}
		return ev.unitOf(t.text, key)
	}
	return Undefined, false
}

func (ev *evaluator) unitOf(s, key string) (any, bool) {
	ev.chargeText(len(s))
	if key == "length" {
		return float64(unitLen(s)), true
	}
	if i, ok := indexIn(key, unitLen(s)); ok {
		return sliceUnits(s, i, i+1), true
	}
	return Undefined, false
}

func indexIn(key string, length int) (int, bool) {
	i, ok := arrayIndex(key)
	return int(i), ok && int(i) < length
}

func (ev *evaluator) slice(target any, s *SliceExpr, e *frameEnv, depth int) any {
	if _, ok := target.(*callable); ok {
		throw("Callable values cannot be sliced")
	}
	if !Truthy(target) {
		target = ev.newArray(nil)
	}
	length, _ := ev.own(target, "length")
	start := ev.eval(s.Start, e, depth+1)
	stop := ev.eval(s.Stop, e, depth+1)
	step := ev.eval(s.Step, e, depth+1)
	if n := ev.number(step); n == 0 || n-n != 0 {
		throw("Slice step must have finite non-zero numeric coercion")
	}
	direction := ev.order(step, 0.0)
	if start == nil {
		start = 0.0
		if direction < 0 {
			start = ev.number(length) - 1
		}
	}
	switch {
	case stop == nil && direction < 0:
		stop = -1.0
	case stop == nil:
		stop = length
	case ev.order(stop, 0.0) < 0:
		stop = ev.add(stop, length)
	}
	if ev.order(start, 0.0) < 0 {
		start = ev.add(start, length)
	}
	if text, ok := textOf(target); ok && !isASCII(text) {
		target = ev.textItems(text)
	}
	var out []any
	for i := start; ; i = ev.add(i, step) {
		if ev.order(i, 0.0) < 0 || ev.order(i, length) > 0 {
			break
		}
		if direction > 0 && ev.order(i, stop) >= 0 || direction < 0 && ev.order(i, stop) <= 0 {
			break
		}
		ev.charge(depth)
		v, _ := ev.own(target, ev.text(i))
		refuseCallable(v)
		out = append(out, v)
	}
	return ev.newArray(out)
}

func (ev *evaluator) textItems(s string) *array {
	parts := splitUnits(s)
	items := make([]any, len(parts))
	for i, p := range parts {
		items[i] = p
	}
	return &array{items: items, depth: 1}
}

// legacyValue is the typing rule of Backstage up to 4.0.2.
func (ev *evaluator) legacyValue() any {
	ev.encode = nil
	if s := ev.template.root.Statements; len(s) == 1 {
		if _, text := s[0].(*TextStmt); !text {
			ev.encode = &strings.Builder{}
		}
	}
	normal := wellFormed(ev.render())
	if ev.encode != nil {
		encoded := ev.encode.String()
		if encoded == "" {
			return Undefined
		}
		if json.Valid([]byte(encoded)) {
			v, err := FromJSON([]byte(encoded))
			if err != nil {
				throw(fmt.Sprintf("Invalid value: %v", err))
			}
			return v
		}
	}
	if normal == "" {
		return Undefined
	}
	return normal
}
