package templates

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/plan"
)

// secrets warns of secrets that nobody gives.
func (l *linter) secrets() {
	if l.params.decorated {
		return // a decorator may add any
	}
	declared := append([]string{"backstageToken"}, l.params.secrets...)
	if schema := l.t.spec("secrets").get("schema"); schema != nil {
		names := map[string]bool{}
		if !collectProperties(schema, names) {
			return
		}
		declared = append(declared, keysOf(names)...)
	}
	l.texts(func(t text, in placeOfText) {
		for _, ref := range t.parsed.References() {
			if ref.Path[0] != "secrets" || !in.secrets || len(ref.Path) < 2 || slices.Contains(declared, ref.Path[1]) {
				continue
			}
			l.warn(l.place(t, ref.Pos.Offset), t.path, "undeclared-secret",
				fmt.Sprintf("neither spec.secrets.schema nor a Secret field of the form has %q", ref.Path[1]), l.nearest(ref.Path[1], declared))
		}
	})
}

// loops warns of an `each` that can't be iterated and of reading the output of a loop as if it ran once.
func (l *linter) loops() {
	for i := range l.t.steps {
		s := &l.t.steps[i]
		each := s.node.get("each")
		if each == nil || each.kind != stringNode {
			continue
		}
		path := s.path + ".each"
		switch t, err := l.parseText(each, path); {
		case !hasTags(each.text):
			l.warn(each.mark, path, "bad-each", fmt.Sprintf("%q is a text, which can't be gone through", each.text), asExpression(each.text))
		case err == nil && !t.parsed.IsSoleExpression():
			l.warn(each.mark, path, "bad-each", "this comes to a text, which can't be gone through; write one ${{ }} and nothing around it",
				onlyIfTrimmed(each.text))
		}
	}
	l.texts(func(t text, in placeOfText) {
		for _, ref := range t.parsed.References() {
			l.loopOutput(t, in, ref)
		}
	})
}

func onlyIfTrimmed(s string) string {
	if t := strings.TrimSpace(s); t != s {
		return t
	}
	return ""
}

func (l *linter) loopOutput(t text, in placeOfText, ref expr.Reference) {
	if ref.Path[0] != "steps" || len(ref.Path) < 4 || ref.Path[2] != "output" {
		return
	}
	from, ok := l.byID[ref.Path[1]]
	if !ok || !l.t.steps[from].node.given("each") {
		return
	}
	at := l.place(t, ref.Pos.Offset)
	list := strings.Join(ref.Path[:4], ".")
	if len(ref.Path) > 4 {
		key := ref.Path[4]
		if key == "length" || strings.Trim(key, "0123456789") == "" || slices.Contains(methodNames, key) {
			return
		}
		l.warn(at, t.path, "loop-output", fmt.Sprintf("%s is a list, one item for each time %q ran: it has no %q",
			list, ref.Path[1], key), list+"[0]."+key)
		return
	}
	if ref.Exact && in.step != nil && l.soleReference(t) && l.wantsText(in.step, t.path) {
		l.warn(at, t.path, "loop-output", fmt.Sprintf("%s is a list, one item for each time %q ran; a text is expected here",
			list, ref.Path[1]), list+"[0]")
	}
}

func (l *linter) soleReference(t text) bool {
	if !t.parsed.IsSoleExpression() {
		return false
	}
	for _, s := range t.parsed.Root().Statements {
		if out, ok := s.(*expr.OutputStmt); ok {
			_, lookup := out.Expr.(*expr.LookupExpr)
			return lookup
		}
	}
	return false
}

// wantsText says whether the action takes only a text at a top-level input.
func (l *linter) wantsText(s *step, path string) bool {
	i, ok := l.byID[s.id]
	if !ok || !l.facts[i].known {
		return false
	}
	name, ok := strings.CutPrefix(path, s.path+".input.")
	if !ok || strings.ContainsAny(name, ".[") {
		return false
	}
	var schema struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	if json.Unmarshal(l.facts[i].action.Input, &schema) != nil {
		return false
	}
	return schema.Properties[name].Type == "string"
}

// redundantNeeds warns of `needs` that repeat what is so anyway.
func (l *linter) redundantNeeds() {
	gated := false
	for i := range l.t.steps {
		s := &l.t.steps[i]
		if l.facts[i].runsAfterFailure || gated && l.t.execution == plan.DAG {
			continue // here needs narrow down what is waited for
		}
		gated = gated || l.facts[i].action.Kind == plan.GateStep
		for _, n := range s.needs {
			from, ok := l.byID[n.id]
			if !ok {
				continue
			}
			if l.t.execution == plan.Sequential && from < i {
				l.warn(n.mark, n.path, "redundant-needs", fmt.Sprintf("%q has run anyway: steps run one after the other", n.id), "remove it")
				continue
			}
			if at, ok := l.graph.index[edgeKey{from, i, plan.Data}]; ok && !l.t.steps[from].isSwitch() { // who needs a switch waits for its branches too
				l.warn(n.mark, n.path, "redundant-needs", fmt.Sprintf("%q is waited for anyway: this step reads %s",
					n.id, strings.Join(l.graph.edges[at].details, ", ")), "remove it")
			}
		}
	}
}

// effectsBeforeGates warns of steps with an effect outside the run that no approval of the template
// holds back and that no approval needs.
func (l *linter) effectsBeforeGates() {
	var gates []int
	for i := range l.t.steps {
		if l.facts[i].action.Kind == plan.GateStep {
			gates = append(gates, i)
		}
	}
	if len(gates) == 0 {
		return
	}
	after, before := make([][]int, l.graph.size), make([][]int, l.graph.size)
	for _, e := range l.graph.edges {
		after[e.from] = append(after[e.from], e.to)
		if e.reason != plan.Sequence {
			before[e.to] = append(before[e.to], e.from)
		}
	}
	held, needed := reach(gates, after), reach(gates, before)
	for i := range l.t.steps {
		s, action := &l.t.steps[i], l.facts[i].action
		if held[i] || needed[i] || action.Kind == plan.GateStep || action.Local || !effective(action) {
			continue
		}
		next := slices.IndexFunc(gates, func(g int) bool { return g > i })
		says := fmt.Sprintf("%s happens whatever is decided: no approval holds %q back", s.action, s.id)
		try := ""
		if next >= 0 {
			try = fmt.Sprintf("move it below %q", l.t.steps[gates[next]].id)
		} else if s.ownNeeds {
			try = fmt.Sprintf("needs: [%s]", l.t.steps[gates[len(gates)-1]].id)
		}
		l.warn(s.mark, s.path, "effect-before-gate", says, try)
	}
}

// effective says whether an action changes something outside the run.
func effective(a plan.Action) bool { return a.Undoable || a.Preview && !a.DryRun }

// reach marks what can be come to from the given steps, which are marked too.
func reach(from []int, next [][]int) []bool {
	seen := make([]bool, len(next))
	todo := slices.Clone(from)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[i] {
			seen[i] = true
			todo = append(todo, next[i]...)
		}
	}
	return seen
}
