package expr

import (
	"strings"
	"sync"
)

var backstageFilterNames = []string{"parseEntityRef", "parseRepoUrl", "pick", "projectSlug"}

// backstageFilter finds one of the filters that Backstage adds to the language.
func backstageFilter(name string, hosts map[string]string) Filter {
	repository := func(input any) (*Object, error) {
		text, err := stringOf(input)
		if err != nil {
			return nil, err
		}
		return ParseRepoURL(text, hosts)
	}
	switch name {
	case "parseRepoUrl":
		return func(input any, _ []any) (any, error) {
			out, err := repository(input)
			if err != nil {
				return nil, err
			}
			return out, nil
		}
	case "projectSlug":
		return func(input any, _ []any) (any, error) {
			out, err := repository(input)
			if err != nil {
				return nil, err
			}
			owner, _ := out.Get("owner")
			repo, _ := out.Get("repo")
			return (*evaluator)(nil).text(owner) + "/" + (*evaluator)(nil).text(repo), nil
		}
	case "parseEntityRef":
		return parseEntityRef
	case "pick":
		return pick
	}
	return nil
}

// stringOf is String(v) of a value that left an evaluation: records have lost the method that it takes.
func stringOf(v any) (string, error) {
	switch v := v.(type) {
	case *Object:
		return "", errNoPrimitive
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			if isNullish(item) {
				continue
			}
			var err error
			if parts[i], err = stringOf(item); err != nil {
				return "", err
			}
		}
		return strings.Join(parts, ","), nil
	}
	return (*evaluator)(nil).text(v), nil
}

var errNoPrimitive error = reason("Cannot convert object to primitive value")

// field is a property of a value that may not be a record.
func field(v any, name string) any {
	o, ok := v.(*Object)
	if !ok {
		return Undefined
	}
	out, _ := o.Get(name)
	return out
}

func firstGiven(values ...any) any {
	for _, v := range values {
		if !isNullish(v) {
			return v
		}
	}
	return Undefined
}

func parseEntityRef(input any, args []any) (any, error) {
	if !Truthy(input) {
		return nil, reason("Entity reference must not be empty")
	}
	context := at(args, 0)
	defaultNamespace := orDefault(field(context, "defaultNamespace"), "default")
	kind, namespace, name := field(input, "kind"), field(input, "namespace"), field(input, "name")
	if ref, ok := input.(string); ok {
		var err error
		if kind, namespace, name, err = splitEntityRef(ref); err != nil {
			return nil, err
		}
	}
	kind, namespace = firstGiven(kind, field(context, "defaultKind")), firstGiven(namespace, defaultNamespace)
	missing := ""
	switch {
	case !Truthy(kind):
		missing = `kind (e.g. did not start with "component:" or similar)`
	case !Truthy(namespace):
		missing = "namespace"
	case !Truthy(name):
		missing = "name"
	default:
		return NewObject("kind", kind, "namespace", namespace, "name", name), nil
	}
	text, err := ToJSON(input)
	if err != nil {
		return nil, err
	}
	return nil, reasonf("Entity reference %s had missing or empty %s", text, missing)
}

// splitEntityRef reads [kind:][namespace/]name; a colon after the slash belongs to the name.
func splitEntityRef(ref string) (kind, namespace, name any, err error) {
	kind, namespace, name = Undefined, Undefined, ref
	colon, slash := strings.IndexByte(ref, ':'), strings.IndexByte(ref, '/')
	if slash >= 0 && slash < colon {
		colon = -1
	}
	if colon >= 0 {
		kind = ref[:colon]
	}
	if slash >= 0 {
		namespace = ref[colon+1 : slash]
	}
	if name = ref[max(colon+1, slash+1):]; kind == "" || namespace == "" || name == "" {
		return nil, nil, nil, reasonf("Entity reference \"%s\" was not on the form [<kind>:][<namespace>/]<name>", ref)
	}
	return kind, namespace, name, nil
}

// What a path of pick is, in the words of the library that Backstage takes it from (lodash get).
var pathPatterns = sync.OnceValue(func() (out struct{ plain, deep, part, escape *program }) {
	compile := func(pattern, flags string) *program {
		p, err := compileRegex(pattern, flags)
		if err != nil {
			panic(pattern)
		}
		return p
	}
	out.plain = compile(`^\w*$`, "")
	out.deep = compile(`\.|\[(?:[^[\]]*|(["'])(?:(?!\1)[^\\]|\\.)*?\1)\]`, "")
	out.part = compile(`[^.[\]]+|\[(?:(-?\d+(?:\.\d+)?)|(["'])((?:(?!\2)[^\\]|\\.)*?)\2)\]|(?=(?:\.|\[\])(?:\.|\[\]|$))`, "g")
	out.escape = compile(`\\(\\)?`, "g")
	return out
})

// pick reads a dotted or bracketed path, undefined if any part is absent.
func pick(input any, args []any) (any, error) {
	path, ok := at(args, 0).([]any)
	if !ok {
		var err error
		if path, err = pathOf(at(args, 0), input); err != nil {
			return nil, err
		}
	}
	if len(path) == 0 {
		return Undefined, nil
	}
	v := input
	for _, part := range path {
		if isNullish(v) {
			return Undefined, nil
		}
		key, err := stringOf(part)
		if err != nil {
			return nil, err
		}
		v = propertyOf(v, key)
	}
	return v, nil
}

// pathOf is what a path that is not a list means for a value: one key, or several within one text.
func pathOf(path, within any) ([]any, error) {
	switch path := path.(type) {
	case *Object:
		if isNullish(within) {
			return nil, nil
		}
		return nil, errNoPrimitive
	case string:
		units := toUnits(path)
		patterns := pathPatterns()
		o, isObject := within.(*Object)
		if patterns.plain.match(nil, units, 0) == nil && patterns.deep.match(nil, units, 0) != nil && !(isObject && o.Has(path)) {
			return pathKeys(units), nil
		}
	}
	return []any{path}, nil
}

// pathKeys splits a.b[0]["c"] into its keys.
func pathKeys(path []uint16) []any {
	var keys []any
	if path[0] == '.' {
		keys = append(keys, "")
	}
	patterns := pathPatterns()
	for i := 0; i <= len(path); {
		caps := patterns.part.match(nil, path, i)
		if caps == nil {
			break
		}
		m := &matched{text: func(from, to int) string { return fromUnits(path[from:to]) }, caps: caps}
		switch {
		case caps[4] >= 0:
			keys = append(keys, (*evaluator)(nil).regexReplace(m.group(3), &regex{literal: &RegexExpr{program: patterns.escape}}, "$1"))
		case caps[2] >= 0:
			keys = append(keys, m.group(1))
		default:
			keys = append(keys, m.group(0))
		}
		if i = caps[1]; caps[0] == caps[1] {
			i++
		}
	}
	return keys
}

// propertyOf is a property that a value itself has.
func propertyOf(v any, key string) any {
	switch v := v.(type) {
	case *Object:
		out, _ := v.Get(key)
		return out
	case []any:
		if i, ok := indexIn(key, len(v)); ok {
			return v[i]
		}
		if key == "length" {
			return float64(len(v))
		}
	case string:
		if i, ok := indexIn(key, unitLen(v)); ok {
			return sliceUnits(v, i, i+1)
		}
		if key == "length" {
			return float64(unitLen(v))
		}
	}
	return Undefined
}
