package templates

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

// The versions of the entity.
const (
	V1Beta3 = "scaffolder.backstage.io/v1beta3" // Backstage's: one step after the other, unknown fields are accepted
	V3      = "scaffolder.backstage.io/v3"      // a graph, strict
)

// Template is a template entity with the place of everything in it. It is immutable.
type Template struct {
	File        string
	APIVersion  string
	Ref         string // canonical entity ref, e.g. template:default/nodejs-microservice
	Name        string
	Title       string
	Description string
	Owner       string // canonical entity ref; "" = nobody
	Type        string
	Metadata    json.RawMessage // as written

	root      *node
	lines     []string
	steps     []step
	execution plan.Execution
	onFailure plan.OnFailure
	parallel  int
	broken    bool // Parse found problems
}

// Parse reads a template. The problems are all that is wrong with its form; with any, Compile makes
// no plan of it. The template is nil only if the file is not one YAML mapping.
func Parse(file string, src []byte) (*Template, []fault.Problem) {
	p := &parser{t: &Template{File: file}}
	root := readYAML(src, func(at mark, says, try string) { p.report(at, "", "yaml-syntax", says, try) })
	if root != nil && root.kind != mapNode {
		p.report(root.mark, "", "yaml-syntax", fmt.Sprintf("a template is a mapping; this is %s", root.kind), "")
		root = nil
	}
	if root == nil {
		return nil, p.problems
	}
	p.t.root = root
	p.t.lines = strings.Split(string(src), "\n")
	p.entity(root)
	p.t.broken = len(p.problems) > 0
	sortProblems(p.problems)
	return p.t, p.problems
}

func sortProblems(problems []fault.Problem) {
	slices.SortStableFunc(problems, func(a, b fault.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

type parser struct {
	t        *Template
	strict   bool
	problems []fault.Problem
}

func (p *parser) report(at mark, path, rule, says, try string) {
	p.problems = append(p.problems, fault.Problem{
		File: p.t.File, Line: at.line, Column: at.column, Path: path, Rule: rule, Says: says, Try: try,
	})
}

var (
	entityFields = []string{"apiVersion", "kind", "metadata", "spec"}
	specFields   = []string{"type", "owner", "lifecycle", "parameters", "secrets", "presentation", "formDecorators",
		"EXPERIMENTAL_formDecorators", "EXPERIMENTAL_recovery", "steps", "output", "execution", "onFailure", "parallel"}
)

func (p *parser) entity(root *node) {
	t := p.t
	t.APIVersion = p.text(root, "", "apiVersion", true)
	t.execution, t.onFailure, t.parallel = plan.DAG, plan.Undo, defaultParallel
	switch t.APIVersion {
	case V3:
		p.strict = true
	case V1Beta3:
		t.execution, t.onFailure = plan.Sequential, plan.Keep
	case "":
	default:
		at := root.get("apiVersion")
		p.report(at.mark, "apiVersion", "unknown-api-version", fmt.Sprintf("the version %q is not known", t.APIVersion),
			cmp.Or(nearest.Name(t.APIVersion, []string{V3, V1Beta3}), V3))
	}
	p.known(root, "", entityFields)
	if k := p.text(root, "", "kind", true); k != "" && k != "Template" {
		p.report(root.get("kind").mark, "kind", "unknown-kind", fmt.Sprintf("the kind is %q", k), "Template")
	}
	if metadata := p.mapping(root, "", "metadata", true); metadata != nil {
		p.metadata(metadata)
	}
	if spec := p.mapping(root, "", "spec", true); spec != nil {
		p.spec(spec)
	}
}

func (p *parser) metadata(m *node) {
	t := p.t
	t.Metadata = m.json(verbatim)
	t.Name = p.text(m, "metadata", "name", true)
	t.Title = p.text(m, "metadata", "title", false)
	t.Description = p.text(m, "metadata", "description", false)
	namespace := p.text(m, "metadata", "namespace", false)
	if t.Name == "" {
		return
	}
	if namespace == "" {
		namespace = "default"
	}
	ref, err := plan.ParseEntityRef(namespace+"/"+t.Name, "template")
	if err != nil || strings.ContainsAny(namespace+t.Name, ":/") {
		p.report(m.get("name").mark, "metadata.name", "bad-name",
			"a name is letters, digits and inner - _ . and at most 63 characters", "")
		return
	}
	t.Ref = ref.String()
}

func (p *parser) spec(s *node) {
	t := p.t
	p.known(s, "spec", specFields)
	t.Type = p.text(s, "spec", "type", true)
	if owner := p.text(s, "spec", "owner", false); owner != "" {
		ref, err := plan.ParseEntityRef(owner, "group")
		if err != nil {
			p.report(s.get("owner").mark, "spec.owner", "bad-ref", err.Error(), "")
		}
		t.Owner = ref.String()
	}
	p.pages(s.get("parameters"))
	p.mapping(s, "spec", "secrets", false)
	p.mapping(s, "spec", "presentation", false)
	p.mapping(s, "spec", "output", false)
	p.mapping(s, "spec", "EXPERIMENTAL_recovery", false)
	p.list(s, "spec", "formDecorators", false)
	p.list(s, "spec", "EXPERIMENTAL_formDecorators", false)
	p.choice(s, "execution", func(v string) { t.execution = plan.Execution(v) }, string(plan.Sequential), string(plan.DAG))
	p.choice(s, "onFailure", func(v string) { t.onFailure = plan.OnFailure(v) }, string(plan.Keep), string(plan.Undo))
	if n := s.get("parallel"); n != nil {
		t.parallel = p.count(n, "spec.parallel", maxParallel)
	}
	if t.execution == plan.Sequential {
		t.parallel = 1
	}
	steps := p.list(s, "spec", "steps", true)
	if steps == nil {
		return
	}
	if len(steps.items) > maxSteps {
		p.report(steps.mark, "spec.steps", "too-many-steps", fmt.Sprintf("a template has at most %d steps", maxSteps), "")
		return
	}
	for i, item := range steps.items {
		p.step(item, i)
	}
}

// Limits of a plan.
const (
	defaultParallel = 8
	maxParallel     = 100
	maxSteps        = 1000
)

func (p *parser) pages(n *node) {
	switch {
	case n == nil || n.kind == mapNode || n.kind == nullNode:
	case n.kind != listNode:
		p.wrongType(n, "spec.parameters", "a page (a JSON Schema) or a list of them")
	default:
		for i, page := range n.items {
			if page.kind != mapNode {
				p.wrongType(page, fmt.Sprintf("spec.parameters[%d]", i), "a page: a JSON Schema")
			}
		}
	}
}

func (p *parser) choice(s *node, key string, set func(string), allowed ...string) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != stringNode || !slices.Contains(allowed, n.text) {
		p.report(n.mark, "spec."+key, "wrong-value", key+" is "+strings.Join(allowed, " or "), cmp.Or(nearest.Name(n.text, allowed), allowed[0]))
		return
	}
	set(n.text)
}

func (p *parser) count(n *node, path string, most int) int {
	var i int
	if n.kind != numberNode || json.Unmarshal([]byte(n.text), &i) != nil || i < 1 || i > most {
		p.report(n.mark, path, "wrong-value", fmt.Sprintf("this is a whole number from 1 to %d", most), "")
	}
	return i
}

// known reports fields that a strict version doesn't have.
func (p *parser) known(n *node, path string, fields []string) {
	if !p.strict {
		return
	}
	for _, e := range n.entries {
		if !slices.Contains(fields, e.key) {
			p.report(e.mark, join(path, e.key), "unknown-field", fmt.Sprintf("there is no field %q here", e.key), suggestField(e.key, fields))
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// field finds a value and reports that it is missing or of another kind.
func (p *parser) field(n *node, path, key string, required bool, want kind) *node {
	v := n.get(key)
	switch {
	case (v == nil || v.kind == nullNode) && required:
		at := n.mark
		if v != nil {
			at = v.mark
		}
		p.report(at, join(path, key), "missing-field", fmt.Sprintf("%s is missing", join(path, key)), "")
		return nil
	case v == nil || v.kind == nullNode:
		return nil
	case v.kind != want:
		p.wrongType(v, join(path, key), want.String())
		return nil
	}
	return v
}

func (p *parser) mapping(n *node, path, key string, required bool) *node {
	return p.field(n, path, key, required, mapNode)
}

func (p *parser) list(n *node, path, key string, required bool) *node {
	return p.field(n, path, key, required, listNode)
}

func (p *parser) text(n *node, path, key string, required bool) string {
	v := p.field(n, path, key, required, stringNode)
	if v == nil {
		return ""
	}
	if required && v.text == "" {
		p.report(v.mark, join(path, key), "missing-field", fmt.Sprintf("%s is empty", join(path, key)), "")
	}
	return v.text
}

func (p *parser) wrongType(n *node, path, want string) {
	p.report(n.mark, path, "wrong-type", fmt.Sprintf("%s is %s; this is %s", path, want, n.kind), "")
}
