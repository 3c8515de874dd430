package templates

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/gildway/gildway/internal/plan"
)

// step is one entry of spec.steps.
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
	timeout          plan.Duration
	retry            *plan.Retry
	lease            *plan.Lease
}

type need struct {
	mark
	id, path string
}

var (
	stepFields  = []string{"id", "name", "action", "input", "if", "each", "needs", "timeout", "retry", "lease", "backstage:permissions"}
	retryFields = []string{"attempts", "interval"}
	leaseFields = []string{"ttl", "renewable", "maxTtl", "remindBefore"}

	strictID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	anyID    = regexp.MustCompile(`^[^\x00-\x1f/]{1,200}$`)
)

func (p *parser) step(n *node, i int) {
	path := "spec.steps[" + strconv.Itoa(i) + "]"
	if n.kind != mapNode {
		p.wrongType(n, path, "a step: a mapping")
		return
	}
	p.known(n, path, stepFields)
	s := step{mark: n.mark, path: path, node: n}
	s.action = p.text(n, path, "action", true)
	s.id = p.text(n, path, "id", false)
	s.name = p.text(n, path, "name", false)
	s.named.id, s.named.name = n.given("id"), n.given("name")
	p.stepID(&s, i)
	if s.name == "" {
		s.name = s.action
	}
	s.input = p.mapping(n, path, "input", false)
	s.cond = p.oneOf(n, path, "if", "a string or boolean", stringNode, boolNode)
	s.each = p.oneOf(n, path, "each", "an expression, a list or a mapping", stringNode, listNode, mapNode)
	p.stepNeeds(&s)
	if v := n.get("timeout"); v != nil {
		s.timeout = p.duration(v, path+".timeout")
	}
	p.retry(&s)
	p.lease(&s)
	p.t.steps = append(p.t.steps, s)
}

func (p *parser) stepID(s *step, i int) {
	rule, says := anyID, "an id has no slash and no control character and at most 200 characters"
	if p.strict {
		rule, says = strictID, "an id begins with a letter; letters, digits, - and _ follow, 63 characters at most"
	}
	switch {
	case s.id == "" && !s.named.id:
		s.id = "step-" + strconv.Itoa(i+1)
	case !rule.MatchString(s.id):
		p.report(s.node.get("id").mark, s.path+".id", "bad-id", says, "")
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
	p.wrongType(v, path+"."+key, want)
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
		at := path + "[" + strconv.Itoa(i) + "]"
		if item.kind != stringNode {
			p.report(item.mark, at, "bad-needs", "needs is a list of step ids; this one is "+item.kind.String(), "")
			continue
		}
		s.needs = append(s.needs, need{item.mark, item.text, at})
	}
}

func (p *parser) duration(n *node, path string) plan.Duration {
	try := ""
	if n.kind == numberNode {
		try = n.text + "s"
	}
	if n.kind != stringNode {
		p.report(n.mark, path, "bad-duration", "a duration is written like 90s, 15m, 12h or 30d; this is "+n.kind.String(), try)
		return 0
	}
	d, err := plan.ParseDuration(n.text)
	switch {
	case err != nil:
		p.report(n.mark, path, "bad-duration", err.Error(), "")
	case d <= 0:
		p.report(n.mark, path, "bad-duration", "a duration here is more than zero", "")
	}
	return d
}

func (p *parser) retry(s *step) {
	n := p.mapping(s.node, s.path, "retry", false)
	if n == nil {
		return
	}
	path := s.path + ".retry"
	p.known(n, path, retryFields)
	s.retry = &plan.Retry{}
	if v := n.get("attempts"); v != nil {
		s.retry.Attempts = p.count(v, path+".attempts", 1000)
	}
	if v := n.get("interval"); v != nil {
		s.retry.Interval = p.duration(v, path+".interval")
	}
}

func (p *parser) lease(s *step) {
	n := p.mapping(s.node, s.path, "lease", false)
	if n == nil {
		return
	}
	path := s.path + ".lease"
	p.known(n, path, leaseFields)
	l := &plan.Lease{}
	s.lease = l
	ttl := n.get("ttl")
	if ttl == nil {
		p.report(n.mark, path+".ttl", "missing-field", "a lease says how long it lasts: "+path+".ttl is missing", "ttl: 30d")
	} else {
		l.TTL = p.duration(ttl, path+".ttl")
	}
	if v := n.get("renewable"); v != nil {
		if v.kind != boolNode {
			p.wrongType(v, path+".renewable", boolNode.String())
		}
		l.Renewable = v.text == "true"
	}
	if v := n.get("maxTtl"); v != nil {
		l.MaxTTL = p.duration(v, path+".maxTtl")
		if l.MaxTTL > 0 && l.MaxTTL < l.TTL {
			p.report(v.mark, path+".maxTtl", "bad-duration", fmt.Sprintf("maxTtl is shorter than ttl (%s)", l.TTL), l.TTL.String())
		}
	}
	if v := n.get("remindBefore"); v != nil {
		l.RemindBefore = p.duration(v, path+".remindBefore")
		if l.TTL > 0 && time.Duration(l.RemindBefore) >= time.Duration(l.TTL) {
			p.report(v.mark, path+".remindBefore", "bad-duration", fmt.Sprintf("the reminder would come before the lease begins (%s)", l.TTL), "")
		}
	}
}
