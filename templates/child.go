package templates

import (
	"fmt"

	"github.com/gildway/gildway/internal/plan"
)

// child checks a step that runs another template, as far as this one tells.
func (c *compiler) child(s *step, action plan.Action) {
	if action.Kind != plan.ChildStep || s.input == nil {
		return
	}
	c.readable(s.input, s.path+".input", func(t text) {
		for _, ref := range t.parsed.References() {
			if ref.Path[0] == "secrets" || ref.Path[0] == "environment" && (len(ref.Path) == 1 || ref.Path[1] == "secrets") {
				c.refuse(t.node.mark, t.path, "secret-in-child", "a template that a step runs is given no secrets", "a step of that template that reads the secret where it is kept")
				return
			}
		}
	})
	name := s.input.get("template")
	if name == nil || name.kind != stringNode || hasTags(name.text) {
		return
	}
	ref, err := plan.ParseEntityRef(name.text, "template")
	switch {
	case err != nil || ref.Kind != "template":
		c.refuse(name.mark, s.path+".input.template", "bad-child", fmt.Sprintf("%q is not the ref of a template", name.text), "template:default/name")
	case ref.String() != c.t.Ref:
	case s.cond == nil && s.each == nil && s.in.of == noStep:
		c.refuse(name.mark, s.path+".input.template", "runs-itself", "the template runs itself, without a condition: it would never end", "")
	default:
		c.advise(name.mark, s.path+".input.template", "runs-itself", "the template runs itself; five of them above each other fail", "")
	}
}
