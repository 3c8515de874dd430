package fetch

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities/fetch/guard"
)

// gitea reads https://<host>/<owner>/<repo>[/src/branch/<ref>[/<path>]]; commit and tag count as branch, raw and _edit
// as src.
type gitea struct{}

func (gitea) api(host string) string    { return "https://" + host + "/api/v1" }
func (gitea) sends(string) []guard.Rule { return nil }

func (gitea) parse(parts []string, _ url.Values) (place, bool) {
	switch {
	case len(parts) == 2:
		return place{repo: []string{parts[0], strings.TrimSuffix(parts[1], ".git")}, root: 2}, true
	case len(parts) >= 5 && slices.Contains([]string{"src", "raw"}, parts[2]) && slices.Contains([]string{"branch", "commit", "tag"}, parts[3]):
		return place{repo: parts[:2], ref: parts[4], root: 5}, true
	case len(parts) >= 4 && parts[2] == "_edit":
		return place{repo: parts[:2], ref: parts[3], root: 4}, true
	}
	return place{}, false
}

func (gitea) archive(api string, p place) string {
	return endpoint(api, append([]string{"repos"}, append(p.repo[:2:2], "archive", p.ref+".tar.gz")...))
}

func (gitea) raw(api string, p place) (string, string) {
	return endpoint(endpoint(api, append([]string{"repos"}, append(p.repo[:2:2], "raw")...))+"/"+escaped(p.path), nil, "ref", p.ref), ""
}

func (gitea) branch(api string, p place) (string, func(map[string]json.RawMessage) string) {
	return endpoint(api, append([]string{"repos"}, p.repo...)), field("default_branch")
}

func (gitea) commit(api string, p place) (string, func([]byte) Commit) {
	return endpoint(api, append([]string{"repos"}, append(p.repo[:2:2], "git", "commits", p.ref)...)), asGitHubCommit
}

// A branch and a tag are told apart by what the ref is: a commit's id is neither.
func (gitea) link(p place) ([]string, url.Values) {
	if isCommit(p.ref) {
		return p.linked("src", "commit"), nil
	}
	return p.linked("src", "branch"), nil
}

func (gitea) token() string { return "token" }
func (gitea) form() string  { return "/<owner>/<repo>/src/branch/<ref>/<path>" }
