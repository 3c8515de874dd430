package identity

// Lease is what of a grant a decision about it depends on.
type Lease struct {
	Requester string
	Owner     string   // of the template
	Approvers []string // who renews, if not the requester or the owner
}

// MayRenew reports whether a person may put the end of a lease off.
func MayRenew(who Principal, l Lease) bool {
	switch {
	case who.Kind != User:
		return false
	case len(l.Approvers) > 0:
		return Admits(who.Ref, who.Groups, l.Requester, l.Approvers)
	default:
		return who.Ref == l.Requester || l.Owner != "" && who.Is([]string{l.Owner})
	}
}
