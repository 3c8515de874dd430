package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/gildway/gildway/internal/plan"
)

// step is one entry of a list of steps.
type step struct {
	mark
	path             string // spec.steps[2]
	id, name, action string
	named            struct{ id, name bool } // given in the file
	cond, each       *node
	input            *node
	node             *node
	needs            []need
	ownNeeds         bool // `needs` is there, maybe empty
	concurrency      int
	timeout          plan.Duration
	retry            *plan.Retry
	onError          plan.OnError
	skippable        *node // a boolean
	undo             *node // a boolean
	lease            *plan.Lease
	branches         []branch
	in               inBranch
}

type need struct {
	mark
	id, path string
}

// isSwitch says whether the step chooses a branch and does nothing else.
func (s *step) isSwitch() bool { return len(s.branches) > 0 }

// isSkippable says whether people may go on without the step.
func (s *step) isSkippable() bool { return s.skippable != nil && s.skippable.text == "true" }

var (
	stepFields = []string{"id", "name", "action", "input", "if", "each", "concurrency", "needs", "timeout", "retry", "onError",
		"skippable", "undo", "lease", "switch", "backstage:permissions"}
	retryFields = []string{"attempts", "interval"}
	leaseFields = []string{"ttl", "renewable", "maxTtl", "remindBefore", "approvers"}

	strictID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	anyID    = regexp.MustCompile(`^[^\x00-\x1f/]{1,200}$`)

	// unreadable names are those that no expression may look up.
	unreadableIDs = []string{"constructor", "prototype"}
)

// steps reads a list of steps and gives their places in t.steps.
func (p *parser) steps(list *node, path string, in inBranch) []int {
	if len(p.t.steps)+len(list.items) > maxSteps {
		p.report(list.mark, path, "too-many-steps", fmt.Sprintf("a template has at most %d steps", maxSteps), "")
		return nil
	}
	var placed []int
	for i, item := range list.items {
		if item.kind != mapNode {
			p.wrongType(item, nth(path, i), "a step: a mapping")
			continue
		}
		placed = append(placed, len(p.t.steps))
		p.step(item, nth(path, i), in)
	}
	return placed
}

func (p *parser) step(n *node, path string, in inBranch) {
	p.known(n, path, stepFields)
	s := step{mark: n.mark, path: path, node: n, in: in}
	chooses := p.strict && n.given("switch")
	switch {
	case chooses:
	case n.given("switch") && !n.given("action"):
		p.report(n.keyMark("switch"), path+".switch", "missing-field", path+".action is missing: v1beta3 has no switch", "apiVersion: "+V3)
	default:
		s.action = p.text(n, path, "action", true)
	}
	s.id = p.text(n, path, "id", false)
	s.name = p.text(n, path, "name", false)
	s.named.id, s.named.name = n.given("id"), n.given("name")
	p.stepID(&s, len(p.t.steps))
	if !s.named.name {
		s.name = s.action
		if chooses {
			s.name = s.id
		}
	}
	s.cond = p.oneOf(n, path, "if", "a string or boolean", stringNode, boolNode)
	p.permissions(n, path)
	if p.extended {
		p.stepNeeds(&s)
	}
	if chooses {
		i := len(p.t.steps)
		p.t.steps = append(p.t.steps, s)
		branches := p.branches(n, path, i)
		p.t.steps[i].branches = branches
		return
	}
	s.input = p.mapping(n, path, "input", false)
	p.loop(&s)
	if p.ours(n, path, "needs", "concurrency", "timeout", "retry", "onError", "skippable", "undo", "lease", "switch") {
		p.policy(&s)
	}
	p.t.steps = append(p.t.steps, s)
}

func (p *parser) stepID(s *step, i int) {
	rule, says := anyID, "an id has no slash and no control character and at most 200 characters"
	if p.strict {
		rule, says = strictID, "an id begins with a letter; letters, digits, - and _ follow, 63 characters at most"
	}
	switch {
	case s.named.id && s.node.get("id").kind != stringNode: // reported as such
	case s.id == "" && !s.named.id:
		s.id = "step-" + strconv.Itoa(i+1)
	case !rule.MatchString(s.id):
		p.report(s.node.get("id").mark, s.path+".id", "bad-id", says, "")
	case p.strict && slices.Contains(unreadableIDs, s.id):
		p.report(s.node.get("id").mark, s.path+".id", "bad-id", fmt.Sprintf("no expression can read steps.%s: the name is reserved", s.id), s.id+"-1")
	}
}

// loop reads `each`. In v1beta3 it may be anything, as in Backstage: what is false is no loop, and
// what can't be gone through fails the step.
func (p *parser) loop(s *step) {
	s.each = s.node.get("each")
	switch {
	case s.each == nil:
	case s.each.kind == nullNode:
		s.each = nil
	case s.each.kind == listNode || s.each.kind == mapNode || s.each.kind == stringNode && s.each.text != "":
	default:
		p.strictly(s.each.mark, s.path+".each", "wrong-type",
			fmt.Sprintf("%s.each is an expression, a list or a mapping; this is %s", s.path, s.each.what()), "")
		if s.each.falsy() {
			s.each = nil
		}
	}
}

// policy reads what only v3 says of a step.
func (p *parser) policy(s *step) {
	n := s.node
	if v := n.get("concurrency"); v != nil {
		s.concurrency = p.count(v, s.path+".concurrency", maxParallel)
		if s.each == nil {
			p.t.advise(n.keyMark("concurrency"), s.path+".concurrency", "concurrency-without-each",
				"concurrency bounds how many items of a loop run at once, and there is no `each`", "")
		}
	}
	if v := n.get("timeout"); v != nil {
		s.timeout = p.duration(v, s.path+".timeout")
	}
	p.retry(s)
	p.choice(n, s.path, "onError", func(v string) {
		if v == string(plan.Continue) {
			s.onError = plan.Continue
		}
	}, "fail", string(plan.Continue))
	s.skippable = p.field(n, s.path, "skippable", false, boolNode)
	s.undo = p.field(n, s.path, "undo", false, boolNode)
	p.lease(s)
	if s.lease != nil && s.undo != nil && s.undo.text == "false" {
		p.report(s.undo.mark, s.path+".undo", "lease-without-undo", "a lease ends by undoing the step, which undo: false forbids", "remove one of the two")
	}
	if n.given("switch") { // in v3 the step would be a switch
		p.t.advise(n.keyMark("switch"), s.path+".switch", "v3-field", s.path+".switch is ignored: v1beta3 has no \"switch\"", "apiVersion: "+V3)
	}
}

func (p *parser) oneOf(n *node, path, key, want string, kinds ...kind) *node {
	v := n.get(key)
	if v == nil || v.kind == nullNode {
		return nil
	}
	for _, k := range kinds {
		if v.kind == k {
			return v
		}
	}
	p.wrongType(v, under(path, key), want)
	return nil
}

func (p *parser) stepNeeds(s *step) {
	v := s.node.get("needs")
	if v == nil {
		return
	}
	s.ownNeeds = true
	path := s.path + ".needs"
	switch v.kind {
	case listNode:
	case stringNode:
		p.report(v.mark, path, "bad-needs", "needs is a list of step ids", "["+v.text+"]")
		return
	default:
		p.report(v.mark, path, "bad-needs", "needs is a list of step ids; this is "+v.kind.String(), "")
		return
	}
	for i, item := range v.items {
		if item.kind != stringNode {
			p.report(item.mark, nth(path, i), "bad-needs", "needs is a list of step ids; this one is "+item.kind.String(), "")
			continue
		}
		s.needs = append(s.needs, need{item.mark, item.text, nth(path, i)})
	}
}
