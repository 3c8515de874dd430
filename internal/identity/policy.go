// Package identity turns bearer tokens into principals, says what a principal may do, and proves to
// a worker who decided at a gate.
package identity

import "slices"

// Kind tells people from programs.
type Kind string

const (
	User    Kind = "user"
	Service Kind = "service"
)

// Principal is who a request comes from.
type Principal struct {
	Ref    string   // canonical entity ref, e.g. user:default/rosa
	Groups []string // canonical group refs; nil if the token doesn't say
	Kind   Kind
}

// Is reports whether the principal is one of the refs or belongs to one of them.
func (p Principal) Is(refs []string) bool {
	return slices.Contains(refs, p.Ref) || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(refs, g) })
}

// Roles names the groups (or single users) that have more rights than their own tasks.
type Roles struct {
	Admin   []string // canonical refs; may read, cancel and retry every task
	Auditor []string // canonical refs; may read everything and change nothing
}

// Action is something that a principal does to a task.
type Action string

const (
	Read    Action = "read"
	Cancel  Action = "cancel"
	Retry   Action = "retry"
	Collect Action = "collect" // take the minted keys
)

// Subject is what of a task a decision depends on.
type Subject struct {
	Requester string
	Approvers []string // of all gates that the task has opened
}

// Allows reports whether the principal may do it. What isn't said here is denied.
func (r Roles) Allows(p Principal, do Action, to Subject) bool {
	own := p.Kind == User && p.Ref == to.Requester
	switch do {
	case Read:
		return own || r.ReadsAll(p) || p.Is(to.Approvers)
	case Cancel, Retry:
		return own || p.Is(r.Admin)
	case Collect:
		return own
	default:
		return false
	}
}

// ReadsAll reports whether the principal sees everybody's tasks, approvals and leases.
func (r Roles) ReadsAll(p Principal) bool { return p.Is(r.Admin) || p.Is(r.Auditor) }

// MayRun reports whether the principal may start runs: an auditor's account that is nothing else may not.
func (r Roles) MayRun(p Principal) bool { return p.Kind == User && (!p.Is(r.Auditor) || p.Is(r.Admin)) }

// Admits reports whether a user may decide: as themselves, or through a group they are in. The
// requester of the run may never.
func Admits(user string, groups []string, requester string, approvers []string) bool {
	return user != requester && Principal{Ref: user, Groups: groups}.Is(approvers)
}
