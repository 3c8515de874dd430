package fetch

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities/fetch/guard"
)

// gitlab reads https://<host>/<group>/…/<project>[/-/tree/<ref>[/<path>]], also with blob, raw and edit, and without
// the dash as older links are.
type gitlab struct{}

func (gitlab) api(host string) string    { return "https://" + host + "/api/v4" }
func (gitlab) sends(string) []guard.Rule { return nil }

func (gitlab) parse(parts []string, _ url.Values) (place, bool) {
	kinds := []string{"tree", "blob", "raw", "edit"}
	for i := 2; i < len(parts); i++ {
		project, rest := parts[:i], parts[i:]
		if rest[0] == "-" {
			rest = rest[1:]
		} else if !slices.Contains(kinds, rest[0]) {
			continue
		}
		if len(rest) < 2 || !slices.Contains(kinds, rest[0]) {
			return place{}, false
		}
		return place{repo: project, ref: rest[1], root: len(parts) - len(rest) + 2}, true
	}
	if len(parts) < 2 {
		return place{}, false
	}
	project := slices.Clone(parts)
	project[len(project)-1] = strings.TrimSuffix(project[len(project)-1], ".git")
	return place{repo: project, root: len(parts)}, true
}

func (gitlab) archive(api string, p place) string {
	folder := p.path
	if folder == "." {
		folder = ""
	}
	return endpoint(api, []string{"projects", strings.Join(p.repo, "/"), "repository", "archive.tar.gz"}, "sha", p.ref, "path", folder)
}

func (gitlab) raw(api string, p place) (string, string) {
	return endpoint(api, []string{"projects", strings.Join(p.repo, "/"), "repository", "files", p.path, "raw"}, "ref", cmp.Or(p.ref, "HEAD")), ""
}

func (gitlab) branch(string, place) (string, func(map[string]json.RawMessage) string) { return "", nil }
func (gitlab) commit(api string, p place) (string, func([]byte) Commit) {
	return endpoint(api, []string{"projects", strings.Join(p.repo, "/"), "repository", "commits", cmp.Or(p.ref, "HEAD")}), func(answer []byte) Commit {
		var c struct {
			ID     string    `json:"id"`
			Author string    `json:"author_name"`
			At     time.Time `json:"committed_date"`
		}
		_ = json.Unmarshal(answer, &c) // an empty id is told apart by the caller
		return Commit{ID: c.ID, Author: c.Author, At: c.At}
	}
}

func (gitlab) link(p place) ([]string, url.Values) { return p.linked("-", "tree"), nil }

func (gitlab) token() string { return "Bearer" }
func (gitlab) form() string  { return "/<group>/<project>/-/tree/<ref>/<path>" }
