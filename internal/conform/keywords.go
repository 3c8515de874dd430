package conform

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/expr"
)

// keywords are the checks by keyword. A keyword that isn't here passes.
var keywords map[string]func(place)

func init() { // the checks refer to each other through the table
	keywords = map[string]func(place){
		"type": checkType, "enum": checkEnum, "const": checkConst, "required": checkRequired,
		"properties": checkProperties, "patternProperties": checkPatternProperties,
		"additionalProperties": checkAdditionalProperties, "propertyNames": checkPropertyNames,
		"dependencies": checkDependencies, "minProperties": checkMinProperties, "maxProperties": checkMaxProperties,
		"items": checkItems, "contains": checkContains, "uniqueItems": checkUnique,
		"minItems": checkMinItems, "maxItems": checkMaxItems,
		"allOf": checkAllOf, "anyOf": checkAnyOf, "oneOf": checkOneOf, "not": checkNot, "disallow": checkNot, "if": checkIf,
		"minLength": checkMinLength, "maxLength": checkMaxLength, "pattern": checkPattern, "format": checkFormat,
		"minimum": checkMinimum, "maximum": checkMaximum,
		"exclusiveMinimum": checkExclusiveMinimum, "exclusiveMaximum": checkExclusiveMaximum,
		"multipleOf": checkMultipleOf, "divisibleBy": checkDivisibleBy,
	}
}

func (p place) undefined() bool { return p.instance == any(expr.Undefined) }

// child is the path to a property or item.
func (p place) child(part any) []any { return append(slices.Clone(p.path), part) }

func checkType(p place) {
	if p.undefined() {
		return
	}
	types, ok := get(p.schema, "type").([]any)
	if !ok {
		types = []any{get(p.schema, "type")}
	}
	names := make([]any, len(types))
	for i, t := range types {
		if p.isOfType(t) {
			return
		}
		names[i] = jsString(t)
		if id := schemaID(t); id != "" {
			names[i] = "<" + id + ">"
		}
	}
	p.fail("type", names, "is not of a type(s) "+jsString(names))
}

// isOfType tests a type name or a schema in its place.
func (p place) isOfType(t any) bool {
	name, ok := t.(string)
	if !ok {
		_, schema := t.(*expr.Object)
		return schema && p.check.passes(p.instance, t, p.path)
	}
	switch x := p.instance.(type) {
	case string:
		return name == "string" || !isTypeName(name)
	case float64:
		return name == "number" || name == "integer" && x == math.Trunc(x) || !isTypeName(name)
	case bool:
		return name == "boolean" || !isTypeName(name)
	case nil:
		return name == "null" || !isTypeName(name)
	case []any:
		return name == "array" || !isTypeName(name)
	case *expr.Object:
		return name == "object" || !isTypeName(name)
	}
	return !isTypeName(name)
}

// Types are the names of types that a schema may use. Any other name is ignored: every value is of that type.
var Types = []string{"string", "number", "integer", "boolean", "null", "array", "object", "date"}

// isTypeName is false for `any` and for names that aren't known, which accept everything.
func isTypeName(name string) bool {
	return slices.Contains(Types, name)
}

func checkEnum(p place) {
	values, ok := get(p.schema, "enum").([]any)
	if p.undefined() || !ok || slices.ContainsFunc(values, func(v any) bool { return same(p.instance, v) }) {
		return
	}
	p.fail("enum", values, "is not one of enum values: "+joinStrings(values))
}

func checkConst(p place) {
	want := get(p.schema, "const")
	if !p.undefined() && !same(want, p.instance) {
		p.fail("const", want, "does not exactly match expected constant: "+jsString(want))
	}
}

func checkRequired(p place) {
	switch required := get(p.schema, "required").(type) {
	case bool:
		if required && p.undefined() {
			p.fail("required", expr.Undefined, "is required")
		}
	case []any:
		o, ok := p.instance.(*expr.Object)
		for _, name := range required {
			if key := jsString(name); ok && !o.Has(key) {
				p.fail("required", name, "requires property "+quoted(key))
			}
		}
	}
}

func checkProperties(p place) {
	o, ok := p.instance.(*expr.Object)
	properties, _ := get(p.schema, "properties").(*expr.Object)
	if !ok {
		return
	}
	for name, schema := range properties.All() {
		p.check.schema(get(o, name), schema, p.child(name))
	}
}

func checkPatternProperties(p place) {
	o, ok := p.instance.(*expr.Object)
	patterns, _ := get(p.schema, "patternProperties").(*expr.Object)
	if !ok {
		return
	}
	for name, value := range o.All() {
		matched := false
		for pattern, schema := range patterns.All() {
			re, err := compilePattern(pattern, false)
			if err == nil && !re.matches(name) {
				continue
			}
			matched = true
			p.check.schema(value, schema, p.child(name))
		}
		if !matched {
			p.additional(name, value)
		}
	}
}

func checkAdditionalProperties(p place) {
	o, ok := p.instance.(*expr.Object)
	if !ok || get(p.schema, "patternProperties") != any(expr.Undefined) {
		return
	}
	for name, value := range o.All() {
		p.additional(name, value)
	}
}

func (p place) additional(name string, value any) {
	if properties, ok := get(p.schema, "properties").(*expr.Object); ok && properties.Has(name) {
		return
	}
	if get(p.schema, "additionalProperties") == any(false) {
		p.fail("additionalProperties", name, "is not allowed to have the additional property "+quoted(name))
		return
	}
	p.check.schema(value, get(p.schema, "additionalProperties"), p.child(name))
}

func checkPropertyNames(p place) {
	o, ok := p.instance.(*expr.Object)
	if !ok {
		return
	}
	for _, name := range o.Keys() {
		p.check.schema(name, get(p.schema, "propertyNames"), p.path)
	}
}

func checkDependencies(p place) {
	o, ok := p.instance.(*expr.Object)
	dependencies, _ := get(p.schema, "dependencies").(*expr.Object)
	if !ok {
		return
	}
	for name, dependency := range dependencies.All() {
		if !o.Has(name) {
			continue
		}
		path := p.child(name)
		by := propertyPath(path)
		if one, ok := dependency.(string); ok {
			dependency = []any{one}
		}
		if names, ok := dependency.([]any); ok {
			for _, n := range names {
				if !o.Has(jsString(n)) {
					p.fail("dependencies", by, "property "+jsString(n)+" not found, required by "+by)
				}
			}
			continue
		}
		if errs := p.check.apart(p.instance, dependency, path); len(errs) > 0 {
			p.fail("dependencies", by, "does not meet dependency required by "+by)
			p.check.errs = append(p.check.errs, errs...)
		}
	}
}

func checkMinProperties(p place) {
	if o, ok := p.instance.(*expr.Object); ok {
		p.limit("minProperties", float64(o.Len()), atLeast, "does not meet minimum property length of ")
	}
}

func checkMaxProperties(p place) {
	if o, ok := p.instance.(*expr.Object); ok {
		p.limit("maxProperties", float64(o.Len()), atMost, "does not meet maximum property length of ")
	}
}

func checkMinItems(p place) {
	if list, ok := p.instance.([]any); ok {
		p.limit("minItems", float64(len(list)), atLeast, "does not meet minimum length of ")
	}
}

func checkMaxItems(p place) {
	if list, ok := p.instance.([]any); ok {
		p.limit("maxItems", float64(len(list)), atMost, "does not meet maximum length of ")
	}
}

func checkMinLength(p place) {
	if s, ok := p.instance.(string); ok {
		p.limit("minLength", float64(utf8.RuneCountInString(s)), atLeast, "does not meet minimum length of ")
	}
}

func checkMaxLength(p place) {
	if s, ok := p.instance.(string); ok {
		p.limit("maxLength", float64(utf8.RuneCountInString(s)), atMost, "does not meet maximum length of ")
	}
}

func atLeast(x, limit float64) bool  { return x >= limit }
func atMost(x, limit float64) bool   { return x <= limit }
func moreThan(x, limit float64) bool { return x > limit }
func lessThan(x, limit float64) bool { return x < limit }

// limit compares with the keyword's argument; one that isn't a number is met by nothing.
func (p place) limit(keyword string, x float64, holds func(x, limit float64) bool, says string) {
	argument := get(p.schema, keyword)
	if limit, ok := argument.(float64); !ok || !holds(x, limit) {
		p.fail(keyword, argument, says+jsString(argument))
	}
}

func checkMinimum(p place) {
	x, ok := p.instance.(float64)
	switch {
	case !ok:
	case get(p.schema, "exclusiveMinimum") == any(true):
		p.limit("minimum", x, moreThan, "must be greater than ")
	default:
		p.limit("minimum", x, atLeast, "must be greater than or equal to ")
	}
}

func checkMaximum(p place) {
	x, ok := p.instance.(float64)
	switch {
	case !ok:
	case get(p.schema, "exclusiveMaximum") == any(true):
		p.limit("maximum", x, lessThan, "must be less than ")
	default:
		p.limit("maximum", x, atMost, "must be less than or equal to ")
	}
}

func checkExclusiveMinimum(p place) {
	_, olderForm := get(p.schema, "exclusiveMinimum").(bool)
	if x, ok := p.instance.(float64); ok && !olderForm {
		p.limit("exclusiveMinimum", x, moreThan, "must be strictly greater than ")
	}
}

func checkExclusiveMaximum(p place) {
	_, olderForm := get(p.schema, "exclusiveMaximum").(bool)
	if x, ok := p.instance.(float64); ok && !olderForm {
		p.limit("exclusiveMaximum", x, lessThan, "must be strictly less than ")
	}
}

func checkMultipleOf(p place) { p.multiple("multipleOf", "is not a multiple of (divisible by) ") }

func checkDivisibleBy(p place) { p.multiple("divisibleBy", "is not divisible by (multiple of) ") }

func (p place) multiple(keyword, says string) {
	x, ok := p.instance.(float64)
	divisor, isNumber := get(p.schema, keyword).(float64)
	if !ok || !isNumber || divisor == 0 {
		return
	}
	scale := math.Pow(10, max(decimals(x), decimals(divisor)))
	if math.Mod(math.Round(x*scale), math.Round(divisor*scale)) != 0 {
		p.fail(keyword, divisor, says+jsString(divisor))
	}
}

// decimals is how many digits a number is written with after its point.
func decimals(x float64) float64 {
	mantissa, exponent, scientific := strings.Cut(jsString(x), "e")
	places := 0.0
	if scientific {
		negative, ok := strings.CutPrefix(exponent, "-")
		if !ok {
			return 0
		}
		places, _ = strconv.ParseFloat(negative, 64) // written by us
	}
	if _, fraction, ok := strings.Cut(mantissa, "."); ok {
		places += float64(len(fraction))
	}
	return places
}

func checkPattern(p place) {
	s, ok := p.instance.(string)
	if !ok {
		return
	}
	pattern := jsString(get(p.schema, "pattern"))
	if re, err := compilePattern(pattern, false); err != nil || !re.matches(s) {
		p.fail("pattern", get(p.schema, "pattern"), "does not match pattern "+quoted(pattern))
	}
}

func checkFormat(p place) {
	format, isName := get(p.schema, "format").(string)
	if s, ok := p.instance.(string); ok && isName && !conforms(s, format) {
		p.fail("format", format, "does not conform to the "+quoted(format)+" format")
	}
}

func checkItems(p place) {
	list, ok := p.instance.([]any)
	if !ok {
		return
	}
	for i, item := range list {
		schema := get(p.schema, "items")
		if schemas, ok := schema.([]any); ok {
			schema = get(p.schema, "additionalItems")
			if i < len(schemas) {
				schema = schemas[i]
			}
		}
		if schema == any(false) {
			p.fail("items", expr.Undefined, "additionalItems not permitted")
			return
		}
		p.check.schema(item, schema, p.child(i))
	}
}

func checkContains(p place) {
	list, ok := p.instance.([]any)
	schema := get(p.schema, "contains")
	if !ok || slices.ContainsFunc(list, func(item any) bool { return p.check.passes(item, schema, p.path) }) {
		return
	}
	p.fail("contains", schema, "must contain an item matching given schema")
}

func checkUnique(p place) {
	list, ok := p.instance.([]any)
	if !ok || get(p.schema, "uniqueItems") != any(true) {
		return
	}
	for i, a := range list {
		if slices.ContainsFunc(list[i+1:], func(b any) bool { return same(a, b) }) {
			p.fail("uniqueItems", expr.Undefined, "contains duplicate item")
			return
		}
	}
}

func checkAllOf(p place) {
	schemas, ok := get(p.schema, "allOf").([]any)
	if p.undefined() || !ok {
		return
	}
	for i, schema := range schemas {
		errs := p.check.apart(p.instance, schema, p.path)
		if len(errs) == 0 {
			continue
		}
		name, count := alternative(schema, i, ""), float64(len(errs))
		p.fail("allOf", expr.NewObject("id", name, "length", count),
			"does not match allOf schema "+name+" with "+jsString(count)+" error[s]:")
		p.check.errs = append(p.check.errs, errs...)
	}
}

func checkAnyOf(p place) {
	schemas, ok := get(p.schema, "anyOf").([]any)
	if p.undefined() || !ok || p.passing(schemas) > 0 {
		return
	}
	names := alternatives(schemas, "<")
	p.fail("anyOf", names, "is not any of "+joinStrings(names))
}

func checkOneOf(p place) {
	schemas, ok := get(p.schema, "oneOf").([]any)
	if p.undefined() || !ok || p.passing(schemas) == 1 {
		return
	}
	names := alternatives(schemas, "")
	p.fail("oneOf", names, "is not exactly one from "+joinStrings(names))
}

func (p place) passing(schemas []any) (count int) {
	for _, schema := range schemas {
		if p.check.passes(p.instance, schema, p.path) {
			count++
		}
	}
	return count
}

func alternatives(schemas []any, bracket string) []any {
	names := make([]any, len(schemas))
	for i, schema := range schemas {
		names[i] = alternative(schema, i, bracket)
	}
	return names
}

// alternative names one of several schemas: by id (in brackets for anyOf), title, reference or number.
func alternative(schema any, i int, bracket string) string {
	if id := schemaID(schema); id != "" {
		if bracket != "" {
			return "<" + id + ">"
		}
		return id
	}
	s, _ := schema.(*expr.Object)
	if title, ok := get(s, "title").(string); ok && title != "" {
		return quoted(title)
	}
	if ref, ok := get(s, "$ref").(string); ok && ref != "" {
		return "<" + ref + ">"
	}
	return "[subschema " + strconv.Itoa(i) + "]"
}

func checkNot(p place) {
	not := get(p.schema, "not")
	if not == any(expr.Undefined) {
		not = get(p.schema, "disallow")
	}
	if p.undefined() || !expr.Truthy(not) {
		return
	}
	schemas, ok := not.([]any)
	if !ok {
		schemas = []any{not}
	}
	for _, schema := range schemas {
		if !p.isOfType(schema) {
			continue
		}
		argument := schema
		if id := schemaID(schema); id != "" {
			argument = id
		}
		p.fail("not", argument, "is of prohibited type "+jsString(argument))
	}
}

func checkIf(p place) {
	if p.undefined() {
		return
	}
	branch := "else"
	if p.check.passes(p.instance, get(p.schema, "if"), p.path) {
		branch = "then"
	}
	p.check.schema(p.instance, get(p.schema, branch), p.path)
}

// same is deep equality; the order of keys does not count.
func same(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case *expr.Object:
		o, ok := b.(*expr.Object)
		if !ok || a.Len() != o.Len() {
			return false
		}
		for key, value := range a.All() {
			if other, has := o.Get(key); !has || !same(value, other) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, *expr.Object:
		return false
	}
	return a == b
}

// jsString is JavaScript's String(x).
func jsString(x any) string {
	switch x := x.(type) {
	case nil:
		return "null"
	case []any:
		parts := make([]string, len(x))
		for i, item := range x {
			if item != nil {
				parts[i] = jsString(item)
			}
		}
		return strings.Join(parts, ",")
	case *expr.Object:
		return "[object Object]"
	}
	if x == any(expr.Undefined) {
		return "undefined"
	}
	return expr.ToString(x)
}

func joinStrings(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = jsString(v)
	}
	return strings.Join(parts, ",")
}
