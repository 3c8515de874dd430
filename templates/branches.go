package templates

import (
	"fmt"
	"slices"

	"github.com/gildway/gildway/internal/plan"
)

// branch is one way that a switch can go.
type branch struct {
	name, path string
	cond       *node
	steps      []int
}

// inBranch says in which branch of which switch a step stands.
type inBranch struct {
	of   int // the switch; noStep outside of any
	name string
}

var noBranch = inBranch{of: noStep}

// notOfSwitch are the fields of a step that one with branches has not.
var notOfSwitch = []string{"action", "input", "each", "concurrency", "timeout", "retry", "onError", "skippable", "undo", "lease"}

var branchFields = []string{"if", "steps"}

// branches reads the branches of the switch i. They are asked in file order.
func (p *parser) branches(n *node, path string, i int) []branch {
	for _, e := range n.entries {
		if !slices.Contains(notOfSwitch, e.key) {
			continue
		}
		try := e.key + " on the steps of the branches"
		if e.key == "action" {
			try = "a step of its own before or after the switch"
		}
		p.report(e.mark, under(path, e.key), "bad-switch", fmt.Sprintf("a switch has no %q: all it does is to choose a branch", e.key), try)
	}
	v := p.mapping(n, path, "switch", true)
	if v == nil {
		return nil
	}
	path = under(path, "switch")
	if len(v.entries) == 0 {
		p.report(v.mark, path, "bad-switch", "a switch has branches: a mapping of names to {if, steps}", "")
	}
	var all []branch
	open := "" // a branch that is always taken when it is asked
	for _, e := range v.entries {
		at := under(path, e.key)
		if open != "" {
			p.report(e.mark, at, "unreachable-branch", fmt.Sprintf("no run gets to the branch %q: %q before it has no condition", e.key, open),
				"an `if` for "+open+", or this branch before it")
		}
		b, ok := p.branch(e, at, i)
		if !ok {
			continue
		}
		if open == "" && (b.cond == nil || b.cond.kind == boolNode && b.cond.text == "true") {
			open = e.key
		}
		all = append(all, b)
	}
	return all
}

func (p *parser) branch(e entry, path string, i int) (branch, bool) {
	if !strictID.MatchString(e.key) {
		p.report(e.mark, path, "bad-id", "the name of a branch begins with a letter; letters, digits, - and _ follow, 63 characters at most", "")
	}
	if e.value.kind != mapNode {
		p.wrongType(e.value, path, "a branch: a mapping of if and steps")
		return branch{}, false
	}
	p.known(e.value, path, branchFields)
	b := branch{name: e.key, path: path, cond: p.oneOf(e.value, path, "if", "a string or boolean", stringNode, boolNode)}
	if steps := p.list(e.value, path, "steps", true); steps != nil {
		b.steps = p.steps(steps, under(path, "steps"), inBranch{i, e.key})
	}
	return b, true
}

// inside says whether step i stands in a branch of the switch, however deep.
func (c *compiler) inside(i, choice int) bool {
	for ; i != noStep; i = c.t.steps[i].in.of {
		if c.t.steps[i].in.of == choice {
			return true
		}
	}
	return false
}

// apart gives the switch that has two steps in different branches, so that never both run.
func (c *compiler) apart(a, b int) (choice int, is bool) {
	branchOf := map[int]string{}
	for i := a; i != noStep; i = c.t.steps[i].in.of {
		branchOf[c.t.steps[i].in.of] = c.t.steps[i].in.name
	}
	for i := b; i != noStep; i = c.t.steps[i].in.of {
		if in := c.t.steps[i].in; in.of != noStep {
			if name, shared := branchOf[in.of]; shared {
				return in.of, name != in.name
			}
		}
	}
	return noStep, false
}

// choices make the steps of a branch wait for the choice.
func (c *compiler) choices() {
	for i := range c.t.steps {
		if s := &c.t.steps[i]; s.in.of != noStep {
			c.graph.add(s.in.of, i, plan.Order, "branch "+s.in.name, s.mark, s.path)
		}
	}
}

// join makes a step outside of a switch wait for the switch and whatever its branches do.
func (c *compiler) join(choice, to int, n need) {
	detail := joinDetail(n.id)
	c.graph.add(choice, to, plan.Order, detail, n.mark, n.path)
	for _, b := range c.t.steps[choice].branches {
		for _, i := range b.steps {
			if c.t.steps[i].isSwitch() {
				c.join(i, to, n)
				continue
			}
			c.graph.add(i, to, plan.Order, detail, n.mark, n.path)
		}
	}
}

// joinDetail is the detail of the edges that make a step wait for a whole switch.
func joinDetail(choice string) string { return "join of " + choice }

// follow goes through steps in file order with what later ones may have to wait for. Every branch of a
// switch begins with the same; what comes behind the switch has what all branches leave: their own, and
// of what was before only what no branch has put something of its own in the place of.
func follow[T any](c *compiler, steps []int, open []T, key func(T) int, visit func(i int, open []T) []T) []T {
	for _, i := range steps {
		open = visit(i, open)
		branches := c.t.steps[i].branches
		if len(branches) == 0 {
			continue
		}
		stays := make(map[int]int, len(open))
		var added []T
		for _, b := range branches {
			for _, x := range follow(c, b.steps, slices.Clone(open), key, visit) {
				if key(x) > i {
					added = append(added, x)
				} else {
					stays[key(x)]++
				}
			}
		}
		open = slices.DeleteFunc(slices.Clone(open), func(x T) bool { return stays[key(x)] < len(branches) })
		open = append(open, added...)
	}
	return open
}
