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
	steps     []step // those in branches too, in file order
	top       []int  // the steps that are in no branch
	advice    []fault.Problem
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
	extended bool // the fields of v3 count: a v1beta3 template that says `execution` is written for them
	problems []fault.Problem
}

func (p *parser) report(at mark, path, rule, says, try string) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, p.t.problem(at, path, rule, says, try))
	}
}

// strictly reports what v3 refuses and v1beta3 accepts as Backstage does.
func (p *parser) strictly(at mark, path, rule, says, try string) {
	if p.strict {
		p.report(at, path, rule, says, try)
		return
	}
	p.t.advise(at, path, rule, says, try)
}

func (t *Template) problem(at mark, path, rule, says, try string) fault.Problem {
	return fault.Problem{File: t.File, Line: at.line, Column: at.column, Path: path, Rule: rule, Says: says, Try: try}
}

func (t *Template) advise(at mark, path, rule, says, try string) {
	if len(t.advice) < maxProblems {
		advice := t.problem(at, path, rule, says, try)
		advice.Severity = fault.Warning
		t.advice = append(t.advice, advice)
	}
}

func (p *parser) entity(root *node) {
	t := p.t
	t.APIVersion = p.text(root, "", "apiVersion", true)
	t.execution, t.onFailure, t.parallel = plan.DAG, plan.Undo, defaultParallel
	switch t.APIVersion {
	case V3:
		p.strict, p.extended = true, true
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
	return under(path, key)
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
		p.empty(v, join(path, key))
	}
	return v.text
}

// words reads optional texts that may not be empty.
func (p *parser) words(n *node, path string, keys ...string) {
	for _, key := range keys {
		if v := p.field(n, path, key, false, stringNode); v != nil && v.text == "" {
			p.empty(v, join(path, key))
		}
	}
}

func (p *parser) empty(n *node, path string) {
	p.report(n.mark, path, "missing-field", path+" is empty", "")
}

func (p *parser) wrongType(n *node, path, want string) {
	p.report(n.mark, path, "wrong-type", fmt.Sprintf("%s is %s; this is %s", path, want, n.kind), "")
}
