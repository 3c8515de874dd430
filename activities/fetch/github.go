package fetch

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/gildway/gildway/activities/fetch/guard"
)

// github reads https://<host>/<owner>/<repo>[/tree/<ref>[/<path>]]; blob, edit and raw count as tree.
type github struct{}

func (github) api(host string) string {
	if host == "github.com" {
		return "https://api.github.com"
	}
	return "https://" + host + "/api/v3"
}

// Archives are redirected to a host of their own.
func (github) sends(host string) []guard.Rule {
	return []guard.Rule{{Host: "codeload." + host, Public: true}}
}

func (github) parse(parts []string, _ url.Values) (place, bool) {
	return asGitHub(parts, "tree", "blob", "edit", "raw")
}

func (github) archive(api string, p place) string {
	parts := append([]string{"repos"}, append(slices.Clone(p.repo), "tarball")...)
	if p.ref != "" {
		parts = append(parts, p.ref)
	}
	return endpoint(api, parts)
}

func (github) raw(api string, p place) (string, string) {
	return endpoint(endpoint(api, append([]string{"repos"}, p.repo...))+"/contents/"+escaped(p.path), nil, "ref", p.ref), "application/vnd.github.raw+json"
}

func (github) branch(string, place) (string, func(map[string]json.RawMessage) string) { return "", nil }
func (github) commit(api string, p place) (string, func([]byte) Commit) {
	return endpoint(api, append([]string{"repos"}, append(p.repo[:2:2], "commits", cmp.Or(p.ref, "HEAD"))...)), asGitHubCommit
}

func (github) link(p place) ([]string, url.Values) { return p.linked("tree"), nil }

func (github) token() string { return "Bearer" }
func (github) form() string  { return "/<owner>/<repo>/tree/<ref>/<path>" }
