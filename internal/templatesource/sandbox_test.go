package templatesource

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/internal/sandbox"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/templates"
)

// forge is a GitHub with real git, and a catalog that reads from it.
type forge struct {
	t    *testing.T
	url  string
	work map[string]string // the checkout of each repository
}

const forgeToken, catalogToken = "ghs_templates", "catalog-token"

func newForge(t *testing.T) *forge {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	url := "http://" + server.Listener.Addr().String()
	doubles, err := sandbox.Open(sandbox.Options{
		Dir: t.TempDir(), BaseURL: url, Tokens: sandbox.Tokens{GitHub: forgeToken, Okta: "o", Catalog: catalogToken, ServiceNowUser: "u", ServiceNowPassword: "p"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, doubles.Close()) })
	server.Config.Handler = doubles
	server.Start()
	return &forge{t: t, url: url, work: map[string]string{}}
}

func (f *forge) hosts() *fetch.Sources {
	return fetch.NewSources([]fetch.Integration{{Type: "github", Host: "github.com", APIBaseURL: f.url + "/github"}}, nil)
}

func (f *forge) directory() *catalog.Client {
	return catalog.New(catalog.Config{URL: f.url + "/api/catalog", Token: secrets.New(catalogToken)})
}

func (f *forge) call(method, path, token string, body any) {
	f.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(f.t, err)
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, bytes.NewReader(raw))
	require.NoError(f.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(f.t, err)
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	require.Equal(f.t, 2, answer.StatusCode/100, string(said))
}

// push commits files to acme-org/<repo>, which is made if need be, and gives the commit. An empty content removes a file.
func (f *forge) push(repo string, files map[string]string) (commit string) {
	f.t.Helper()
	dir, known := f.work[repo]
	if !known {
		f.call(http.MethodPost, "/github/orgs/acme-org/repos", forgeToken, map[string]any{"name": repo, "visibility": "public"})
		dir = f.t.TempDir()
		f.work[repo] = dir
		f.git(dir, "init", "-q", "-b", "main")
		f.git(dir, "remote", "add", "origin", strings.Replace(f.url, "http://", "http://x-access-token:"+forgeToken+"@", 1)+"/github/acme-org/"+repo+".git")
	}
	for name, content := range files {
		if content == "" {
			require.NoError(f.t, os.RemoveAll(dir+"/"+name))
			continue
		}
		write(f.t, dir, name, content)
	}
	f.git(dir, "add", "-A")
	f.git(dir, "commit", "-q", "-m", "change")
	f.git(dir, "push", "-q", "origin", "main")
	return strings.TrimSpace(f.git(dir, "rev-parse", "HEAD"))
}

func (f *forge) git(dir string, args ...string) string {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Rosa", "GIT_AUTHOR_EMAIL=r@acme.example",
		"GIT_COMMITTER_NAME=Rosa", "GIT_COMMITTER_EMAIL=r@acme.example")
	out, err := cmd.CombinedOutput()
	require.NoError(f.t, err, string(out))
	return string(out)
}

// fetched is what fetch:plain copies for a run of a version.
func (f *forge) fetched(db fetch.Archives, v *templates.Version, url string) map[string]string {
	f.t.Helper()
	call := exercise.NewMemory().Call()
	files := exercise.Files(f.t, nil)
	call.Files, call.Run.Template = files, v.Plan.Template
	input, err := json.Marshal(map[string]string{"url": url})
	require.NoError(f.t, err)
	_, err = fetch.Plain(fetch.Options{Kept: fetch.NewKept(db), Sources: f.hosts()}).Do(f.t.Context(), call, input)
	require.NoError(f.t, err)
	all := map[string]string{}
	require.NoError(f.t, fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		all[name] = string(content)
		return err
	}))
	return all
}

func TestRepository_NewCommit_NewVersionAndOldRunsSeeTheOldFiles(t *testing.T) {
	t.Parallel()
	f, db := newForge(t), database(t)
	first := f.push("all", map[string]string{
		"templates/a/template.yaml": template("a"), "templates/a/skeleton/x": "one", "templates/shared/y": "one", "elsewhere/template.yaml": template("no"),
	})
	const at = "https://github.com/acme-org/all/tree/main/templates"
	l := library(t, db, Repository(at, f.hosts()))
	one, ok := l.Get("template:default/a")
	require.True(t, ok, l.View().Sources)
	_, ok = l.Get("template:default/no")
	require.False(t, ok)
	require.Equal(t, at+"/a/template.yaml", one.BaseURL)
	require.Equal(t, "https://github.com/acme-org/all/tree/"+first+"/templates/a/template.yaml", one.Plan.Template.BaseURL)

	second := f.push("all", map[string]string{"templates/a/skeleton/x": "two", "templates/shared/y": "two"})
	require.NoError(t, l.Refresh(t.Context()))
	two, _ := l.Get("template:default/a")
	require.NotEqual(t, one.Digest, two.Digest)
	require.Equal(t, map[string]string{"x": "one"}, f.fetched(db, one, "./skeleton"))
	require.Equal(t, map[string]string{"x": "two"}, f.fetched(db, two, "./skeleton"))
	require.Equal(t, map[string]string{"y": "one"}, f.fetched(db, one, "../shared"), "beside the folder it is the same commit")
	require.Equal(t, map[string]string{"y": "two"}, f.fetched(db, two, "../shared"))
	require.Equal(t, map[string]string{"y": "two"}, f.fetched(db, two, "/templates/shared"))

	versions, err := db.TemplateVersions(t.Context(), "template:default/a", 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{second, "Rosa", first}, []string{versions[0].Revision, versions[0].Author, versions[1].Revision})

	// The template stays as it is, what it fetches from beside its folder does not.
	third := f.push("all", map[string]string{"templates/shared/y": "three"})
	require.NoError(t, l.Refresh(t.Context()))
	three, _ := l.Get("template:default/a")
	require.Equal(t, two.Digest, three.Digest)
	require.Contains(t, three.Plan.Template.BaseURL, third)
	require.Equal(t, map[string]string{"y": "two"}, f.fetched(db, two, "../shared"))

	// One that doesn't lint is kept out.
	f.push("all", map[string]string{"templates/a/template.yaml": misspelt(template("a"))})
	require.NoError(t, l.Refresh(t.Context()))
	e, _ := l.View().Find("template:default/a")
	require.True(t, e.Kept)
	require.Equal(t, two.Digest, e.Version.Digest)

	// One that is gone is gone.
	f.push("all", map[string]string{"templates/a": ""})
	require.NoError(t, l.Refresh(t.Context()))
	_, ok = l.Get("template:default/a")
	require.False(t, ok)
	require.Equal(t, map[string]string{"x": "one"}, f.fetched(db, one, "./skeleton"))
}

func TestRepository_OneTemplateByItsFile(t *testing.T) {
	t.Parallel()
	f, db := newForge(t), database(t)
	f.push("all", map[string]string{"a/first.yaml": template("a"), "a/second.yaml": template("b"), "a/skeleton/x": "one"})
	l := library(t, db, Repository("https://github.com/acme-org/all/blob/main/a/first.yaml", f.hosts()), Repository("https://github.com/acme-org/all/blob/main/a/second.yaml", f.hosts()))
	a, ok := l.Get("template:default/a")
	require.True(t, ok, l.View().Entries)
	b, ok := l.Get("template:default/b")
	require.True(t, ok)
	require.NotEqual(t, a.Digest, b.Digest, "two templates in one folder are two")
	require.Equal(t, map[string]string{"x": "one"}, f.fetched(db, b, "./skeleton"))
	require.Equal(t, "https://github.com/acme-org/all/tree/main/a/second.yaml", b.BaseURL)
}

func TestRepository_NotThere_IsAProblemOfTheSource(t *testing.T) {
	t.Parallel()
	f, db := newForge(t), database(t)
	f.push("all", map[string]string{"a/template.yaml": template("a")})
	l := library(t, db, Repository("https://github.com/acme-org/nothing/tree/main", f.hosts()), Repository("https://github.com/acme-org/all/tree/main/nothing", f.hosts()),
		Repository("https://elsewhere.example/acme-org/all", f.hosts()), Repository("https://github.com/acme-org/all", f.hosts()))
	for _, s := range l.View().Sources[:3] {
		require.Equal(t, "unreadable", s.Problems[0].Rule, s.Name)
	}
	v, ok := l.Get("template:default/a")
	require.True(t, ok)
	require.Equal(t, "https://github.com/acme-org/all/tree/HEAD/a/template.yaml", v.BaseURL)
}

func TestCatalog_TemplatesWithTheirFiles(t *testing.T) {
	t.Parallel()
	f, db := newForge(t), database(t)
	namespaced := strings.Replace(template("b"), "{name: b", "{name: b, namespace: tools", 1)
	first := f.push("all", map[string]string{
		"a/template.yaml": template("a"), "a/skeleton/x": "one",
		"many.yaml": namespaced + "---\n" + template("c"), "skeleton/x": "beside many",
	})
	for _, target := range []string{"a/template.yaml", "many.yaml"} {
		f.call(http.MethodPost, "/api/catalog/locations", catalogToken, map[string]string{"type": "url", "target": "https://github.com/acme-org/all/blob/main/" + target})
	}
	listed := func(name string, annotations map[string]string) map[string]any {
		return map[string]any{
			"apiVersion": "scaffolder.backstage.io/v1beta3", "kind": "Template", "metadata": map[string]any{"name": name, "annotations": annotations},
			"spec": map[string]any{"type": "x", "steps": []any{}},
		}
	}
	f.call(http.MethodPut, "/api/catalog/_sandbox/entities", catalogToken, []any{
		listed("shown", map[string]string{ListedOnly: "true"}),
		listed("nowhere", nil),
		listed("local", map[string]string{"backstage.io/source-location": "file:/etc/"}),
		listed("inside", map[string]string{"backstage.io/source-location": "url:https://169.254.169.254/a/b/tree/main/"}),
	})
	l := library(t, db, Backstage(f.directory(), f.hosts()))
	require.Empty(t, l.View().Sources[0].Problems)
	refs := []string{}
	for _, v := range l.List() {
		refs = append(refs, v.Ref)
	}
	require.Equal(t, []string{"template:default/a", "template:default/c", "template:tools/b"}, refs)
	for _, name := range []string{"nowhere", "local", "inside"} {
		e, ok := l.View().Find("template:default/" + name)
		require.True(t, ok)
		require.Nil(t, e.Version)
		require.Equal(t, "unreadable", e.Problems[0].Rule)
	}
	_, ok := l.View().Find("template:default/shown")
	require.False(t, ok, "another source has it")

	a, _ := l.Get("template:default/a")
	require.Equal(t, "https://github.com/acme-org/all/tree/main/a/", a.BaseURL, "the source-location")
	require.Equal(t, "https://github.com/acme-org/all/tree/"+first+"/a/template.yaml", a.Plan.Template.BaseURL)
	require.Equal(t, 8, a.Plan.Steps[0].Line, "it is read from the file")
	require.Equal(t, map[string]string{"x": "one"}, f.fetched(db, a, "./skeleton"))
	b, _ := l.Get("template:tools/b")
	require.Equal(t, map[string]string{"x": "beside many"}, f.fetched(db, b, "./skeleton"))

	f.push("all", map[string]string{"a/skeleton/x": "two"})
	require.NoError(t, l.Refresh(t.Context()))
	now, _ := l.Get("template:default/a")
	require.NotEqual(t, a.Digest, now.Digest)
	require.Equal(t, map[string]string{"x": "one"}, f.fetched(db, a, "./skeleton"))
	require.Equal(t, map[string]string{"x": "two"}, f.fetched(db, now, "./skeleton"))
	again, _ := l.Get("template:tools/b")
	require.NotEqual(t, b.Digest, again.Digest, "its folder is all of the repository")

	// A process that starts while GitHub and the catalog are away has everything.
	restarted := library(t, db, Backstage(catalog.New(catalog.Config{URL: "http://127.0.0.1:1"}), f.hosts()))
	require.Len(t, restarted.List(), 3)
	require.NotEmpty(t, restarted.View().Sources[0].Problems)
	kept, _ := restarted.Get("template:tools/b")
	require.Equal(t, again.Plan, kept.Plan)
}

func TestCatalog_BadEntity_KeptOutWithItsPlace(t *testing.T) {
	t.Parallel()
	f, db := newForge(t), database(t)
	f.push("all", map[string]string{"a/template.yaml": misspelt(template("a")), "a/skeleton/x": "one"})
	f.call(http.MethodPost, "/api/catalog/locations", catalogToken, map[string]string{"type": "url", "target": "https://github.com/acme-org/all/blob/main/a/template.yaml"})
	l := library(t, db, Backstage(f.directory(), f.hosts()))
	e, ok := l.View().Find("template:default/a")
	require.True(t, ok)
	require.Nil(t, e.Version)
	require.Equal(t, []any{"unknown-action", "a/template.yaml", 8}, []any{e.Problems[0].Rule, e.Problems[0].File, e.Problems[0].Line})
	require.Empty(t, l.List())

	// A file of many has no lines that the entity could be found by.
	f.push("all", map[string]string{"a/template.yaml": misspelt(template("a")) + "---\n" + template("b")})
	require.NoError(t, l.Refresh(t.Context()))
	e, _ = l.View().Find("template:default/a")
	require.Equal(t, []any{"unknown-action", "template:default/a", "spec.steps[0].action", 0}, []any{e.Problems[0].Rule, e.Problems[0].File, e.Problems[0].Path, e.Problems[0].Line})
	_, ok = l.Get("template:default/b")
	require.True(t, ok)
}
