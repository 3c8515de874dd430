package fetch

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

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

func (bitbucketCloud) commit(api string, p place) (string, func([]byte) Commit) {
	return endpoint(api, append([]string{"repositories"}, append(p.repo[:2:2], "commit", p.ref)...)), func(answer []byte) Commit {
		var c struct {
			Hash   string
			Date   time.Time
			Author struct{ Raw string }
		}
		_ = json.Unmarshal(answer, &c) // an empty id is told apart by the caller
		return Commit{ID: c.Hash, Author: c.Author.Raw, At: c.Date}
	}
}

func (bitbucketCloud) link(p place) ([]string, url.Values) { return p.linked("src"), nil }

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
func (v bitbucketServer) commit(api string, p place) (string, func([]byte) Commit) {
	return endpoint(api, v.repository(p, "commits"), "until", p.ref, "limit", "1"), func(answer []byte) Commit {
		var list struct {
			Values []struct {
				ID     string
				Author struct{ Name string }
				At     int64 `json:"committerTimestamp"` // milliseconds
			}
		}
		if json.Unmarshal(answer, &list) != nil || len(list.Values) == 0 {
			return Commit{}
		}
		c := list.Values[0]
		return Commit{ID: c.ID, Author: c.Author.Name, At: time.UnixMilli(c.At).UTC()}
	}
}

func (bitbucketServer) link(p place) ([]string, url.Values) {
	parts := []string{"projects", p.repo[0], "repos", p.repo[1], "browse"}
	if user, personal := strings.CutPrefix(p.repo[0], "~"); personal {
		parts[0], parts[1] = "users", user
	}
	if p.path != "." {
		parts = append(parts, strings.Split(p.path, "/")...)
	}
	if p.ref == "" {
		return parts, nil
	}
	return parts, url.Values{"at": {p.ref}}
}

func (bitbucketServer) token() string { return "Bearer" }
func (bitbucketServer) form() string  { return "/projects/<key>/repos/<repo>/browse/<path>?at=<ref>" }
