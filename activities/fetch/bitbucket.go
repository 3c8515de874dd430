package fetch

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/gildway/gildway/activities/fetch/guard"
)

// bitbucketCloud reads https://bitbucket.org/<workspace>/<repo>[/src/<ref>[/<path>]].
type bitbucketCloud struct{}

func (bitbucketCloud) api(host string) string { return "https://api." + host + "/2.0" }

// Archives are downloads of the site itself.
func (bitbucketCloud) sends(host string) []guard.Rule { return []guard.Rule{{Host: host}} }

func (bitbucketCloud) parse(parts []string, _ url.Values) (place, bool) {
	return asGitHub(parts, "src", "raw")
}

func (bitbucketCloud) archive(_ string, p place) string {
	return endpoint("https://"+p.host, append(p.repo[:2:2], "get", p.ref+".tar.gz"))
}

func (bitbucketCloud) raw(api string, p place) (string, string) {
	return endpoint(api, append([]string{"repositories"}, append(p.repo[:2:2], "src", p.ref)...)) + "/" + escaped(p.path), ""
}

func (bitbucketCloud) branch(api string, p place) (string, func(map[string]json.RawMessage) string) {
	return endpoint(api, append([]string{"repositories"}, p.repo...)), func(answer map[string]json.RawMessage) string {
		var main map[string]json.RawMessage
		if json.Unmarshal(answer["mainbranch"], &main) != nil {
			return ""
		}
		return field("name")(main)
	}
}

func (bitbucketCloud) token() string { return "Bearer" }
func (bitbucketCloud) form() string  { return "/<workspace>/<repo>/src/<ref>/<path>" }

// bitbucketServer reads https://<host>/projects/<key>/repos/<repo>[/browse[/<path>]][?at=<ref>], and the same below
// users/<name>. raw counts as browse.
type bitbucketServer struct{}

func (bitbucketServer) api(host string) string    { return "https://" + host + "/rest/api/1.0" }
func (bitbucketServer) sends(string) []guard.Rule { return nil }

func (bitbucketServer) parse(parts []string, query url.Values) (place, bool) {
	if len(parts) < 4 || parts[2] != "repos" || len(parts) > 4 && parts[4] != "browse" && parts[4] != "raw" {
		return place{}, false
	}
	key := parts[1]
	switch parts[0] {
	case "users":
		key = "~" + key
	case "projects":
	default:
		return place{}, false
	}
	return place{repo: []string{key, parts[3]}, ref: query.Get("at"), root: 5}, true
}

func (v bitbucketServer) repository(p place, more ...string) []string {
	return append([]string{"projects", p.repo[0], "repos", p.repo[1]}, more...)
}

func (v bitbucketServer) archive(api string, p place) string {
	folder := p.path
	if folder == "." {
		folder = ""
	}
	return endpoint(api, v.repository(p, "archive"), "format", "tgz", "at", p.ref, "prefix", strings.Join(p.repo, "-"), "path", folder)
}

func (v bitbucketServer) raw(api string, p place) (string, string) {
	return endpoint(endpoint(api, v.repository(p, "raw"))+"/"+escaped(p.path), nil, "at", p.ref), ""
}

func (bitbucketServer) branch(string, place) (string, func(map[string]json.RawMessage) string) {
	return "", nil
}
func (bitbucketServer) token() string { return "Bearer" }
func (bitbucketServer) form() string  { return "/projects/<key>/repos/<repo>/browse/<path>?at=<ref>" }
