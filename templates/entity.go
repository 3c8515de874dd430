package templates

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

var (
	entityFields = []string{"apiVersion", "kind", "metadata", "spec"}
	specFields   = []string{"type", "owner", "lifecycle", "parameters", "secrets", "presentation", "formDecorators",
		"EXPERIMENTAL_formDecorators", "EXPERIMENTAL_recovery", "steps", "output", "execution", "onFailure", "parallel"}
)

func (p *parser) metadata(m *node) {
	const path = "metadata"
	t := p.t
	t.Metadata = m.json(verbatim)
	t.Name = p.text(m, path, "name", true)
	t.Title = p.text(m, path, "title", false)
	t.Description = p.text(m, path, "description", false)
	namespace := p.text(m, path, "namespace", false)
	for _, key := range []string{"labels", "annotations"} {
		if n := p.mapping(m, path, key, false); n != nil {
			for _, e := range n.entries {
				if e.value.kind != stringNode {
					p.wrongType(e.value, under(under(path, key), e.key), stringNode.String())
				}
			}
		}
	}
	p.texts(m, path, "tags")
	p.mappings(m, path, "links", func(n *node, path string) {
		p.text(n, path, "url", true)
		p.words(n, path, "title", "icon", "type")
	})
	if t.Name == "" {
		return
	}
	if namespace == "" {
		namespace = "default"
	}
	ref, err := plan.ParseEntityRef(namespace+"/"+t.Name, "template")
	if err != nil || strings.ContainsAny(namespace+t.Name, ":/") {
		field := "name"
		if _, err := plan.ParseEntityRef("default/"+t.Name, "template"); err == nil && !strings.ContainsAny(t.Name, ":/") {
			field = "namespace"
		}
		p.report(m.get(field).mark, "metadata."+field, "bad-name",
			"a "+field+" is letters, digits and inner - _ . and at most 63 characters", "")
		return
	}
	t.Ref = ref.String()
}

func (p *parser) spec(s *node) {
	const path = "spec"
	t := p.t
	p.known(s, path, specFields)
	t.Type = p.text(s, path, "type", true)
	p.words(s, path, "owner", "lifecycle")
	if owner := s.get("owner"); owner != nil && owner.kind == stringNode && owner.text != "" {
		ref, err := plan.ParseEntityRef(owner.text, "group")
		if err == nil {
			t.Owner = ref.String()
		} else {
			p.strictly(owner.mark, "spec.owner", "bad-ref", err.Error(), "")
		}
	}
	p.pages(s.get("parameters"))
	if secrets := p.mapping(s, path, "secrets", false); secrets != nil {
		p.mapping(secrets, "spec.secrets", "schema", false)
	}
	if look := p.mapping(s, path, "presentation", false); look != nil {
		if labels := p.mapping(look, "spec.presentation", "buttonLabels", false); labels != nil {
			for _, key := range []string{"backButtonText", "createButtonText", "reviewButtonText"} {
				p.text(labels, "spec.presentation.buttonLabels", key, false)
			}
		}
	}
	p.recovery(s)
	for _, key := range []string{"formDecorators", "EXPERIMENTAL_formDecorators"} {
		p.mappings(s, path, key, func(n *node, path string) {
			p.text(n, path, "id", p.strict)
			p.mapping(n, path, "input", false)
		})
	}
	p.execution(s)
	if output := p.mapping(s, path, "output", false); output != nil {
		p.output(output)
	}
	if steps := p.list(s, path, "steps", true); steps != nil {
		t.top = p.steps(steps, "spec.steps", noBranch)
	}
}

func (p *parser) recovery(s *node) {
	const path = "spec.EXPERIMENTAL_recovery"
	n := p.mapping(s, "spec", "EXPERIMENTAL_recovery", false)
	if n == nil {
		return
	}
	known := []string{"none", "startOver"}
	strategy := p.field(n, path, "EXPERIMENTAL_strategy", false, stringNode)
	if strategy != nil && !slices.Contains(known, strategy.text) {
		p.strictly(strategy.mark, path+".EXPERIMENTAL_strategy", "wrong-value", "the strategy is none or startOver",
			cmp.Or(nearest.Name(strategy.text, known), "none"))
	}
}

// Limits of a plan.
const (
	defaultParallel = 8
	maxParallel     = 100
	maxSteps        = 1000
)

// execution reads how the steps follow each other. Either version can say so; a v1beta3 template that
// does is written for what v3 has, in any other what is v3's is ignored, as Backstage does.
func (p *parser) execution(s *node) {
	t := p.t
	ways := []string{string(plan.Sequential), string(plan.DAG)}
	if n := s.get("execution"); n != nil {
		if n.kind == stringNode && slices.Contains(ways, n.text) {
			t.execution, p.extended = plan.Execution(n.text), true
		} else {
			p.strictly(n.mark, "spec.execution", "wrong-value", "execution is "+strings.Join(ways, " or "),
				cmp.Or(nearest.Name(n.text, ways), ways[0]))
		}
	}
	if p.ours(s, "spec", "onFailure", "parallel") {
		p.choice(s, "spec", "onFailure", func(v string) { t.onFailure = plan.OnFailure(v) }, string(plan.Keep), string(plan.Undo))
		if n := s.get("parallel"); n != nil {
			t.parallel = p.count(n, "spec.parallel", maxParallel)
		}
	}
	if t.execution == plan.Sequential {
		t.parallel = 1
	}
}

// ours says whether fields that only v3 has count; where they don't, it says so for those that are there.
func (p *parser) ours(n *node, path string, fields ...string) bool {
	if p.extended {
		return true
	}
	for _, key := range fields {
		if n.get(key) != nil {
			p.t.advise(n.keyMark(key), under(path, key), "v3-field",
				fmt.Sprintf("%s is ignored: v1beta3 has no %q", under(path, key), key), "apiVersion: "+V3)
		}
	}
	return false
}

func (p *parser) pages(n *node) {
	const path = "spec.parameters"
	switch {
	case n == nil || n.kind == nullNode:
	case n.kind == mapNode:
		p.permissions(n, path)
	case n.kind != listNode:
		p.wrongType(n, path, "a page (a JSON Schema) or a list of them")
	default:
		for i, page := range n.items {
			if page.kind != mapNode {
				p.wrongType(page, nth(path, i), "a page: a JSON Schema")
				continue
			}
			p.permissions(page, nth(path, i))
		}
	}
}

func (p *parser) permissions(n *node, path string) {
	const key = "backstage:permissions"
	if v := p.mapping(n, path, key, false); v != nil {
		p.texts(v, under(path, key), "tags")
	}
}

// output reads what the portal shows when a run has ended; keys of any other name hold texts.
func (p *parser) output(n *node) {
	const path = "spec.output"
	shown := func(n *node, path string, words ...string) {
		p.oneOf(n, path, "if", "a string or boolean", stringNode, boolNode)
		p.words(n, path, append(words, "title", "icon")...)
	}
	p.mappings(n, path, "links", func(n *node, path string) { shown(n, path, "url", "entityRef") })
	p.mappings(n, path, "text", func(n *node, path string) {
		shown(n, path)
		p.text(n, path, "content", false)
	})
	for _, e := range n.entries {
		if e.key != "links" && e.key != "text" && e.value.kind != stringNode {
			p.wrongType(e.value, under(path, e.key), stringNode.String())
		}
	}
}

// mappings visits the entries of a list of mappings.
func (p *parser) mappings(n *node, path, key string, visit func(n *node, path string)) {
	list := p.list(n, path, key, false)
	if list == nil {
		return
	}
	path = under(path, key)
	for i, item := range list.items {
		if item.kind != mapNode {
			p.wrongType(item, nth(path, i), mapNode.String())
			continue
		}
		visit(item, nth(path, i))
	}
}

// texts reads a list of texts.
func (p *parser) texts(n *node, path, key string) {
	list := p.list(n, path, key, false)
	if list == nil {
		return
	}
	for i, item := range list.items {
		if item.kind != stringNode {
			p.wrongType(item, nth(under(path, key), i), stringNode.String())
		}
	}
}

func (p *parser) choice(n *node, path, key string, set func(string), allowed ...string) {
	v := n.get(key)
	if v == nil {
		return
	}
	if v.kind != stringNode || !slices.Contains(allowed, v.text) {
		p.report(v.mark, under(path, key), "wrong-value", key+" is "+strings.Join(allowed, " or "), cmp.Or(nearest.Name(v.text, allowed), allowed[0]))
		return
	}
	set(v.text)
}

func (p *parser) count(n *node, path string, most int) int {
	var i int
	if n.kind != numberNode || json.Unmarshal([]byte(n.text), &i) != nil || i < 1 || i > most {
		p.report(n.mark, path, "wrong-value", fmt.Sprintf("this is a whole number from 1 to %d", most), "")
	}
	return i
}
