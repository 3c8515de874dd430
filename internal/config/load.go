package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/nearest"
	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// Load reads a file, if one is named, then the environment, fills in the defaults and checks the
// whole for a role.
//
// ${NAME} in the file is replaced from the environment; a name that is not set is an error. A
// variable GILDWAY_<KEY> with the key's dots as underscores, e.g. GILDWAY_DATABASE_URL, overrides
// the file. Unknown keys are errors.
func Load(file string, role Role, lookup func(string) (string, bool), environ []string) (Config, error) {
	k := koanf.New(".")
	if file != "" {
		src, err := os.ReadFile(file)
		if err != nil {
			return Config{}, fmt.Errorf("reading the configuration: %w", err)
		}
		parsed, err := yaml.Parser().Unmarshal(src)
		if err != nil {
			return Config{}, fmt.Errorf("%s: %w", file, err)
		}
		if err := expand(parsed, "", lookup); err != nil {
			return Config{}, fmt.Errorf("%s: %w", file, err)
		}
		if err := k.Load(confmap.Provider(parsed, ""), nil); err != nil {
			return Config{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	known := keys(reflect.TypeFor[Config](), "")
	if err := k.Load(environment(known, environ), nil); err != nil {
		return Config{}, fmt.Errorf("reading the environment: %w", err)
	}
	if err := checkKeys(k.Raw(), "", known); err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	c := Config{Templates: defaultTemplates()}
	decoder := mapstructure.DecoderConfig{
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.TextUnmarshallerHookFunc(),
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.StringToSliceHookFunc(","),
		),
		Result: &c, WeaklyTypedInput: true,
	}
	if err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &decoder}); err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	c.setDefaults()
	if err := c.Check(role); err != nil {
		return Config{}, fmt.Errorf("the configuration of the %s is not complete:\n%w", role, err)
	}
	return c, nil
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand replaces variables in the strings of a parsed document, in place. What a variable holds is data: it can't
// become YAML.
func expand(node any, at string, lookup func(string) (string, bool)) error {
	var errs []error
	each := func(key string, value any, set func(string)) {
		text, ok := value.(string)
		if !ok {
			errs = append(errs, expand(value, key, lookup))
			return
		}
		set(variable.ReplaceAllStringFunc(text, func(m string) string {
			v, ok := lookup(variable.FindStringSubmatch(m)[1])
			if !ok {
				errs = append(errs, fmt.Errorf("%s: %s is used but not set in the environment", key, m))
			}
			return v
		}))
	}
	switch n := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			each(strings.TrimPrefix(at+"."+key, "."), n[key], func(v string) { n[key] = v })
		}
	case []any:
		for i := range n {
			each(fmt.Sprintf("%s[%d]", at, i), n[i], func(v string) { n[i] = v })
		}
	}
	return errors.Join(errs...)
}

const prefix = "GILDWAY_"

// environment reads GILDWAY_ variables whose name spells a known key; the others belong to the
// command line (GILDWAY_API, GILDWAY_TOKEN…).
func environment(known []string, environ []string) koanf.Provider {
	byName := map[string]string{}
	for _, key := range known {
		byName[prefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	return env.Provider(".", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			return byName[name], value // "" is left out
		},
	})
}

// keys lists the dotted keys of a configuration struct; inside a list the key ends with the list's name and "[]".
func keys(t reflect.Type, at string) (out []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := strings.TrimPrefix(at+"."+f.Tag.Get("koanf"), ".")
		switch {
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			out = append(out, keys(f.Type.Elem(), key+"[]")...)
		case f.Type.Kind() == reflect.Struct && f.Type.NumField() > 0 && f.Type.Field(0).IsExported():
			out = append(out, keys(f.Type, key)...)
		default:
			out = append(out, key)
		}
	}
	return out
}

func checkKeys(node map[string]any, at string, known []string) error {
	var errs []error
	names := make([]string, 0, len(node))
	for name := range node {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		key := strings.TrimPrefix(at+"."+name, ".")
		inner := func(k string) bool { return strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[]") }
		switch v := node[name].(type) {
		case map[string]any:
			if slices.ContainsFunc(known, inner) {
				errs = append(errs, checkKeys(v, key, known))
				continue
			}
		case []any:
			if slices.ContainsFunc(known, inner) {
				for _, e := range v {
					if m, ok := e.(map[string]any); ok {
						errs = append(errs, checkKeys(m, key+"[]", known))
					}
				}
				continue
			}
		}
		if !slices.Contains(known, key) {
			errs = append(errs, unknownKey(key, known))
		}
	}
	return errors.Join(errs...)
}

func unknownKey(key string, known []string) error {
	if meant := nearest.Name(key, known); meant != "" {
		return fmt.Errorf("unknown key %s; did you mean %s?", key, meant)
	}
	return fmt.Errorf("unknown key %s", key)
}
