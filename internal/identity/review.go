package identity

// MayReview reports whether a person may say what becomes of access that templates of an owner have granted.
func MayReview(who Principal, owner string) bool {
	return who.Kind == User && owner != "" && who.Is([]string{owner})
}
