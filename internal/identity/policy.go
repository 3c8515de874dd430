package identity

import (
	"slices"
	"strings"
)

// Action is something that a principal does.
type Action string

const (
	See      Action = "see"              // a template: in lists, its form
	Run      Action = "run"              // a template
	DryRun   Action = "dry-run"          // a template, an uploaded one included
	Read     Action = "read"             // a task: its state, log and graph
	Cancel   Action = "cancel"           // a task
	Retry    Action = "retry"            // a task
	Rollback Action = "rollback"         // a task: undo what it has done
	Collect  Action = "collect"          // the keys that a task minted; the requester alone
	Renew    Action = "renew"            // a grant: put its end off, or ask those who may
	Revoke   Action = "revoke"           // a grant: end it now
	Approve  Action = "approve"          // or reject; whom a gate names, and nobody else
	Audit    Action = "audit"            // everybody's approvals, leases and the audit log
	Manage   Action = "manage-templates" // refresh them, see what is wrong with those that are kept out
)

// Actions are all of them.
var Actions = []Action{See, Run, DryRun, Read, Cancel, Retry, Rollback, Collect, Renew, Revoke, Approve, Audit, Manage}

// changesNothing are what an auditor is left with.
var changesNothing = []Action{See, Read, Audit}

// The names of a rule's `who` that depend on what is asked for.
const (
	Everyone        = "everyone"          // every person; programs are named one by one
	Requester       = "requester"         // who submitted the task
	OwnerOfTemplate = "owner-of-template" // the template's spec.owner, or whoever is in that group
	Approver        = "approver"          // whom a gate of the task names; never the requester
)

var relations = []string{Everyone, Requester, OwnerOfTemplate, Approver}

// Rule lets somebody do something. There is no rule that takes anything away.
type Rule struct {
	Who   []string // relations and canonical refs
	May   []Action
	Parts []string // the tags of `backstage:permissions` whose form pages and steps are theirs; "*" = all
	On    Selector
}

// Selector picks templates. What is empty picks all; all that is given must hold, by any of its values.
type Selector struct {
	Templates []string // refs, * stands for anything
	Owners    []string // canonical refs
	Tags      []string // of the template's metadata
}

// Resource is what an action is about, as far as a decision depends on it. The zero value is about no template:
// a selector that picks templates doesn't pick it.
type Resource struct {
	Template  string // canonical ref
	Owner     string // canonical ref
	Tags      []string
	Requester string   // of a task
	Approvers []string // of all gates that the task has opened; of a grant, who renews it
}

// Policy says who may do what. What no rule allows is denied.
type Policy struct {
	admin, auditor []string
	rules          []Rule
}

// NewPolicy puts the built-in rules before the given ones. Admins and auditors are canonical refs.
func NewPolicy(admin, auditor []string, rules []Rule) Policy {
	builtin := []Rule{
		{Who: []string{Requester}, May: []Action{Read, Cancel, Retry, Rollback, Collect, Renew, Revoke}},
		{Who: []string{OwnerOfTemplate}, May: []Action{See, Read, Rollback, Renew, Revoke}},
		{Who: []string{Approver}, May: []Action{Read, Approve, Renew}},
		{Who: auditor, May: changesNothing, Parts: []string{"*"}},
		{Who: admin, May: []Action{See, Run, DryRun, Read, Cancel, Retry, Rollback, Revoke, Audit, Manage}, Parts: []string{"*"}},
	}
	p := Policy{admin: admin, auditor: auditor, rules: append(builtin, rules...)}
	for i := range p.rules {
		p.rules[i].May = withSight(p.rules[i].May)
	}
	return p
}

// withSight adds seeing a template to running it, which nobody could who doesn't see it.
func withSight(may []Action) []Action {
	if slices.Contains(may, Run) || slices.Contains(may, DryRun) {
		return append(slices.Clone(may), See)
	}
	return may
}

// OpenToEveryone are the rules where no policy file is: everybody sees and runs every template, whole.
func OpenToEveryone() []Rule {
	return []Rule{{Who: []string{Everyone}, May: []Action{See, Run, DryRun}, Parts: []string{"*"}}}
}

// Allows reports whether a principal may do something to a resource.
func (p Policy) Allows(who Principal, do Action, to Resource) bool {
	return p.able(who, do) && slices.ContainsFunc(p.rules, func(r Rule) bool {
		return slices.Contains(r.May, do) && r.On.picks(to) && slices.ContainsFunc(r.Who, func(w string) bool { return isWho(who, w, to) })
	})
}

// AllowsSome reports whether there can be anything that the principal may do this to.
func (p Policy) AllowsSome(who Principal, do Action) bool { return len(p.Scopes(who, do)) > 0 }

// Administers reports whether a principal is an admin. Ask Allows, too: their token may be good for less.
func (p Policy) Administers(who Principal) bool { return who.Is(p.admin) }

// Shows reports whether a principal gets a form page or step of a template that carries these tags: one without
// any is everybody's, of others every tag must be allowed.
func (p Policy) Shows(who Principal, tags []string, of Resource) bool {
	return !slices.ContainsFunc(tags, func(tag string) bool {
		return !slices.ContainsFunc(p.rules, func(r Rule) bool {
			return (slices.Contains(r.Parts, tag) || slices.Contains(r.Parts, "*")) && r.On.picks(of) &&
				slices.ContainsFunc(r.Who, func(w string) bool { return isWho(who, w, of) })
		})
	})
}

// able is what no rule can give back: a token is good for no more than it says, and auditors change nothing.
func (p Policy) able(who Principal, do Action) bool {
	if who.Ref == "" || who.Only != nil && !slices.Contains(who.Only, do) {
		return false
	}
	return !who.Is(p.auditor) || who.Is(p.admin) || slices.Contains(changesNothing, do)
}

func isWho(who Principal, name string, to Resource) bool {
	switch name {
	case Everyone:
		return who.Kind == User
	case Requester:
		return who.Ref == to.Requester
	case OwnerOfTemplate:
		return to.Owner != "" && who.Is([]string{to.Owner})
	case Approver:
		return who.Kind == User && Admits(who.Ref, who.Groups, to.Requester, to.Approvers)
	default:
		return who.Is([]string{name})
	}
}

func (s Selector) picks(to Resource) bool {
	any := func(values []string, holds func(string) bool) bool {
		return len(values) == 0 || slices.ContainsFunc(values, holds)
	}
	return any(s.Templates, func(pattern string) bool { return to.Template != "" && MatchRef(pattern, to.Template) }) &&
		any(s.Owners, func(o string) bool { return o == to.Owner }) &&
		any(s.Tags, func(t string) bool { return slices.Contains(to.Tags, t) })
}

// MatchRef reports whether a ref is one of a pattern's: * stands for any characters.
func MatchRef(pattern, ref string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	ref, ok := strings.CutPrefix(ref, first)
	for ok && more {
		first, rest, more = strings.Cut(rest, "*")
		if !more { // what is behind the last one
			return strings.HasSuffix(ref, first)
		}
		_, ref, ok = strings.Cut(ref, first)
	}
	return ok && ref == ""
}

// Scope is a set of tasks: those for which all that is given holds. The zero value is all tasks.
type Scope struct {
	On        Selector
	Requester string   // whoever submitted it
	Owners    []string // the template's owner is one of them
	Approvers []string // a gate names one of them
	NotBy     string   // whoever did not submit it
}

// Scopes are the tasks that a principal may do something to: those in any of them. It agrees with Allows.
func (p Policy) Scopes(who Principal, do Action) []Scope {
	scopes := []Scope{}
	if !p.able(who, do) {
		return scopes
	}
	for _, r := range p.rules {
		if !slices.Contains(r.May, do) {
			continue
		}
		for _, name := range r.Who {
			s := Scope{On: r.On}
			switch name {
			case Requester:
				s.Requester = who.Ref
			case OwnerOfTemplate:
				s.Owners = who.refs()
			case Approver:
				if who.Kind != User {
					continue
				}
				s.Approvers, s.NotBy = who.refs(), who.Ref
			default:
				if !isWho(who, name, Resource{}) {
					continue
				}
			}
			scopes = append(scopes, s)
		}
	}
	return scopes
}
