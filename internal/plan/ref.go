package plan

import (
	"fmt"
	"regexp"
	"strings"
)

// EntityRef names a catalog entity. The zero value names nothing.
type EntityRef struct{ Kind, Namespace, Name string }

// Backstage's rule for each part (catalog-model, CommonValidatorFunctions): letters, digits and
// inner "-", "_" and ".", at most 63 characters.
var refPart = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// ParseEntityRef reads [kind:][namespace/]name and gives its canonical, lower-case form. The
// namespace defaults to "default", the kind to defaultKind.
func ParseEntityRef(s, defaultKind string) (EntityRef, error) {
	ref := EntityRef{Kind: defaultKind, Namespace: "default", Name: strings.ToLower(s)}
	if kind, rest, ok := strings.Cut(ref.Name, ":"); ok {
		ref.Kind, ref.Name = kind, rest
	}
	if namespace, name, ok := strings.Cut(ref.Name, "/"); ok {
		ref.Namespace, ref.Name = namespace, name
	}
	for _, part := range []string{ref.Kind, ref.Namespace, ref.Name} {
		if !refPart.MatchString(part) {
			return EntityRef{}, fmt.Errorf("%q is not an entity ref; write kind:namespace/name, e.g. group:default/payments-team", s)
		}
	}
	return ref, nil
}

func (r EntityRef) String() string { return r.Kind + ":" + r.Namespace + "/" + r.Name }
