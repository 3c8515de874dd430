package catalog_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/catalog"
	"github.com/gildway/gildway/internal/sandbox/ledger"
)

// exchange is one call to a real Backstage catalog, recorded.
type exchange struct {
	Name, Method, Path string
	Send               any
	Status             int
	Body               any
}

func recorded(t *testing.T, file string) []exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file + ".json")
	require.NoError(t, err)
	var all []exchange
	require.NoError(t, json.Unmarshal(raw, &all))
	return all
}

// files are what the recorded locations point to.
var files = map[string]string{
	"/good/catalog-info.yaml": `
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: static-good
  description: From a loopback server
  annotations: {example.org/note: hello}
  labels: {team: guests}
  tags: [one, two]
spec: {type: service, lifecycle: production, owner: "group:default/guests"}
`,
	"/multi/catalog-info.yaml": `
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: multi-a}
spec: {type: library, lifecycle: production, owner: guests}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: multi-b, namespace: other}
spec: {type: openapi, lifecycle: production, owner: guests, definition: "openapi: 3.0.0"}
`,
	"/bad-yaml/catalog-info.yaml": "apiVersion: backstage.io/v1alpha1\nkind: [unclosed\n",
	"/bad-entity/catalog-info.yaml": `
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: "bad name!"}
spec: {type: service, lifecycle: production, owner: guests}
`,
}

func double(t *testing.T) *catalog.Double {
	t.Helper()
	l, err := ledger.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	read := func(_ context.Context, target string) ([]byte, error) {
		path, ok := strings.CutPrefix(target, "http://127.0.0.1:7118")
		if !ok && strings.HasPrefix(target, "http") {
			return nil, catalog.ErrNotAllowed
		}
		content, ok := files[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(content), nil
	}
	return catalog.New(catalog.Options{Ledger: l, Read: read, Accepts: func(token string) bool { return token == "<token>" }})
}

// ask makes the recorded call anew.
func ask(t *testing.T, d *catalog.Double, x exchange) (int, any) {
	t.Helper()
	send, err := json.Marshal(x.Send)
	require.NoError(t, err)
	req := httptest.NewRequest(x.Method, strings.TrimPrefix(x.Path, "/api/catalog"), strings.NewReader(string(send)))
	req.Header.Set("Authorization", "Bearer <token>")
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, req)
	var body any
	if rec.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &body))
	}
	return rec.Code, body
}

var (
	uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	etag = regexp.MustCompile(`"etag":"[0-9a-f]{40}"`)
	// parser is what two YAML parsers say differently.
	parser = regexp.MustCompile(`(YAML error at [^,]*), [^"]*`)
)

// masked writes a body without what differs from one server to the next.
func masked(t *testing.T, body any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(body))
	s := etag.ReplaceAllString(uuid.ReplaceAllString(b.String(), "<uuid>"), `"etag":"<etag>"`)
	return parser.ReplaceAllString(strings.ReplaceAll(s, "00000000-0000-4000-8000-000000000000", "<uuid>"), "$1")
}

func TestCatalog_Locations_AnswerAsRecorded(t *testing.T) {
	t.Parallel()
	d := double(t)
	ids := map[string]string{} // recorded → ours
	for _, x := range append(recorded(t, "locations"), recorded(t, "locations-delete")...) {
		switch x.Name {
		case "dry run /forbidden/catalog-info.yaml", "analyze":
			continue // the double allows all kinds everywhere, and doesn't analyze
		}
		recordedID := uuid.FindString(x.Path)
		if ours, ok := ids[recordedID]; ok {
			x.Path = strings.Replace(x.Path, recordedID, ours, 1)
		}
		status, body := ask(t, d, x)
		require.Equal(t, x.Status, status, x.Name)
		require.Equal(t, masked(t, x.Body), masked(t, body), x.Name)
		if theirs, ok := x.Body.(map[string]any); ok && status == 201 {
			if id, _ := theirs["location"].(map[string]any)["id"].(string); uuid.MatchString(id) {
				ids[id] = body.(map[string]any)["location"].(map[string]any)["id"].(string)
			}
		}
	}
}

func TestCatalog_ValidateEntity_AnswersAsRecorded(t *testing.T) {
	t.Parallel()
	d := double(t)
	for _, x := range recorded(t, "validate-entity") {
		status, body := ask(t, d, x)
		require.Equal(t, x.Status, status, x.Name)
		require.Equal(t, masked(t, x.Body), masked(t, body), x.Name)
	}
}

func TestCatalog_Entities_AnswerAsRecorded(t *testing.T) {
	t.Parallel()
	d := double(t)
	entity := func(kind, version, name, title string, spec map[string]any) map[string]any {
		meta := map[string]any{"name": name}
		if title != "" {
			meta["title"] = title
		}
		if name == "seed-like" {
			meta["tags"] = []any{"recommended"}
		}
		return map[string]any{"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}
	}
	require.NoError(t, d.Ledger.Update(func(tx *ledger.Tx) error {
		all := []map[string]any{
			entity("User", "backstage.io/v1alpha1", "guest", "", map[string]any{"memberOf": []any{"guests"}}),
			entity("Group", "backstage.io/v1alpha1", "guests", "", map[string]any{"type": "team", "children": []any{}}),
		}
		for name, title := range map[string]string{
			"fails": "", "noop-10": "Ten log steps", "seed-like": "", "wait-n": "", "wait-5s": "Log, wait five seconds, log, wait five seconds, log",
		} {
			all = append(all, entity("Template", "scaffolder.backstage.io/v1beta3", name, title,
				map[string]any{"type": "service", "owner": "guests", "steps": []any{}}))
		}
		for _, e := range all {
			if err := catalog.Put(tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, name := range []string{"good", "multi"} {
		send := map[string]any{"type": "url", "target": "http://127.0.0.1:7118/" + name + "/catalog-info.yaml"}
		status, _ := ask(t, d, exchange{Method: "POST", Path: "/locations", Send: send})
		require.Equal(t, 201, status)
	}
	// What the recorded server holds beside this, or decides by chance, or what the double doesn't have.
	other := map[string]bool{
		"by name, template": true, "by name, user": true, "by uid": true, "ancestry": true, "by query": true,
		"by query, first page": true, "by query, next page": true, "by query, bad cursor": true, "by query, limit 0": true, "facets": true,
		"by query, text": true, "by query, exists": true,
	}
	for _, x := range recorded(t, "entities") {
		status, body := ask(t, d, x)
		switch {
		case x.Name == "ancestry", x.Name == "by uid", x.Name == "by query, next page":
			continue
		case other[x.Name]:
			require.Equal(t, x.Status, status, x.Name)
			if theirs, ok := x.Body.(map[string]any); ok {
				for key := range theirs {
					require.Contains(t, body, key, x.Name)
				}
			}
		default:
			require.Equal(t, x.Status, status, x.Name)
			require.Equal(t, masked(t, x.Body), masked(t, body), x.Name)
		}
	}
}
