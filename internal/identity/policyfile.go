package identity

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

// maxPolicy bounds a policy file.
const maxPolicy = 1 << 20

// OpenRules reads the rules of a policy file. All that is wrong with it is in the error.
func OpenRules(file string) ([]Rule, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rules, problems := ParseRules(filepath.Base(file), src)
	if len(problems) > 0 {
		return nil, fault.WithProblems("the policy "+file+" can't be used", problems)
	}
	return rules, nil
}

// ParseRules reads a policy. With any problem the rules are not to be used.
func ParseRules(file string, src []byte) ([]Rule, []fault.Problem) {
	p := &policyReader{file: file}
	start := &yaml.Node{Line: 1, Column: 1}
	if len(src) > maxPolicy {
		p.report(start, "policy-size", fmt.Sprintf("a policy is at most %d bytes", maxPolicy), "")
		return nil, p.problems
	}
	var doc, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(src))
	switch err := documents.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.report(start, "missing-field", "a policy has rules; this is empty", "rules: []")
		return nil, p.problems
	case err != nil:
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			start.Line, _ = strconv.Atoi(m[1])
		}
		p.report(start, "yaml-syntax", strings.TrimPrefix(err.Error(), "yaml: "), "")
		return nil, p.problems
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		p.report(&second, "yaml-syntax", "a policy is one document", "")
	}
	rules := p.policy(doc.Content[0])
	slices.SortStableFunc(p.problems, func(a, b fault.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return rules, p.problems
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

type policyReader struct {
	file     string
	problems []fault.Problem
}

func (p *policyReader) report(at *yaml.Node, rule, says, try string) {
	p.problems = append(p.problems, fault.Problem{File: p.file, Line: at.Line, Column: at.Column, Rule: rule, Says: says, Try: try})
}

// fields visits a mapping's entries by name and gives those that are there.
func (p *policyReader) fields(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	found := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		p.report(n, "wrong-type", what+" is a mapping with "+strings.Join(known, ", "), "")
		return found
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		_, twice := found[key.Value]
		switch {
		case !slices.Contains(known, key.Value):
			p.report(key, "unknown-field", fmt.Sprintf("%s has no %q", what, key.Value), cmp.Or(nearest.Name(key.Value, known), strings.Join(known, ", ")))
		case twice:
			p.report(key, "twice", fmt.Sprintf("%q is there twice", key.Value), "")
		default:
			found[key.Value] = value
		}
	}
	return found
}

func (p *policyReader) policy(n *yaml.Node) (rules []Rule) {
	list := p.fields(n, "a policy", "rules")["rules"]
	switch {
	case list == nil:
		p.report(n, "missing-field", "rules is missing", "rules: []")
	case list.Kind != yaml.SequenceNode:
		p.report(list, "wrong-type", "rules is a list", "")
	default:
		for _, item := range list.Content {
			rules = append(rules, p.rule(item))
		}
	}
	return rules
}

func (p *policyReader) rule(n *yaml.Node) (r Rule) {
	f := p.fields(n, "a rule", "who", "may", "parts", "on")
	if n.Kind != yaml.MappingNode {
		return r
	}
	if f["who"] == nil {
		p.report(n, "missing-field", "a rule says who", "who: [everyone]")
	}
	if f["may"] == nil && f["parts"] == nil {
		p.report(n, "missing-field", "a rule says what they may, or which parts are theirs", "may: [see, run]")
	}
	for _, v := range p.texts(f["who"], "who") {
		r.Who = append(r.Who, p.who(v))
	}
	for _, v := range p.texts(f["may"], "may") {
		r.May = append(r.May, p.action(v))
	}
	p.reserved(f["may"], r)
	for _, v := range p.texts(f["parts"], "parts") {
		r.Parts = append(r.Parts, v.Value)
	}
	if f["on"] != nil {
		r.On = p.selector(f["on"])
	}
	return r
}

// reserved reports what a rule can't give: keys are handed to who asked for them, and decisions are for whom the
// gate names.
func (p *policyReader) reserved(at *yaml.Node, r Rule) {
	for do, only := range map[Action]string{Collect: Requester, Approve: Approver} {
		if slices.Contains(r.May, do) && slices.ContainsFunc(r.Who, func(w string) bool { return w != only }) {
			p.report(at, "reserved", fmt.Sprintf("%s is for the %s alone", do, only), "who: ["+only+"]")
		}
	}
}

func (p *policyReader) selector(n *yaml.Node) (s Selector) {
	f := p.fields(n, "on", "templates", "owners", "tags")
	for _, v := range p.texts(f["templates"], "templates") {
		pattern := strings.ToLower(v.Value)
		if !strings.Contains(pattern, ":") {
			pattern = "template:" + pattern
		}
		if !strings.Contains(pattern, "/") {
			pattern = strings.Replace(pattern, ":", ":default/", 1)
		}
		if _, err := plan.ParseEntityRef(strings.ReplaceAll(pattern, "*", "x"), "template"); err != nil || !strings.HasPrefix(pattern, "template:") {
			p.report(v, "bad-ref", fmt.Sprintf("%q is no template", v.Value), "template:default/node-*")
		}
		s.Templates = append(s.Templates, pattern)
	}
	for _, v := range p.texts(f["owners"], "owners") {
		s.Owners = append(s.Owners, p.ref(v, "group", "group", "user"))
	}
	for _, v := range p.texts(f["tags"], "tags") {
		s.Tags = append(s.Tags, v.Value)
	}
	return s
}

// texts reads a list of texts, or one. An empty list would mean nobody or everything, and is hardly meant.
func (p *policyReader) texts(n *yaml.Node, what string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.AliasNode:
		return p.texts(n.Alias, what)
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value != "":
		return []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		p.report(n, "wrong-type", what+" is a list of texts", "")
		return nil
	case len(n.Content) == 0:
		p.report(n, "empty", what+" is empty", "leave "+what+" out, or name something")
		return nil
	}
	var texts []*yaml.Node
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" || item.Value == "" {
			p.report(item, "wrong-type", what+" is a list of texts", "")
			continue
		}
		texts = append(texts, item)
	}
	return texts
}

func (p *policyReader) who(n *yaml.Node) string {
	if slices.Contains(relations, n.Value) {
		return n.Value
	}
	if !strings.Contains(n.Value, ":") {
		p.report(n, "unknown-who", fmt.Sprintf("%q is nobody", n.Value), cmp.Or(nearest.Name(n.Value, relations), "group:default/"+strings.ToLower(n.Value)))
		return ""
	}
	return p.ref(n, "", "user", "group", "service", "plugin")
}

func (p *policyReader) ref(n *yaml.Node, kind string, kinds ...string) string {
	ref, err := plan.ParseEntityRef(n.Value, kind)
	switch {
	case err != nil:
		p.report(n, "bad-ref", err.Error(), "")
	case !slices.Contains(kinds, ref.Kind):
		p.report(n, "bad-ref", fmt.Sprintf("%q is no %s", n.Value, strings.Join(kinds, " or ")), cmp.Or(nearest.Name(ref.Kind, kinds), kinds[0])+":"+ref.Namespace+"/"+ref.Name)
	}
	return ref.String()
}

func (p *policyReader) action(n *yaml.Node) Action {
	if !slices.Contains(Actions, Action(n.Value)) {
		names := make([]string, len(Actions))
		for i, a := range Actions {
			names[i] = string(a)
		}
		p.report(n, "unknown-action", fmt.Sprintf("there is no action %q", n.Value), cmp.Or(nearest.Name(n.Value, names), strings.Join(names, ", ")))
	}
	return Action(n.Value)
}
