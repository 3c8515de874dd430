package templates

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

// references finds the data edges, and what expressions name that isn't there.
func (c *compiler) references() {
	params := c.declaredParameters()
	for i := range c.t.steps {
		s := &c.t.steps[i]
		f := &c.facts[i]
		read := func(t text) {
			for _, ref := range t.parsed.References() {
				c.reference(i, t, ref, params)
			}
		}
		asks := func(asked *bool) func(text) {
			return func(t text) {
				read(t)
				for _, call := range t.parsed.Calls() {
					*asked = *asked || call.Name == "always" || call.Name == "failure"
				}
			}
		}
		c.scan(s.cond, s.path+".if", asks(&f.runsAfterFailure))
		c.scan(s.each, s.path+".each", read)
		c.scan(s.input, s.path+".input", read)
		for _, b := range s.branches {
			c.scan(b.cond, b.path+".if", asks(&f.branchAsksAll))
		}
	}
	c.scan(c.t.spec("output"), "spec.output", func(t text) {
		for _, ref := range t.parsed.References() {
			c.reference(noStep, t, ref, params)
		}
	})
}

// lookups make what reads steps that can't be known before the run wait for all steps before it.
func (c *compiler) lookups() {
	if c.t.execution != plan.DAG {
		return
	}
	follow(c, c.t.top, nil, func(i int) int { return i }, func(i int, open []int) []int {
		s := &c.t.steps[i]
		why := c.facts[i].asksAll(s)
		if why == "" {
			return append(open, i)
		}
		for _, before := range open {
			c.graph.add(before, i, plan.Data, why, s.mark, s.path)
		}
		return []int{i}
	})
}

// asksAll says why a step has to wait for every step before it, "" if it doesn't. What always() and
// failure() ask about is narrowed down by needs.
func (f *facts) asksAll(s *step) string {
	switch {
	case f.readsAnyStep:
		return "steps[…], which can't be decided before the run"
	case (f.runsAfterFailure || f.branchAsksAll) && !s.ownNeeds:
		return "always() or failure(), which ask how every step before ended"
	}
	return ""
}

// noStep stands for the output, which is rendered when every step has ended.
const noStep = -1

func (c *compiler) reference(i int, t text, ref expr.Reference, params map[string]bool) {
	switch ref.Path[0] {
	case "steps":
		c.stepReference(i, t, ref)
	case "parameters":
		if len(ref.Path) > 1 && params != nil && !params[ref.Path[1]] {
			c.strictly(c.place(t, ref.Pos.Offset), t.path, "unknown-parameter",
				fmt.Sprintf("no page asks for the parameter %q", ref.Path[1]), c.nearest(ref.Path[1], keysOf(params)))
		}
	}
}

func (c *compiler) stepReference(i int, t text, ref expr.Reference) {
	if len(ref.Path) == 1 {
		if i != noStep {
			c.facts[i].readsAnyStep = true
		}
		return
	}
	at := c.place(t, ref.Pos.Offset)
	from, ok := c.byID[ref.Path[1]]
	if !ok {
		if id := c.dashedID(t.parsed.Source()[ref.Pos.Offset:]); id != "" {
			c.strictly(at, t.path, "unknown-step",
				fmt.Sprintf("steps.%s is a subtraction: there is no step %q", id, ref.Path[1]), "steps['"+id+"']")
			return
		}
		c.strictly(at, t.path, "unknown-step", fmt.Sprintf("there is no step %q", ref.Path[1]), c.nearest(ref.Path[1], c.ids))
		return
	}
	c.outputReference(from, at, t, ref)
	if i == noStep {
		return
	}
	if choice, apart := c.apart(i, from); apart {
		c.strictly(at, t.path, "other-branch", fmt.Sprintf("%s stands in another branch of %s: it never runs together with %s",
			ref.Path[1], c.t.steps[choice].id, c.t.steps[i].id), "")
		return
	}
	if c.t.execution == plan.Sequential && from >= i {
		c.strictly(at, t.path, "later-step", fmt.Sprintf("%s has not run when %s starts: steps run one after the other",
			ref.Path[1], c.t.steps[i].id), "")
		return
	}
	if s := &c.t.steps[i]; c.t.steps[from].isSkippable() && s.cond == nil && len(ref.Path) > 3 {
		c.advise(at, t.path, "skippable-is-read", fmt.Sprintf("people may skip %s: then %s is undefined, and %s runs all the same", ref.Path[1], ref, s.id),
			"an `if` that asks for it, or a default")
	}
	c.graph.add(from, i, plan.Data, ref.String(), at, t.path)
}

// outputReference checks what is read of a step.
func (c *compiler) outputReference(from int, at mark, t text, ref expr.Reference) {
	if len(ref.Path) < 3 {
		return
	}
	s := &c.t.steps[from]
	var names []string
	closed := false
	switch {
	case ref.Path[2] == "error" && s.onError == plan.Continue:
		names, closed = []string{"kind", "message"}, true
	case ref.Path[2] == "error" && c.strict():
		c.strictly(at, t.path, "unknown-output", fmt.Sprintf("a step whose failure ends the run has no error to read: steps.%s.error is never there",
			ref.Path[1]), "onError: continue on "+s.id)
		return
	case ref.Path[2] != "output":
		rest := 2
		if nearest.Name(ref.Path[2], []string{"output"}) != "" {
			rest = 3
		}
		c.strictly(at, t.path, "unknown-output", fmt.Sprintf("a step has only an output: steps.%s.%s is never there",
			ref.Path[1], ref.Path[2]), strings.Join(append([]string{"steps", ref.Path[1], "output"}, ref.Path[rest:]...), "."))
		return
	case s.isSwitch():
		names, closed = []string{"branch"}, true
	case c.facts[from].known:
		names, closed = outputsOf(c.facts[from].action)
	}
	if len(ref.Path) > 3 && closed && !slices.Contains(names, ref.Path[3]) {
		c.strictly(at, t.path, "unknown-output",
			fmt.Sprintf("%s has no %s %q", cmp.Or(s.action, "the switch "+s.id), ref.Path[2], ref.Path[3]), c.nearest(ref.Path[3], names))
	}
}

// outputsOf gives the names of an action's outputs, and whether there are no others.
func outputsOf(a plan.Action) (names []string, closed bool) {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Additional json.RawMessage            `json:"additionalProperties"`
	}
	if json.Unmarshal(a.Output, &schema) != nil {
		return nil, false
	}
	return keysOf(schema.Properties), string(schema.Additional) == "false"
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// order adds what `needs` says.
func (c *compiler) order() {
	for i := range c.t.steps {
		s := &c.t.steps[i]
		for _, n := range s.needs {
			from, ok := c.byID[n.id]
			choice, apart := noStep, false
			if ok {
				choice, apart = c.apart(i, from)
			}
			switch {
			case !ok:
				c.refuse(n.mark, n.path, "unknown-step", fmt.Sprintf("there is no step %q", n.id), c.nearest(n.id, c.ids))
			case from == i:
				c.refuse(n.mark, n.path, "bad-needs", fmt.Sprintf("%s can't need itself", s.id), "")
			case apart:
				c.refuse(n.mark, n.path, "other-branch", fmt.Sprintf("%s stands in another branch of %s: it never runs together with %s",
					n.id, c.t.steps[choice].id, s.id), "")
			case c.t.execution == plan.Sequential && from > i:
				c.refuse(n.mark, n.path, "bad-needs", fmt.Sprintf("%s comes later: steps run one after the other", n.id),
					"spec.execution: dag")
			case c.t.steps[from].isSwitch() && !c.inside(i, from):
				c.join(from, i, n)
			default:
				c.graph.add(from, i, plan.Order, "needs", n.mark, n.path)
			}
		}
	}
}

// sequence chains the steps of a template that runs one after the other.
func (c *compiler) sequence() {
	if c.t.execution != plan.Sequential {
		return
	}
	for i := 1; i < len(c.t.steps); i++ {
		c.graph.add(i-1, i, plan.Sequence, "", c.t.steps[i].mark, c.t.steps[i].path)
	}
}

// gates make everything after an approval wait for it, but for steps with needs of their own.
func (c *compiler) gates() {
	if c.t.execution != plan.DAG {
		return
	}
	follow(c, c.t.top, nil, func(gate int) int { return gate }, func(i int, open []int) []int {
		s := &c.t.steps[i]
		if !s.ownNeeds {
			for _, gate := range open {
				if !c.waitsOutside(i, gate) {
					c.graph.add(gate, i, plan.Gate, "approval", s.mark, s.path)
				}
			}
		}
		switch {
		case c.facts[i].action.Kind != plan.GateStep:
			return open
		case s.ownNeeds:
			return append(open, i)
		default:
			return []int{i} // it waits for the others
		}
	})
}

// waitsOutside says whether a step comes after a gate because a switch that it stands in does.
func (c *compiler) waitsOutside(i, gate int) bool {
	for of := c.t.steps[i].in.of; of > gate; of = c.t.steps[of].in.of {
		if !c.t.steps[of].ownNeeds {
			return true
		}
	}
	return false
}

// touch is an access to the workspace that later steps may have to wait for.
type touch struct {
	step   int
	writes bool
	paths  []string // "." is the whole workspace
	sure   bool     // the paths are known; otherwise it may be any
}

// workspace keeps the file order of accesses to the same paths where one of the two writes. What stays
// open are the accesses that no later write covers entirely.
func (c *compiler) workspace() {
	if c.t.execution != plan.DAG {
		return
	}
	follow(c, c.t.top, nil, func(t touch) int { return t.step }, func(i int, open []touch) []touch {
		action := c.facts[i].action
		if action.Workspace == plan.NoAccess {
			return open
		}
		s := &c.t.steps[i]
		now := touchOf(i, s, action)
		for _, before := range open {
			if shared, ok := before.overlap(now); ok && (before.writes || now.writes) {
				c.graph.add(before.step, i, plan.Workspace, shared, s.mark, s.path)
			}
		}
		if now.writes && now.sure {
			open = slices.DeleteFunc(open, func(before touch) bool { return now.covers(before) })
		}
		return append(open, now)
	})
}

func touchOf(i int, s *step, action plan.Action) touch {
	t := touch{step: i, writes: action.Workspace == plan.Writes, sure: true}
	for _, in := range action.PathInputs {
		n := s.input.get(in.Name)
		switch {
		case n == nil || n.kind == nullNode:
			t.paths = append(t.paths, cleanPath(in.Default))
		case n.kind == stringNode && !hasTags(n.text):
			t.paths = append(t.paths, cleanPath(n.text))
		default:
			t.paths, t.sure = []string{"."}, false
			return t
		}
	}
	if len(t.paths) == 0 {
		t.paths = []string{"."}
	}
	return t
}

// cleanPath gives the canonical form; what would leave the workspace, and is refused at the run, counts as all of it.
func cleanPath(p string) string {
	p = path.Clean(strings.TrimLeft(p, "/"))
	if p == ".." || strings.HasPrefix(p, "../") || p == "" {
		return "."
	}
	return p
}

func within(inner, outer string) bool {
	return outer == "." || inner == outer || strings.HasPrefix(inner, outer+"/")
}

// overlap gives the path that both touch.
func (t touch) overlap(o touch) (string, bool) {
	for _, a := range t.paths {
		for _, b := range o.paths {
			switch {
			case within(b, a):
				return describePath(b), true
			case within(a, b):
				return describePath(a), true
			}
		}
	}
	return "", false
}

func describePath(p string) string {
	if p == "." {
		return "the workspace"
	}
	return p
}

// covers says whether everything that o touches is touched by t too.
func (t touch) covers(o touch) bool {
	for _, p := range o.paths {
		if !slices.ContainsFunc(t.paths, func(outer string) bool { return within(p, outer) }) {
			return false
		}
	}
	return true
}

// maxCycleShown is how many steps of a circle are named.
const maxCycleShown = 20

// cycle refuses a circle of steps that wait for each other.
func (c *compiler) cycle(edges []edge) {
	names := []string{}
	reasons := []string{}
	at := edges[len(edges)-1]
	for _, e := range edges {
		from, to := c.t.steps[e.from].id, c.t.steps[e.to].id
		names = append(names, from)
		why := string(e.reason)
		if len(e.details) > 0 && e.details[0] != why {
			why += ": " + e.details[0]
		}
		reasons = append(reasons, fmt.Sprintf("%s waits for %s (%s)", to, from, why))
		if e.from >= e.to {
			at = e
		}
	}
	names = append(names, names[0])
	if len(reasons) > maxCycleShown {
		more := fmt.Sprintf("… (%d more)", len(reasons)-maxCycleShown)
		names = append(names[:maxCycleShown], more, names[0])
		reasons = append(reasons[:maxCycleShown], more)
	}
	c.refuse(at.at, at.path, "cycle",
		fmt.Sprintf("steps wait for each other: %s; %s", strings.Join(names, " → "), strings.Join(reasons, ", ")), "")
}
