package templates

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
)

// Actions are the actions that steps may name, by id.
type Actions map[string]plan.Action

// Context is what a template doesn't say about itself.
type Context struct {
	BaseURL string // what relative URLs resolve against
	Digest  string // sha256:<hex> over the template and the files beside it
	Stored  bool   // those files are kept under the digest
}

// Compile makes the plan of a template, or says everything that stands against it; Parse's problems
// are not repeated. Every problem has its place in the file.
func Compile(t *Template, actions Actions, ctx Context) (*plan.Plan, []fault.Problem) {
	c := newCompiler(t, actions)
	order := c.check()
	if len(c.refused) > 0 || t.broken {
		sortProblems(c.refused)
		return nil, c.refused
	}
	return c.plan(order, ctx), nil
}

// Lint gives Compile's problems and, beside them, what will run but hardly means what it says:
// v1beta3 accepts misspelt references and expressions as Backstage does.
func Lint(t *Template, actions Actions) []fault.Problem {
	c := newCompiler(t, actions)
	c.check()
	problems := slices.Concat(t.advice, c.refused, c.advice)
	sortProblems(problems)
	return problems
}

type compiler struct {
	t       *Template
	actions Actions
	byID    map[string]int
	ids     []string
	graph   graph
	facts   []facts // one a step
	schemas map[string]*inputSchema
	looked  int // how often nearest looked
	parsed  map[*node]*parsedText
	widths  map[int]int // of lines, in characters
	indents map[int]int // of the text after a line

	refused []fault.Problem
	advice  []fault.Problem
}

// facts is what the expressions and the action of a step tell.
type facts struct {
	action           plan.Action
	known            bool // the action exists
	runsAfterFailure bool
	readsAnyStep     bool // a lookup in `steps` that can't be decided before the run
	branchAsksAll    bool // the condition of a branch calls always() or failure()
}

func newCompiler(t *Template, actions Actions) *compiler {
	return &compiler{
		t: t, actions: actions, byID: make(map[string]int, len(t.steps)),
		graph: newGraph(len(t.steps)), facts: make([]facts, len(t.steps)), schemas: map[string]*inputSchema{},
		parsed: map[*node]*parsedText{}, widths: map[int]int{}, indents: map[int]int{},
	}
}

func (c *compiler) strict() bool { return c.t.APIVersion == V3 }

func (c *compiler) problem(at mark, path, rule, says, try string) fault.Problem {
	return c.t.problem(at, path, rule, says, try)
}

func (c *compiler) refuse(at mark, path, rule, says, try string) {
	if len(c.refused) < maxProblems {
		c.refused = append(c.refused, c.problem(at, path, rule, says, try))
	}
}

func (c *compiler) advise(at mark, path, rule, says, try string) {
	if len(c.advice) < maxProblems {
		advice := c.problem(at, path, rule, says, try)
		advice.Severity = fault.Warning
		c.advice = append(c.advice, advice)
	}
}

// maxProblems bounds what is told of one template at once, for what is refused and for advice each.
const maxProblems = 1000

// maxSuggestions bounds the work for files in which nearly everything is misspelt.
const maxSuggestions = 100

func (c *compiler) nearest(name string, candidates []string) string {
	if c.looked++; c.looked > maxSuggestions {
		return ""
	}
	return nearest.Name(name, candidates)
}

// strictly refuses in v3 what v1beta3 accepts as Backstage does.
func (c *compiler) strictly(at mark, path, rule, says, try string) {
	if c.strict() {
		c.refuse(at, path, rule, says, try)
		return
	}
	c.advise(at, path, rule, says, try)
}

// check finds all problems and, if there is none, an order of the steps.
func (c *compiler) check() []int {
	for i, s := range c.t.steps {
		if first, twice := c.byID[s.id]; twice {
			at, path := s.mark, s.path
			if id := s.node.get("id"); id != nil {
				at, path = id.mark, s.path+".id"
			}
			c.refuse(at, path, "duplicate-step-id", fmt.Sprintf("the id %q already belongs to the step in line %d",
				s.id, c.t.steps[first].line), fmt.Sprintf("%s-%d", s.id, i+1))
			continue
		}
		c.byID[s.id] = i
	}
	for _, s := range c.t.steps {
		c.ids = append(c.ids, s.id)
	}
	c.pages()
	for i := range c.t.steps {
		c.action(i)
	}
	c.references()
	c.language()
	c.lookups()
	c.choices()
	c.order()
	c.workspace()
	c.gates()
	c.sequence()
	if len(c.graph.edges) > maxEdges && !c.fewerEdges() {
		return nil
	}
	if cycles := c.graph.cycles(); len(cycles) > 0 {
		for _, cycle := range cycles {
			c.cycle(cycle)
		}
		return nil
	}
	return c.graph.order()
}

// action checks what a step does.
func (c *compiler) action(i int) {
	s := &c.t.steps[i]
	if s.action == "" {
		return // Parse said so
	}
	action, ok := c.actions[s.action]
	if !ok {
		c.strictly(s.node.get("action").mark, s.path+".action", "unknown-action",
			fmt.Sprintf("there is no action %q", s.action), c.nearest(s.action, c.actionIDs()))
		return // in v1beta3 the step fails when it gets to run
	}
	c.facts[i].action, c.facts[i].known = action, true
	c.undo(s, action)
	if action.Kind == plan.GateStep && s.onError == plan.Continue {
		c.advise(s.node.keyMark("onError"), s.path+".onError", "gate-goes-on",
			"what follows runs even if the approval is refused", "a condition on steps."+s.id+".error for what follows")
	}
	if action.Kind == plan.GateStep && s.isSkippable() {
		c.refuse(s.node.keyMark("skippable"), s.path+".skippable", "skippable-approval",
			"an approval can't be skipped: whoever could would approve", "a condition under which nobody has to be asked: autoApprove")
	}
	c.input(s, action)
	c.child(s, action)
}

// undo checks that what is to be undone can be.
func (c *compiler) undo(s *step, action plan.Action) {
	why := cmp.Or(action.WhyNoUndo, "it has no effect that could be taken back")
	switch {
	case action.Undoable:
	case s.lease != nil:
		c.refuse(s.node.get("lease").mark, s.path+".lease", "lease-without-undo",
			fmt.Sprintf("%s can't be undone, so its lease could not end: %s", s.action, why), "")
	case s.undo != nil && s.undo.text == "true":
		c.refuse(s.undo.mark, s.path+".undo", "undo-impossible", fmt.Sprintf("%s can't be undone: %s", s.action, why), "undo: false")
	}
}

// maxEdges bounds a plan: it travels in the workflow's input.
const maxEdges = 10_000

// fewerEdges leaves out what need not be said of steps that run one after the other anyway, and refuses
// any other graph of that size.
func (c *compiler) fewerEdges() bool {
	if c.t.execution == plan.Sequential {
		c.graph = newGraph(len(c.t.steps))
		c.choices()
		c.sequence()
		return true
	}
	c.refuse(c.t.spec("steps").mark, "spec.steps", "too-many-edges",
		fmt.Sprintf("the steps wait for each other in %d ways; a template has at most %d", len(c.graph.edges), maxEdges),
		"one step that waits for many, and `needs` of that one")
	return false
}

func (c *compiler) actionIDs() []string {
	ids := make([]string, 0, len(c.actions))
	for id := range c.actions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// plan writes down what was found.
func (c *compiler) plan(order []int, ctx Context) *plan.Plan {
	t := c.t
	p := &plan.Plan{
		Version: plan.Version,
		Template: plan.Template{
			Ref: t.Ref, Name: t.Name, APIVersion: t.APIVersion, Title: t.Title, Description: t.Description,
			Owner: t.Owner, Digest: ctx.Digest, Stored: ctx.Stored, BaseURL: ctx.BaseURL, Metadata: t.Metadata,
		},
		Execution: t.execution,
		OnFailure: t.onFailure,
		Parallel:  t.parallel,
		Steps:     make([]plan.Step, 0, len(order)),
	}
	if n := t.spec("output"); n != nil && n.kind == mapNode {
		p.Output = n.json(c.edit)
	}
	at := make([]int, len(order)) // step -> its place in the order
	for place, i := range order {
		at[i] = place
	}
	edges := c.graph.sorted(at)
	needs := make([][]string, len(order))
	for _, e := range edges {
		from, to := t.steps[e.from].id, t.steps[e.to].id
		p.Edges = append(p.Edges, plan.Edge{From: from, To: to, Reason: e.reason, Detail: strings.Join(e.details, ", ")})
		if n := needs[e.to]; len(n) == 0 || n[len(n)-1] != from {
			needs[e.to] = append(n, from)
		}
	}
	for _, i := range order {
		p.Steps = append(p.Steps, c.step(i, needs[i]))
	}
	return p
}

func (c *compiler) step(i int, needs []string) plan.Step {
	s, f := &c.t.steps[i], &c.facts[i]
	out := plan.Step{
		ID: s.id, Name: s.name, Action: s.action, Kind: f.action.Kind,
		If: s.cond.json(c.edit), Each: s.each.json(c.edit), Input: s.input.json(c.edit),
		Needs: needs, Workspace: f.action.Workspace, Local: f.action.Local, Queue: f.action.Queue,
		Undoable:         f.action.Undoable && (s.undo == nil || s.undo.text == "true"),
		Renews:           f.action.Renews && s.lease != nil && s.lease.Renewable,
		RunsAfterFailure: f.runsAfterFailure,
		Concurrency:      s.concurrency, OnError: s.onError, Skippable: s.isSkippable(),
		Timeout: s.timeout, Retry: s.retry, Lease: s.lease, Line: s.line, Column: s.column,
	}
	if out.Kind == "" {
		out.Kind = plan.ActionStep
	}
	if s.isSwitch() {
		out.Kind = plan.SwitchStep
	}
	for _, b := range s.branches {
		out.Branches = append(out.Branches, plan.Branch{Name: b.name, If: b.cond.json(c.edit)})
	}
	if s.in.of != noStep {
		out.Branch = &plan.InBranch{Switch: c.t.steps[s.in.of].id, Name: s.in.name}
	}
	return out
}

// edit gives a string of the template as the plan holds it.
func (c *compiler) edit(s string) string {
	if !c.strict() {
		return s
	}
	s, _ = c.undash(s)
	return s
}
