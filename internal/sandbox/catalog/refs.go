package catalog

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// ref names an entity, in lower case.
type ref struct{ kind, namespace, name string }

func (r ref) String() string { return r.kind + ":" + r.namespace + "/" + r.name }

// parseRef reads [kind:][namespace/]name.
func parseRef(text, kind, namespace string) (ref, error) {
	rest := text
	if k, after, ok := strings.Cut(rest, ":"); ok {
		kind, rest = k, after
	}
	if ns, after, ok := strings.Cut(rest, "/"); ok {
		namespace, rest = ns, after
	}
	if kind == "" || namespace == "" || rest == "" || strings.ContainsAny(rest, ":/") {
		return ref{}, fmt.Errorf("entity reference %q was not on the form [<kind>:][<namespace>/]<name>", text)
	}
	return ref{strings.ToLower(kind), strings.ToLower(namespace), strings.ToLower(rest)}, nil
}

func refOf(entity map[string]any) string {
	meta := object(entity, "metadata")
	namespace := text(meta, "namespace")
	if namespace == "" {
		namespace = "default"
	}
	return strings.ToLower(text(entity, "kind") + ":" + namespace + "/" + text(meta, "name"))
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func object(m map[string]any, key string) map[string]any {
	o, _ := m[key].(map[string]any)
	return o
}

// texts are the strings of a field that is a string or a list of strings.
func texts(m map[string]any, key string) []string {
	switch v := m[key].(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
