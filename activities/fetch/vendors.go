package fetch

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities/fetch/guard"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// vendor knows how URLs of one kind of host read, and its API.
type vendor interface {
	// api is where a host has its API if nothing else was configured.
	api(host string) string
	// sends are the hosts, beside that of the API, that archives come from; nil: none.
	sends(host string) []guard.Rule
	// parse takes the parts of a URL's path, unescaped, apart: how many of them name the repository and how many name
	// it at a ref. `ok` is false if they name no repository.
	parse(parts []string, query url.Values) (p place, ok bool)
	// archive is where a folder, or all of the repository, is found as tar.gz with one folder around it.
	archive(api string, p place) string
	// raw is where a file's content is found, and what to accept.
	raw(api string, p place) (endpoint, accept string)
	// branch is where the default branch is found and how to read it; "" if the other calls do without.
	branch(api string, p place) (endpoint string, name func(map[string]json.RawMessage) string)
	// commit is where the commit that a ref stands for is found, and how to read it.
	commit(api string, p place) (endpoint string, read func(answer []byte) Commit)
	// link is the URL of a place, its path unescaped part by part, and its query.
	link(p place) (parts []string, query url.Values)
	// token is the word before a token in the Authorization header.
	token() string
	// form is what URLs look like, for people.
	form() string
}

var vendors = map[string]vendor{
	"github": github{}, "gitlab": gitlab{}, "bitbucketCloud": bitbucketCloud{}, "bitbucketServer": bitbucketServer{}, "gitea": gitea{},
}

// place is what a URL names.
type place struct {
	host string
	repo []string // the parts of the repository's name
	ref  string   // "" = the default branch
	path string   // "." = all of it
	root int      // how many parts of the URL's path come before that of the file
}

// repositories reads the URLs of one integration.
type repositories struct {
	Integration
	vendor
}

func (r repositories) locate(at *url.URL) (place, error) {
	parts, err := unescaped(at)
	if err != nil {
		return place{}, err
	}
	p, ok := r.parse(parts, at.Query())
	if !ok || slices.Contains(p.repo, "") || slices.Contains(p.repo, "..") {
		return place{}, fault.New(fault.Invalid, "%s does not name a file or folder of a repository; write https://%s%s", guard.Shown(at), at.Host, r.form())
	}
	p.host = at.Host
	p.path = path.Join(parts[min(p.root, len(parts)):]...)
	if p.path == "" {
		p.path = "."
	}
	if !fs.ValidPath(p.path) || p.ref == ".." || p.ref == "." {
		return place{}, fault.New(fault.Denied, "%s leads out of the repository", guard.Shown(at))
	}
	return p, nil
}

func unescaped(at *url.URL) ([]string, error) {
	parts := strings.Split(strings.Trim(at.EscapedPath(), "/"), "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%s is not a URL", guard.Shown(at))
		}
	}
	return parts, nil
}

// resolve resolves as Backstage does: a leading slash is the root of the repository at that ref, anything else is
// relative to base as URLs are, and what base says in its query stands.
func (r repositories) resolve(base *url.URL, ref string) (*url.URL, error) {
	if strings.HasPrefix(ref, "/") {
		p, err := r.locate(base)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(strings.Trim(base.EscapedPath(), "/"), "/")
		rooted := *base
		rooted.RawPath = "/" + strings.Join(parts[:min(p.root, len(parts))], "/") + escaped(path.Clean(ref))
		if rooted.Path, err = url.PathUnescape(rooted.RawPath); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%q is not a URL", ref)
		}
		return &rooted, nil
	}
	parsed, err := url.Parse(ref)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not a URL", ref)
	}
	at := base.ResolveReference(parsed)
	at.RawQuery = base.RawQuery
	return at, nil
}

// authorization is the header for our credentials, or for a token that the template brought.
func (r repositories) authorization(token secrets.Secret) string {
	switch {
	case !token.Empty():
		return r.token() + " " + token.Reveal()
	case r.Secret.Empty():
		return ""
	case r.Username != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(r.Username+":"+r.Secret.Reveal()))
	default:
		return r.token() + " " + r.Secret.Reveal()
	}
}

func bearer(token secrets.Secret) string {
	if token.Empty() {
		return ""
	}
	return "Bearer " + token.Reveal()
}

// escaped escapes a path for a URL, keeping its slashes.
func escaped(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// endpoint makes a URL below base; pairs without a value are left out of its query.
func endpoint(base string, parts []string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	for _, part := range parts {
		base += "/" + url.PathEscape(part)
	}
	if len(query) > 0 {
		base += "?" + query.Encode()
	}
	return base
}

// asGitHub reads <owner>/<repo>[/<kind>/<ref>[/<path>]].
func asGitHub(parts []string, kinds ...string) (place, bool) {
	switch {
	case len(parts) == 2:
		return place{repo: []string{parts[0], strings.TrimSuffix(parts[1], ".git")}, root: 2}, true
	case len(parts) >= 4 && slices.Contains(kinds, parts[2]):
		return place{repo: parts[:2], ref: parts[3], root: 4}, true
	}
	return place{}, false
}

// linked is the path of a place in the form that most hosts have.
func (p place) linked(kind ...string) []string {
	if p.ref == "" {
		return slices.Clone(p.repo)
	}
	parts := slices.Concat(p.repo, kind, []string{p.ref})
	if p.path != "." {
		parts = append(parts, strings.Split(p.path, "/")...)
	}
	return parts
}

func field(name string) func(map[string]json.RawMessage) string {
	return func(answer map[string]json.RawMessage) (value string) {
		_ = json.Unmarshal(answer[name], &value) // "" is told apart by the caller
		return value
	}
}
