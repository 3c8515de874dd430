package expr

import (
	"net/url"
	"strings"
)

var backstageFilterNames = []string{"parseEntityRef", "parseRepoUrl", "pick", "projectSlug"}

var defaultHosts = map[string]string{
	"github.com":    "github",
	"gitlab.com":    "gitlab",
	"bitbucket.org": "bitbucketCloud",
	"dev.azure.com": "azure",
}

// backstageFilter finds one of the filters that Backstage adds to the language.
func backstageFilter(name string, hosts map[string]string) Filter {
	switch name {
	case "parseRepoUrl":
		return func(input any, _ []any) (any, error) {
			s, ok := input.(string)
			if !ok {
				return nil, reason("parseRepoUrl takes a string")
			}
			return ParseRepoURL(s, hosts)
		}
	case "projectSlug":
		return func(input any, _ []any) (any, error) {
			s, ok := input.(string)
			if !ok {
				return nil, reason("projectSlug takes a string")
			}
			repo, err := ParseRepoURL(s, hosts)
			if err != nil {
				return nil, err
			}
			owner, _ := repo.Get("owner")
			name, _ := repo.Get("repo")
			return (*evaluator)(nil).text(owner) + "/" + (*evaluator)(nil).text(name), nil
		}
	case "parseEntityRef":
		return parseEntityRef
	case "pick":
		return pick
	}
	return nil
}

// ParseRepoURL reads host?owner=o&repo=r, the form of Backstage's repository picker, into an object of host and the
// parts that are given. hosts adds to the known integrations: host, with port if any, to type.
func ParseRepoURL(repoURL string, hosts map[string]string) (*Object, error) {
	u, err := url.Parse("https://" + repoURL)
	if err != nil || u.Host == "" {
		return nil, reasonf("Invalid repo URL passed to publisher, got %s", repoURL)
	}
	kind, ok := hosts[u.Host]
	if !ok {
		kind, ok = defaultHosts[u.Host]
	}
	if !ok {
		return nil, reasonf("No matching integration configuration for host %s, please check your integrations config", u.Host)
	}
	query := u.Query()
	part := func(name string) string { return strings.Trim(query.Get(name), "/") }
	var required []string
	switch kind {
	case "bitbucketCloud":
		required = []string{"workspace", "project", "repo"}
	case "bitbucketServer", "azure":
		required = []string{"project", "repo"}
	case "gitlab":
		if part("project") == "" {
			required = []string{"owner", "repo"}
		}
	case "gitea", "gerrit":
		required = []string{"repo"}
	default:
		required = []string{"repo", "owner"}
	}
	for _, name := range required {
		if part(name) == "" {
			return nil, reasonf("Invalid repo URL passed to publisher: %s, missing %s", repoURL, name)
		}
	}
	out := NewObject("host", u.Host)
	for _, name := range []string{"owner", "repo", "organization", "workspace", "project"} {
		if query.Has(name) {
			out.Set(name, part(name))
		}
	}
	return out, nil
}

func parseEntityRef(input any, args []any) (any, error) {
	context, _ := at(args, 0).(*Object)
	field := func(o *Object, name string) string {
		v, _ := o.Get(name)
		s, _ := v.(string)
		return s
	}
	var kind, namespace, name string
	switch ref := input.(type) {
	case string:
		var err error
		if kind, namespace, name, err = splitEntityRef(ref); err != nil {
			return nil, err
		}
	case *Object:
		kind, namespace, name = field(ref, "kind"), field(ref, "namespace"), field(ref, "name")
	default:
		return nil, reasonf("Entity reference must be a string or an object, got %s", kindOf(input))
	}
	if kind == "" {
		kind = field(context, "defaultKind")
	}
	if namespace == "" {
		namespace = field(context, "defaultNamespace")
	}
	if namespace == "" {
		namespace = "default"
	}
	if kind == "" {
		return nil, reasonf("Entity reference %s had missing or empty kind (e.g. did not start with \"component:\" or similar)", describeRef(input))
	}
	if name == "" {
		return nil, reason("Entity reference had missing or empty name")
	}
	return NewObject("kind", kind, "namespace", namespace, "name", name), nil
}

func describeRef(ref any) string {
	if s, ok := ref.(string); ok {
		return quoteSource(s)
	}
	data, err := ToJSON(ref)
	if err != nil {
		return kindOf(ref)
	}
	return string(data)
}

// splitEntityRef reads [kind:][namespace/]name; a colon after the slash belongs to the name.
func splitEntityRef(ref string) (kind, namespace, name string, err error) {
	bad := reasonf("Entity reference %s was not on the form [<kind>:][<namespace>/]<name>", quoteSource(ref))
	colon, slash := strings.IndexByte(ref, ':'), strings.IndexByte(ref, '/')
	if slash >= 0 && colon > slash {
		colon = -1
	}
	rest := ref
	if colon >= 0 {
		if kind, rest = ref[:colon], ref[colon+1:]; kind == "" {
			return "", "", "", bad
		}
	}
	if before, after, found := strings.Cut(rest, "/"); found {
		if namespace, rest = before, after; namespace == "" {
			return "", "", "", bad
		}
	}
	if rest == "" {
		return "", "", "", bad
	}
	return kind, namespace, rest, nil
}

// pick reads a dotted or bracketed path, undefined if any part is absent.
func pick(input any, args []any) (any, error) {
	v := input
	path := at(args, 0)
	var keys []string
	switch path := path.(type) {
	case string:
		if o, ok := input.(*Object); ok && o.Has(path) {
			keys = []string{path}
		} else {
			keys = pathKeys(path)
		}
	case []any:
		for _, k := range path {
			keys = append(keys, (*evaluator)(nil).text(k))
		}
	default:
		keys = []string{(*evaluator)(nil).text(path)}
	}
	for _, k := range keys {
		switch container := v.(type) {
		case *Object:
			v, _ = container.Get(k)
		case []any:
			i, ok := indexIn(k, len(container))
			switch {
			case ok:
				v = container[i]
			case k == "length":
				v = float64(len(container))
			default:
				v = Undefined
			}
		case string:
			i, ok := indexIn(k, unitLen(container))
			switch {
			case ok:
				v = sliceUnits(container, i, i+1)
			case k == "length":
				v = float64(unitLen(container))
			default:
				v = Undefined
			}
		default:
			return Undefined, nil
		}
	}
	return v, nil
}

// pathKeys splits a.b[0]["c"] into its keys.
func pathKeys(path string) []string {
	var keys []string
	rest := path
	afterBracket := true
	for rest != "" {
		switch {
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return append(keys, rest)
			}
			keys = append(keys, strings.Trim(rest[1:end], `"'`))
			rest, afterBracket = rest[end+1:], true
		case rest[0] == '.' && afterBracket && keys != nil:
			rest, afterBracket = rest[1:], false
			if rest == "" || rest[0] == '.' {
				keys = append(keys, "")
				rest = strings.TrimPrefix(rest, ".")
			}
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				return append(keys, rest)
			}
			keys = append(keys, rest[:end])
			if rest = rest[end:]; rest[0] == '.' {
				if rest = rest[1:]; rest == "" {
					keys = append(keys, "")
				}
			}
			afterBracket = false
		}
	}
	return keys
}
