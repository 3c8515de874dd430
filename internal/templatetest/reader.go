package templatetest

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

// reader makes tests of YAML and notes all that is wrong with it.
type reader struct {
	file     string
	problems []fault.Problem
}

// The keys of a test file, level by level.
var (
	fileKeys   = []string{"tests"}
	testKeys   = []string{"name", "values", "user", "secrets", "given", "expect"}
	userKeys   = []string{"ref", "entity"}
	answerKeys = []string{"output", "error"}
	errorKeys  = []string{"kind", "message"}
	callKeys   = []string{"step", "iteration", "action", "input"}
)

// The sections of `expect`, in the order in which they are written.
const (
	edges   = "edges"
	skipped = "skipped"
	failed  = "failed"
	calls   = "calls"
	files   = "files"
	output  = "output"
	failure = "error"
)

var sections = []string{edges, skipped, failed, calls, files, output, failure}

var kinds = []string{
	string(fault.Invalid), string(fault.Unauthenticated), string(fault.Denied), string(fault.NotFound), string(fault.Conflict),
	string(fault.Gone), string(fault.RateLimited), string(fault.Unavailable), string(fault.Internal),
}

func (r *reader) report(at *yaml.Node, path, rule, says, try string) {
	r.problems = append(r.problems, fault.Problem{File: r.file, Line: at.Line, Column: at.Column, Path: path, Rule: rule, Says: says, Try: try})
}

// fields gives the values of a mapping by key. What is not among the keys is reported; nil allows all.
func (r *reader) fields(n *yaml.Node, path string, keys []string) map[string]*yaml.Node {
	found := map[string]*yaml.Node{}
	n = followed(n)
	if n.Kind != yaml.MappingNode {
		r.report(n, path, "wrong-type", path+" is a mapping", "")
		return found
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], followed(n.Content[i+1])
		switch {
		case keys != nil && !slices.Contains(keys, key.Value):
			r.report(key, path+"."+key.Value, "unknown-field", fmt.Sprintf("there is no field %q here", key.Value), nearest.Name(key.Value, keys))
		case found[key.Value] != nil:
			r.report(key, path+"."+key.Value, "duplicate-key", fmt.Sprintf("%q stands here twice", key.Value), "")
		default:
			found[key.Value] = value
		}
	}
	return found
}

func (r *reader) items(n *yaml.Node, path string) []*yaml.Node {
	if n = followed(n); n.Kind != yaml.SequenceNode {
		r.report(n, path, "wrong-type", path+" is a list", "")
		return nil
	}
	return n.Content
}

func (r *reader) text(n *yaml.Node, path string) string {
	if n = followed(n); n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.report(n, path, "wrong-type", path+" is a text", "")
		return ""
	}
	return n.Value
}

func (r *reader) data(n *yaml.Node, path string) any {
	var v any
	if err := n.Decode(&v); err != nil {
		r.report(n, path, "wrong-type", path+" can't be read: "+strings.TrimPrefix(err.Error(), "yaml: "), "")
	}
	return v
}

func (r *reader) object(n *yaml.Node, path string) map[string]any {
	if followed(n).Kind != yaml.MappingNode {
		r.report(n, path, "wrong-type", path+" is a mapping", "")
		return nil
	}
	var v map[string]any
	if err := n.Decode(&v); err != nil {
		r.report(n, path, "wrong-type", path+" can't be read: "+strings.TrimPrefix(err.Error(), "yaml: "), "")
	}
	return v
}

func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (r *reader) tests(root *yaml.Node) (all []test) {
	list := r.fields(root, "the file", fileKeys)["tests"]
	if list == nil {
		if len(r.problems) == 0 {
			r.report(root, "tests", "missing-field", "tests is missing", "")
		}
		return nil
	}
	named := map[string]bool{}
	for i, n := range r.items(list, "tests") {
		t := r.test(n, fmt.Sprintf("tests[%d]", i))
		if named[t.name] && t.name != "" {
			r.report(n, fmt.Sprintf("tests[%d].name", i), "duplicate-name", fmt.Sprintf("another test is called %q", t.name), "")
		}
		named[t.name] = true
		all = append(all, t)
	}
	return all
}

func (r *reader) test(n *yaml.Node, path string) test {
	t := test{node: followed(n), given: map[string]dryrun.Answer{}, secrets: map[string]string{}, user: user{ref: "user:default/guest"}, expect: expectation{}}
	fields := r.fields(n, path, testKeys)
	if fields["name"] == nil && t.node.Kind == yaml.MappingNode {
		r.report(n, path+".name", "missing-field", "a test needs a name", "")
	}
	for key, value := range fields {
		at := path + "." + key
		switch key {
		case "name":
			t.name = r.text(value, at)
		case "values":
			t.values = r.object(value, at)
		case "user":
			t.user = r.user(value, at)
		case "secrets":
			for name, secret := range r.fields(value, at, nil) {
				t.secrets[name] = r.text(secret, at+"."+name)
			}
		case "given":
			for name, one := range r.fields(value, at, nil) {
				t.given[name] = r.answer(one, at+"."+name)
			}
		case "expect":
			t.expectNode = value
			t.expect = r.expect(value, at)
		}
	}
	return t
}

func (r *reader) user(n *yaml.Node, path string) user {
	var u user
	if n.Kind == yaml.ScalarNode {
		u.ref = r.text(n, path)
	} else {
		fields := r.fields(n, path, userKeys)
		if ref := fields["ref"]; ref != nil {
			u.ref = r.text(ref, path+".ref")
		}
		if entity := fields["entity"]; entity != nil {
			u.entity = r.object(entity, path+".entity")
		}
	}
	ref, err := plan.ParseEntityRef(u.ref, "user")
	if err != nil {
		r.report(n, path, "bad-ref", err.Error(), "user:default/guest")
	}
	u.ref = ref.String()
	return u
}

func (r *reader) answer(n *yaml.Node, path string) (a dryrun.Answer) {
	fields := r.fields(n, path, answerKeys)
	if (fields["output"] == nil) == (fields["error"] == nil) && n.Kind == yaml.MappingNode {
		r.report(n, path, "wrong-value", "an answer is either `output` or `error`", "")
	}
	if out := fields["output"]; out != nil {
		a.Output = r.object(out, path+".output")
	}
	if failed := fields["error"]; failed != nil {
		said := r.fields(failed, path+".error", errorKeys)
		a.Err = &fault.Error{Kind: fault.Unavailable, Public: "it failed"}
		if kind := said["kind"]; kind != nil {
			a.Err.Kind = fault.Kind(r.kind(kind, path+".error.kind"))
		}
		if message := said["message"]; message != nil {
			a.Err.Public = r.text(message, path+".error.message")
		}
	}
	return a
}

func (r *reader) kind(n *yaml.Node, path string) string {
	kind := r.text(n, path)
	if !slices.Contains(kinds, kind) {
		r.report(n, path, "wrong-value", fmt.Sprintf("there is no kind of error %q; there are %s", kind, strings.Join(kinds, ", ")), nearest.Name(kind, kinds))
	}
	return kind
}

func (r *reader) expect(n *yaml.Node, path string) expectation {
	e := expectation{}
	if n.Tag == "!!null" {
		return e
	}
	for section, value := range r.fields(n, path, sections) {
		at := path + "." + section
		switch section {
		case edges, skipped, failed:
			for i, item := range r.items(value, at) {
				r.text(item, fmt.Sprintf("%s[%d]", at, i))
			}
		case calls:
			for i, item := range r.items(value, at) {
				r.fields(item, fmt.Sprintf("%s[%d]", at, i), callKeys)
			}
		case files:
			for name, content := range r.fields(value, at, nil) {
				if content.Tag != "!!null" {
					r.text(content, at+"."+name)
				}
			}
		case output:
			r.object(value, at)
		case failure:
			if kind := r.fields(value, at, errorKeys)["kind"]; kind != nil {
				r.kind(kind, at+".kind")
			}
		}
		e[section] = r.data(value, at)
	}
	return e
}
