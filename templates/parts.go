package templates

import (
	"slices"

	"github.com/gildway/gildway/internal/plan"
)

// Tags are metadata.tags.
func (t *Template) Tags() []string { return textsOf(t.root.get("metadata").get("tags")) }

// Shown gives the template as somebody gets it who is not allowed all of it: without the form pages and steps whose
// `backstage:permissions.tags` are refused. What is left may not compile. The template itself is given where
// nothing is refused.
func (t *Template) Shown(allowed func(tags []string) bool) *Template {
	spec := t.root.get("spec")
	shown := spec
	if pages := spec.get("parameters"); pages != nil {
		switch kept := keepParts(pages, allowed); {
		case pages.kind == mapNode && !allowed(partTags(pages)):
			shown = shown.without("parameters")
		case kept != pages:
			shown = shown.replaced("parameters", kept)
		}
	}
	if steps := spec.get("steps"); steps != nil {
		if kept := keepSteps(steps, allowed); kept != steps {
			shown = shown.replaced("steps", kept)
		}
	}
	if shown == spec {
		return t
	}
	p := &parser{t: &Template{File: t.File, root: t.root.replaced("spec", shown), lines: t.lines}}
	p.entity(p.t.root)
	p.t.broken = len(p.problems) > 0
	return p.t
}

// Withheld names the steps of a plan of this template that somebody doesn't get who is not allowed all of it. Steps are found
// by their places: the id of one that has none in the file depends on what was left out before it. One that the
// template doesn't have is nobody's.
func (t *Template) Withheld(p *plan.Plan, allowed func(tags []string) bool) (names []string) {
	left := map[mark]int{} // an alias puts two steps at one place
	for i := range t.steps {
		left[t.steps[i].mark]++
	}
	shown := t.Shown(allowed)
	for i := range shown.steps {
		left[shown.steps[i].mark]--
	}
	for _, s := range p.Steps {
		if n, there := left[mark{s.Line, s.Column}]; !there || n > 0 {
			names = append(names, s.ID)
		}
	}
	return names
}

func textsOf(list *node) (texts []string) {
	if list == nil {
		return nil
	}
	for _, item := range list.items {
		if item.kind == stringNode {
			texts = append(texts, item.text)
		}
	}
	return texts
}

func partTags(part *node) []string { return textsOf(part.get("backstage:permissions").get("tags")) }

// keepParts gives a list without the refused entries: the list itself if there are none.
func keepParts(list *node, allowed func([]string) bool) *node {
	refused := func(part *node) bool { return !allowed(partTags(part)) }
	if list.kind != listNode || !slices.ContainsFunc(list.items, refused) {
		return list
	}
	kept := *list
	kept.items = slices.DeleteFunc(slices.Clone(list.items), refused)
	return &kept
}

// keepSteps goes into the branches of switches, too.
func keepSteps(list *node, allowed func([]string) bool) *node {
	kept := keepParts(list, allowed)
	for i, step := range kept.items {
		branches := step.get("switch")
		if branches == nil {
			continue
		}
		left := branches
		for _, b := range branches.entries {
			if steps := b.value.get("steps"); steps != nil {
				if inner := keepSteps(steps, allowed); inner != steps {
					left = left.replaced(b.key, b.value.replaced("steps", inner))
				}
			}
		}
		if left != branches {
			if kept == list {
				clone := *list
				clone.items = slices.Clone(list.items)
				kept = &clone
			}
			kept.items[i] = step.replaced("switch", left)
		}
	}
	return kept
}

// replaced gives a copy of a mapping in which a key that is there has another value.
func (n *node) replaced(key string, value *node) *node {
	c := *n
	c.entries = slices.Clone(n.entries)
	for i := range c.entries {
		if c.entries[i].key == key {
			c.entries[i].value = value
		}
	}
	return &c
}
