package templates

import (
	"fmt"
	"time"

	"github.com/gildway/gildway/internal/plan"
)

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
		if !l.Renewable {
			p.report(v.mark, path+".maxTtl", "bad-lease", "maxTtl bounds renewals, and this lease can't be renewed", "add renewable: true")
		}
	}
	if v := n.get("remindBefore"); v != nil {
		l.RemindBefore = p.duration(v, path+".remindBefore")
		if l.TTL > 0 && time.Duration(l.RemindBefore) >= time.Duration(l.TTL) {
			p.report(v.mark, path+".remindBefore", "bad-duration", fmt.Sprintf("the reminder would come before the lease begins (%s)", l.TTL), "")
		}
	}
	if v := n.get("approvers"); v != nil {
		p.leaseApprovers(l, v, path+".approvers")
	}
}

// leaseApprovers reads whom a renewal needs. They stand in the plan as they are: nothing is known of a run yet.
func (p *parser) leaseApprovers(l *plan.Lease, v *node, path string) {
	if v.kind != listNode {
		p.wrongType(v, path, listNode.String())
		return
	}
	if !l.Renewable {
		p.report(v.mark, path, "bad-lease", "approvers decide about renewals, and this lease can't be renewed", "add renewable: true")
	}
	for _, item := range v.items {
		ref, err := plan.ParseEntityRef(item.text, "group")
		if err != nil || ref.Kind != "user" && ref.Kind != "group" {
			p.report(item.mark, path, "bad-lease", fmt.Sprintf("%q is neither a user nor a group", item.text), "group:default/platform-team")
			continue
		}
		l.Approvers = append(l.Approvers, ref.String())
	}
}
