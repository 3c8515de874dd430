package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"

	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
)

const saying = `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: %s, namespace: tools, title: %s}
spec:
  owner: group:default/platform
  type: service
  steps:
    - {id: one, name: One, action: "%s", input: {message: hello}}
    - {id: two, name: Two, action: debug:log, input: {message: hello}}
`

// misspelt is a template that is refused.
func misspelt(name string) string {
	return strings.Replace(fmt.Sprintf(saying, name, "Never", "debug:lgo"), "v1beta3", "v3", 1)
}

// fromFolder is a world whose templates come from a folder.
func fromFolder(t *testing.T) (w *world, dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "a", fmt.Sprintf(saying, "a", "First", "debug:log"))
	actions := templates.Actions{}
	for _, a := range testActions() {
		actions[a.ID] = a
	}
	return newWorld(t, func(s *Server) {
		library, err := templatesource.Open(t.Context(), templatesource.Options{
			Store: s.Store.(*store.Store), Sources: []templatesource.Source{templatesource.Folder(dir)}, Actions: actions,
			Every: time.Hour, Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { library.Run(ctx); close(done) }()
		t.Cleanup(func() { cancel(); <-done })
		s.Templates = library
	}), dir
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "template.yaml"), []byte(content), 0o644))
}

func TestTemplates_RefreshedShownAndRun(t *testing.T) {
	t.Parallel()
	w, dir := fromFolder(t)
	const base = "/api/gildway/v1/templates"
	list := w.as(rosa, http.MethodGet, base, nil).json(t)["items"].([]any)
	require.Len(t, list, 1)
	first := list[0].(map[string]any)
	require.Equal(t, []any{"template:tools/a", "current", "First", "group:default/platform", "folder:" + dir, 2.0},
		[]any{first["ref"], first["state"], first["title"], first["owner"], first["source"], first["steps"]})

	// A new version.
	put(t, dir, "a", fmt.Sprintf(saying, "a", "Second", "debug:log"))
	require.Equal(t, http.StatusForbidden, w.as(rosa, http.MethodPost, base+"/refresh", nil).status)
	require.Equal(t, http.StatusForbidden, w.as(olga, http.MethodPost, base+"/refresh", nil).status)
	refreshed := w.as(adam, http.MethodPost, base+"/refresh", nil)
	require.Equal(t, http.StatusOK, refreshed.status, refreshed.text)
	source := refreshed.json(t)["items"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"folder:" + dir, 1.0, []any{}}, []any{source["name"], source["templates"], source["problems"]})
	versions := w.as(rosa, http.MethodGet, base+"/tools/a/versions", nil).json(t)["items"].([]any)
	require.Len(t, versions, 2)
	require.Equal(t, true, versions[0].(map[string]any)["current"])
	require.Equal(t, first["digest"], versions[1].(map[string]any)["digest"])
	page := w.as(rosa, http.MethodGet, base+"/tools/a/versions?limit=1", nil).json(t)
	require.Len(t, page["items"], 1)
	rest := w.as(rosa, http.MethodGet, base+"/tools/a/versions?limit=1&cursor="+page["next"].(string), nil).json(t)
	require.Equal(t, versions[1], rest["items"].([]any)[0])
	require.NotContains(t, rest, "next")

	// A bad one is kept out; what was good runs.
	put(t, dir, "a", misspelt("a"))
	put(t, dir, "b", misspelt("b"))
	put(t, dir, "c", "nothing")
	require.Equal(t, http.StatusOK, w.as(adam, http.MethodPost, base+"/refresh", nil).status)
	seen := w.as(rosa, http.MethodGet, base+"/tools/a", nil).json(t)
	require.Equal(t, []any{"outdated", 1.0, []any{}}, []any{seen["state"], seen["refusals"], seen["problems"]}, "what is wrong quotes the template")
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, base+"/tools/b", nil).status)
	require.Equal(t, http.StatusForbidden, w.as(rosa, http.MethodGet, "/api/gildway/v1/template-sources", nil).status)
	require.Len(t, w.as(rosa, http.MethodGet, base, nil).json(t)["items"], 1)
	require.Len(t, w.as(olga, http.MethodGet, base, nil).json(t)["items"], 2)
	a := w.as(adam, http.MethodGet, base+"/Tools/a", nil).json(t)
	require.Equal(t, []any{"outdated", "Second", 1.0, "a/template.yaml", "file://" + dir + "/a/template.yaml"}, []any{a["state"], a["title"], a["refusals"], a["place"], a["baseUrl"]})
	wrong := a["problems"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"refused", "unknown-action", "a/template.yaml", 8.0, "debug:log"}, []any{wrong["severity"], wrong["rule"], wrong["file"], wrong["line"], wrong["fix"]})
	b := w.as(adam, http.MethodGet, base+"/tools/b", nil).json(t)
	require.Equal(t, "refused", b["state"])
	require.NotContains(t, b, "digest")
	sources := w.as(adam, http.MethodGet, "/api/gildway/v1/template-sources", nil).json(t)["items"].([]any)
	lost := sources[0].(map[string]any)["problems"].([]any)
	require.Len(t, lost, 1)
	require.Equal(t, "c/template.yaml", lost[0].(map[string]any)["file"], "it has no name")
	require.Contains(t, w.as("", http.MethodGet, "/metrics", nil).text, `gildway_templates{source="folder:`+dir+`"} 1`)
	require.Contains(t, w.as("", http.MethodGet, "/metrics", nil).text, `gildway_template_refusals{source="folder:`+dir+`"} 3`)

	submit := map[string]any{"templateRef": "template:tools/a", "values": map[string]any{}}
	task := w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks", submit)
	require.Equal(t, http.StatusCreated, task.status, task.text)
	require.Equal(t, versions[0].(map[string]any)["digest"], w.task(task.json(t)["id"].(string)).TemplateDigest)

	// What is gone at its source can't be run any more, and its versions stay.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "a")))
	require.Equal(t, http.StatusOK, w.as(adam, http.MethodPost, base+"/refresh", nil).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks", submit).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, base+"/tools/a", nil).status)
	require.Len(t, w.as(adam, http.MethodGet, base+"/tools/a/versions", nil).json(t)["items"], 2)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, base+"/tools/a/versions", nil).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, base+"/tools/nothing/versions", nil).status)
}

func (w *world) task(id string) store.Task {
	w.t.Helper()
	task, err := w.store.Task(w.t.Context(), id)
	require.NoError(w.t, err)
	return task
}

func TestTemplates_Pages(t *testing.T) {
	t.Parallel()
	w, dir := fromFolder(t)
	for _, name := range []string{"b", "c", "d"} {
		put(t, dir, name, fmt.Sprintf(saying, name, name, "debug:log"))
	}
	require.NoError(t, w.server.Templates.Refresh(t.Context()))
	var refs []any
	for cursor := ""; ; {
		page := w.as(rosa, http.MethodGet, "/api/gildway/v1/templates?limit=3&cursor="+cursor, nil).json(t)
		for _, item := range page["items"].([]any) {
			refs = append(refs, item.(map[string]any)["ref"])
		}
		next, more := page["next"].(string)
		if !more {
			break
		}
		cursor = next
	}
	require.Equal(t, []any{"template:tools/a", "template:tools/b", "template:tools/c", "template:tools/d"}, refs)
}

func TestTemplateGraph_OfAnyVersion(t *testing.T) {
	t.Parallel()
	w, dir := fromFolder(t)
	const url = "/api/gildway/v1/templates/tools/a/graph"
	graph := w.as(rosa, http.MethodGet, url, nil).json(t)
	require.Len(t, graph["steps"], 2)
	require.Equal(t, "sequence", graph["edges"].([]any)[0].(map[string]any)["reason"])
	require.Contains(t, w.as(rosa, http.MethodGet, url+"?format=mermaid", nil).text, "One")
	require.Contains(t, w.as(rosa, http.MethodGet, url+"?format=dot", nil).text, "digraph")

	put(t, dir, "a", fmt.Sprintf(saying, "a", "x", "debug:log")+"    - {id: three, name: Three, action: debug:log, input: {message: x}}\n")
	require.NoError(t, w.server.Templates.Refresh(t.Context()))
	require.Len(t, w.as(rosa, http.MethodGet, url, nil).json(t)["steps"], 3)
	old := w.as(rosa, http.MethodGet, url+"?version="+graph["digest"].(string), nil)
	require.Equal(t, http.StatusOK, old.status)
	require.Equal(t, graph, old.json(t))
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, url+"?version=sha256:1", nil).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, "/api/gildway/v1/templates/tools/b/graph?version="+graph["digest"].(string), nil).status)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, "/api/gildway/v1/templates/tools/b/graph", nil).status)
}
