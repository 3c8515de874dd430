package expr

import (
	"context"
	"errors"
	"slices"
	"strconv"
)

// RenderTree renders every string value of a JSON tree as a step value: keys are left alone, a value that renders to
// undefined removes its key or leaves null in an array, and a string that does not parse or evaluate stays as it is.
// The error is the context's.
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
	t, err := Parse(src, Options{})
	if err != nil {
		return src, nil
	}
	if !t.HasTags() && !env.LegacyTyping {
		return src, nil
	}
	v, err := t.Evaluate(ctx, env)
	if err == nil {
		return v, nil
	}
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return nil, err
	}
	return src, nil
}

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
