package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
)

// A value is one of: nil (null), Undefined, bool, float64, string, []any, *Object. Values are immutable once they are
// handed to an evaluation; results may share structure with what went in.

type undefined struct{}

// Undefined is what a missing property, argument or variable evaluates to.
var Undefined = undefined{}

func (undefined) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
func (undefined) String() string               { return "undefined" }

const smallObject = 8

// Object is a JavaScript record: keys that are array indexes come first in numeric order, the others in the order
// of their first insertion. The zero value is empty and ready.
type Object struct {
	keys     []string
	values   []any
	index    map[string]int
	indexed  int
	depth    int
	internal bool
	callable bool
}

// NewObject gives an object of alternating keys and values; a key must be a string.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Len is the number of entries.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// Keys are the keys in JavaScript order; the slice must not be changed.
func (o *Object) Keys() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// Get gives the value of a key, or Undefined and false.
func (o *Object) Get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.values[i], true
	}
	return Undefined, false
}

// Has says whether the key exists.
func (o *Object) Has(key string) bool { return o.find(key) >= 0 }

// Set adds or replaces an entry. An object in use by an evaluation must not be changed.
func (o *Object) Set(key string, value any) {
	if d := depthOf(value) + 1; d > o.depth {
		o.depth = d
	}
	o.callable = o.callable || containsCallable(value)
	if i := o.find(key); i >= 0 {
		o.values[i] = value
		return
	}
	at := len(o.keys)
	if n, ok := arrayIndex(key); ok {
		at = sort.Search(o.indexed, func(i int) bool { m, _ := arrayIndex(o.keys[i]); return m > n })
		o.indexed++
	}
	o.keys = slices.Insert(o.keys, at, key)
	o.values = slices.Insert(o.values, at, value)
	switch {
	case o.index != nil:
		for i := at; i < len(o.keys); i++ {
			o.index[o.keys[i]] = i
		}
	case len(o.keys) > smallObject:
		o.index = make(map[string]int, 2*len(o.keys))
		for i, k := range o.keys {
			o.index[k] = i
		}
	}
}

// With gives a copy of the object with one entry added or replaced.
func (o *Object) With(key string, value any) *Object {
	c := &Object{}
	for i, k := range o.Keys() {
		c.Set(k, o.values[i])
	}
	c.Set(key, value)
	return c
}

// All iterates over the entries in JavaScript order.
func (o *Object) All() func(yield func(string, any) bool) {
	return func(yield func(string, any) bool) {
		for i, k := range o.Keys() {
			if !yield(k, o.values[i]) {
				return
			}
		}
	}
}

func (o *Object) find(key string) int {
	if o == nil {
		return -1
	}
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.Index(o.keys, key)
}

// MarshalJSON writes the entries in order; undefined entries are left out.
func (o *Object) MarshalJSON() ([]byte, error) { return ToJSON(o) }

// UnmarshalJSON reads an object.
func (o *Object) UnmarshalJSON(data []byte) error {
	v, err := FromJSON(data)
	if err != nil {
		return err
	}
	parsed, ok := v.(*Object)
	if !ok {
		return fmt.Errorf("expr: %s is not an object", kindOf(v))
	}
	*o = *parsed
	return nil
}

// arrayIndex says whether a key is a canonical JavaScript array index.
func arrayIndex(key string) (uint32, bool) {
	if key == "" || len(key) > 10 || key[0] == '0' && len(key) > 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 64)
	if err != nil || key[0] == '+' || n >= 4294967295 {
		return 0, false
	}
	return uint32(n), true
}

// FromJSON reads one JSON text, keeping the order of keys.
func FromJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeJSON(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("expr: more than one JSON value")
	}
	return v, nil
}

func decodeJSON(d *json.Decoder, depth int) (any, error) {
	if depth > 4*maxValueDepth {
		return nil, fmt.Errorf("expr: JSON is nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(string(t), 64)
		return f, nil
	case json.Delim:
		if t == '[' {
			items := []any{}
			for d.More() {
				v, err := decodeJSON(d, depth+1)
				if err != nil {
					return nil, err
				}
				items = append(items, v)
			}
			_, err := d.Token()
			return items, err
		}
		o := &Object{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(k.(string), v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil
}

// FromGo makes a value of Go data: maps get their keys in sorted order; types it does not know go through JSON.
func FromGo(v any) (any, error) {
	switch v := v.(type) {
	case nil, undefined, bool, float64, string:
		return v, nil
	case *Object:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			var err error
			if out[i], err = FromGo(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []string:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = item
		}
		return out, nil
	case map[string]any:
		o := &Object{}
		for _, k := range sortedKeys(v) {
			item, err := FromGo(v[k])
			if err != nil {
				return nil, err
			}
			o.Set(k, item)
		}
		return o, nil
	case json.RawMessage:
		return FromJSON(v)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return FromJSON(data)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ToGo makes plain Go data: objects become map[string]any, undefined entries are left out, undefined items become nil.
func ToGo(v any) any {
	switch v := v.(type) {
	case undefined:
		return nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = ToGo(item)
		}
		return out
	case *Object:
		out := make(map[string]any, v.Len())
		for k, item := range v.All() {
			if item != any(Undefined) {
				out[k] = ToGo(item)
			}
		}
		return out
	}
	return v
}

// ToJSON writes a value as JSON.stringify does: undefined entries are left out, undefined items and numbers that are
// not finite become null, and Undefined itself becomes null.
func ToJSON(v any) ([]byte, error) {
	text, ok, err := stringify(nil, v, "")
	if err != nil {
		return nil, err
	}
	if !ok {
		text = "null"
	}
	return []byte(text), nil
}

// ToString is the text that a value has within other text: null and undefined are empty, arrays are joined by commas.
func ToString(v any) string { return wellFormed(renderText(nil, v)) }

// Truthy is JavaScript's truth: false, 0, NaN, "", null and undefined are false, everything else is true.
func Truthy(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case float64:
		return v != 0 && v == v
	case string:
		return v != ""
	}
	return true
}
