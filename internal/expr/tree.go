package expr

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// RenderTree renders every string value of a JSON tree as a step value: keys are left alone, a value that renders to
// undefined removes its key or leaves null in an array, and a string that does not parse or evaluate stays as it is.
// The error is the context's, or a *ValueError if env is strict.
func RenderTree(ctx context.Context, tree any, env *Env) (any, error) {
	switch tree := tree.(type) {
	case string:
		return renderString(ctx, tree, env)
	case []any:
		out := make([]any, len(tree))
		for i, item := range tree {
			v, err := RenderTree(ctx, item, env)
			if err != nil {
				return nil, err
			}
			if v != any(Undefined) {
				out[i] = v
			}
		}
		return out, nil
	case *Object:
		out := &Object{}
		for k, item := range tree.All() {
			v, err := RenderTree(ctx, item, env)
			if err != nil {
				return nil, err
			}
			if v != any(Undefined) {
				out.Set(k, v)
			}
		}
		return out, nil
	}
	return tree, nil
}

func renderString(ctx context.Context, src string, env *Env) (any, error) {
	if !env.LegacyTyping && !strings.Contains(src, "{{") && !strings.Contains(src, "{%") && !strings.Contains(src, "{#") {
		return src, nil
	}
	t := parsed.template(src)
	if t == nil {
		return src, nil
	}
	v, err := t.Evaluate(ctx, env)
	if err == nil {
		return v, nil
	}
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return nil, err
	}
	if env.Strict {
		return nil, &ValueError{src, err}
	}
	return src, nil
}

// parsed remembers the templates of step values, which every run of a template and every item of a loop asks for again.
var parsed = templateCache{limit: 1 << 20}

// templateCache holds templates by source, nil for what does not parse. When the sources exceed the limit, it begins anew.
type templateCache struct {
	limit   int
	mu      sync.Mutex
	size    int
	entries map[string]*Template
}

func (c *templateCache) template(src string) *Template {
	c.mu.Lock()
	t, ok := c.entries[src]
	c.mu.Unlock()
	if ok {
		return t
	}
	t, err := Parse(src, Options{})
	if err != nil {
		t = nil
	}
	if len(src) > c.limit/64 {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[src]; !ok {
		if c.size += len(src) + entrySize; c.entries == nil || c.size > c.limit {
			c.entries, c.size = map[string]*Template{}, len(src)+entrySize
		}
		c.entries[src] = t
	}
	return t
}

// entrySize is what an entry counts beside its source.
const entrySize = 512

// WalkTree visits every string value of a tree with its path; array indexes are decimal.
func WalkTree(tree any, fn func(path []string, src string)) { walkTree(nil, tree, fn) }

func walkTree(path []string, tree any, fn func([]string, string)) {
	switch tree := tree.(type) {
	case string:
		fn(slices.Clone(path), tree)
	case []any:
		for i, item := range tree {
			walkTree(append(path, strconv.Itoa(i)), item, fn)
		}
	case *Object:
		for k, item := range tree.All() {
			walkTree(append(path, k), item, fn)
		}
	}
}
