package templatetest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// child gives the value of a key, nil if it isn't there.
func child(n *yaml.Node, key string) *yaml.Node {
	if n = followed(n); n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return followed(n.Content[i+1])
		}
	}
	return nil
}

// namesIn gives the keys of a mapping or the items of a list.
func namesIn(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n.Content
	}
	var keys []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i])
	}
	return keys
}

// update gives the `expect` that expects what happened. A test that expects nothing gets every section that has
// something to say.
func (t test) update(h happened) *yaml.Node {
	e := t.expect
	if len(e) == 0 {
		e = expectation{}
		for _, section := range sections[:len(sections)-1] {
			if says := h.section(section, nil); !emptyValue(says) {
				e[section] = says
			}
		}
	}
	n := t.expectNode
	if n == nil || n.Kind != yaml.MappingNode {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	merge(n, canonical(map[string]any(h.inTheFormOf(e))), sections)
	return n
}

func emptyValue(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || (r.Kind() == reflect.Map || r.Kind() == reflect.Slice) && r.Len() == 0
}

// merge changes a node to hold v, and leaves what is the same as it was written. Keys that are new come in the given
// order, then by name.
func merge(n *yaml.Node, v any, order []string) {
	n = followed(n)
	switch v := v.(type) {
	case map[string]any:
		if n.Kind != yaml.MappingNode {
			replace(n, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
		}
		var kept []*yaml.Node
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			value, there := v[key]
			if !there {
				continue
			}
			seen[key] = true
			merge(n.Content[i+1], value, nil)
			kept = append(kept, n.Content[i], n.Content[i+1])
		}
		names := slices.Sorted(maps.Keys(v))
		slices.SortStableFunc(names, func(a, b string) int { return place(order, a) - place(order, b) })
		for _, key := range names {
			if !seen[key] {
				kept = append(kept, scalar(key), node(v[key]))
			}
		}
		n.Content = kept
		if len(kept) > 0 && len(seen) == 0 {
			n.Style = 0
		}
	case []any:
		if n.Kind != yaml.SequenceNode {
			replace(n, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"})
		}
		if len(n.Content) == 0 && len(v) > 0 {
			n.Style = 0
		}
		n.Content = n.Content[:min(len(n.Content), len(v))]
		for i, item := range v {
			if i < len(n.Content) {
				merge(n.Content[i], item, nil)
			} else {
				n.Content = append(n.Content, node(item))
			}
		}
	default:
		var was any
		if n.Kind == yaml.ScalarNode && n.Decode(&was) == nil && reflect.DeepEqual(canonical(was), v) {
			return
		}
		replace(n, node(v))
	}
}

func place(order []string, key string) int {
	if i := slices.Index(order, key); i >= 0 {
		return i
	}
	return len(order)
}

// replace gives a node another value; its comments stay.
func replace(n, by *yaml.Node) {
	by.HeadComment, by.LineComment, by.FootComment = n.HeadComment, n.LineComment, n.FootComment
	*n = *by
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// node writes a value; longer texts stand in lines of their own.
func node(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		merge(n, v, callKeys)
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		merge(n, v, nil)
		return n
	case string:
		n := &yaml.Node{}
		if n.SetString(v); strings.Contains(v, "\n") {
			n.Style = yaml.LiteralStyle
		}
		return n
	}
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		n.SetString(fmt.Sprint(v))
	}
	return n
}
