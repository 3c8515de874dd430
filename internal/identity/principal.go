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
	Ref    string   // canonical entity ref: user:default/rosa, service:default/ci, plugin:default/permission
	Groups []string // canonical group refs; nil if the token doesn't say
	Kind   Kind
	Plugin string   // the Backstage plugin that asks, for itself or on behalf of a user; "" for the user's own request
	Link   string   // the one approval that a personal link is good for; "" for whoever signs in
	Only   []Action // what the token is good for, whatever its owner may do; nil = no limit
}

// Guest is everybody when sign-in is switched off.
var Guest = Principal{Ref: "user:default/guest", Groups: []string{}, Kind: User}

// Is reports whether the principal is one of the refs or belongs to one of them.
func (p Principal) Is(refs []string) bool {
	return slices.Contains(refs, p.Ref) || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(refs, g) })
}

// refs are the principal and its groups.
func (p Principal) refs() []string { return append([]string{p.Ref}, p.Groups...) }

// Admits reports whether a user may decide: as themselves, or through a group they are in. The
// requester of the run may never.
func Admits(user string, groups []string, requester string, approvers []string) bool {
	return user != requester && Principal{Ref: user, Groups: groups}.Is(approvers)
}
