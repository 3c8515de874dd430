// Package conform checks data against JSON Schema as npm's jsonschema 1.5 does, which Backstage runs: the same
// errors, in the same order and words.
package conform

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// Error is one thing wrong with a value, in the form that npm's jsonschema gives and Backstage's frontend reads.
type Error struct {
	Path     []any           `json:"path"`     // names and indexes; empty for the value as a whole
	Property string          `json:"property"` // instance.arr[0]
	Message  string          `json:"message"`
	Schema   json.RawMessage `json:"schema"` // the part of the schema that failed
	Instance json.RawMessage `json:"instance,omitempty"`
	Name     string          `json:"name"` // the keyword
	Argument json.RawMessage `json:"argument,omitempty"`
	Stack    string          `json:"stack"` // property and message
}

// Unknown stands, in a value that is checked, for a part that is not known yet. Nothing is wrong with it.
var Unknown = unknown{}

type unknown struct{}

// Schema is a schema that was read. It may be used from any number of goroutines.
type Schema struct{ root any }

// Read reads a schema. One that is not JSON is an Invalid fault.
func Read(schema json.RawMessage) (*Schema, error) {
	root, err := expr.FromJSON(schema)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the schema is not JSON")
	}
	return &Schema{root}, nil
}

// Check gives all that is wrong with a value, which is one of internal/expr. Nothing is filled in.
func (s *Schema) Check(value any) []Error {
	left := maxWork
	v := &valueCheck{root: s.root, left: &left}
	v.schema(value, s.root, nil)
	if left < 0 {
		v.errs = nil
		place{v, value, expr.NewObject(), nil}.fail("$ref", expr.Undefined, "can't be checked: the schema asks too much")
	}
	return v.errs
}

// CheckPattern says what is wrong with the pattern of a schema: whether it is a regular expression of JavaScript.
func CheckPattern(src string) error {
	_, err := compilePattern(src, false)
	return err
}

// Leads reports whether a $ref leads anywhere in the schema.
func (s *Schema) Leads(ref string) bool {
	_, found := resolveRef(s.root, ref)
	return found
}

// Bounds of schemas that refer to themselves: how deep, and how much work in all. A schema that is met takes one
// unit, an error one a kilobyte that it quotes.
const (
	maxSchemaDepth = 200
	maxWork        = 500_000
)

// valueCheck follows npm's jsonschema 1.5: which keyword does what, in which order errors come and how
// they read.
type valueCheck struct {
	root  any
	depth int
	left  *int // work until it is given up
	errs  []Error
}

// ignoredKeywords are arguments of other keywords or only informative.
var ignoredKeywords = map[string]bool{
	"id": true, "default": true, "description": true, "title": true, "additionalItems": true, "then": true,
	"else": true, "$schema": true, "$ref": true, "extends": true,
}

// schema checks one value against one schema, keyword by keyword as they stand there.
func (v *valueCheck) schema(instance, schema any, path []any) {
	if schema == any(false) {
		schema = expr.NewObject("type", []any{})
	}
	s, ok := schema.(*expr.Object)
	if !ok || instance == any(Unknown) {
		return
	}
	v.depth++
	defer func() { v.depth-- }()
	at := place{v, instance, s, path}
	if *v.left--; *v.left < 0 {
		return // Check says so
	}
	if v.depth > maxSchemaDepth {
		at.fail("$ref", expr.Undefined, "can't be checked: the schema refers to itself without end")
		return
	}
	if ref, ok := get(s, "$ref").(string); ok {
		target, found := resolveRef(v.root, ref)
		if !found {
			at.fail("$ref", ref, "can't be checked: no such schema <"+ref+">")
			return
		}
		v.schema(instance, target, path)
		return
	}
	undecided := holdsUnknown(instance)
	for _, key := range s.Keys() {
		check, ok := keywords[key]
		if !ok || ignoredKeywords[key] || undecided && comparing[key] {
			continue
		}
		check(at)
	}
}

// comparing are the keywords that can't be decided while a part of the value is not known.
var comparing = map[string]bool{
	"enum": true, "const": true, "oneOf": true, "not": true, "disallow": true, "if": true, "contains": true, "uniqueItems": true,
}

func holdsUnknown(x any) bool {
	switch x := x.(type) {
	case unknown:
		return true
	case []any:
		return slices.ContainsFunc(x, holdsUnknown)
	case *expr.Object:
		for _, item := range x.All() {
			if holdsUnknown(item) {
				return true
			}
		}
	}
	return false
}

// passes checks a value without noting errors.
func (v *valueCheck) passes(instance, schema any, path []any) bool {
	return len(v.apart(instance, schema, path)) == 0
}

// apart gives the errors of a check by itself.
func (v *valueCheck) apart(instance, schema any, path []any) []Error {
	inner := &valueCheck{root: v.root, depth: v.depth, left: v.left}
	inner.schema(instance, schema, path)
	return inner.errs
}

// resolveRef follows a JSON pointer inside the schema.
func resolveRef(root any, ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || pointer != "" && pointer[0] != '/' {
		return nil, false
	}
	at := root
	for _, part := range strings.Split(pointer, "/")[1:] {
		part, err := url.PathUnescape(part)
		if err != nil {
			return nil, false
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch x := at.(type) {
		case *expr.Object:
			if at, ok = x.Get(part); !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			at = x[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// place is one value and the schema it is checked against.
type place struct {
	check    *valueCheck
	instance any
	schema   *expr.Object
	path     []any
}

func get(o *expr.Object, key string) any {
	x, _ := o.Get(key)
	return x
}

// fail notes an error. An argument or instance that is Undefined is left out.
func (p place) fail(name string, argument any, message string) {
	e := Error{
		Path: append([]any{}, p.path...), Property: propertyPath(p.path), Message: message, Name: name,
		Instance: rawOf(p.instance), Argument: rawOf(argument), Schema: rawOf(p.schema),
	}
	if id := schemaID(p.schema); id != "" {
		e.Schema = rawOf(id)
	}
	e.Stack = e.Property + " " + message
	*p.check.left -= (len(e.Instance) + len(e.Schema)) >> 10
	p.check.errs = append(p.check.errs, e)
}

func schemaID(schema any) string {
	s, _ := schema.(*expr.Object)
	for _, key := range []string{"$id", "id"} {
		if id, ok := get(s, key).(string); ok && id != "" {
			return id
		}
	}
	return ""
}

func rawOf(x any) json.RawMessage {
	if x == any(expr.Undefined) {
		return nil
	}
	raw, err := expr.ToJSON(x)
	if err != nil {
		return nil
	}
	return raw
}

// propertyPath writes a path as instance.arr[0]["odd key"].
func propertyPath(path []any) string {
	var b strings.Builder
	b.WriteString("instance")
	for _, part := range path {
		key, ok := part.(string)
		if !ok {
			key = strconv.Itoa(part.(int))
		}
		startsWithDigit := key != "" && key[0] >= '0' && key[0] <= '9'
		switch {
		case !startsWithDigit && !strings.ContainsFunc(key, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(".[]", r) }):
			b.WriteString("." + key)
		case startsWithDigit && strings.Trim(key, "0123456789") == "":
			b.WriteString("[" + key + "]")
		default:
			b.WriteString("[" + quoted(key) + "]")
		}
	}
	return b.String()
}

// quoted is JSON.stringify of a string.
func quoted(s string) string { return string(rawOf(s)) }
