package templatesource

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// small is a template with a name, an action and the folder of its skeleton.
const small = `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: %s, title: "Small"}
spec:
  owner: group:default/platform
  type: service
  steps:
    - {id: one, name: One, action: "%s", input: {url: %s}}
`

func template(name string) string { return fmt.Sprintf(small, name, "fetch:plain", "./skeleton") }

// actions are those of this build.
func actions() templates.Actions {
	all := templates.Actions{}
	for _, info := range worker.Registry(config.Config{}, nil).Infos() {
		all[info.ID] = info
	}
	return all
}

func database(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

func library(t *testing.T, db Store, sources ...Source) *Library {
	t.Helper()
	l, err := Open(t.Context(), Options{Store: db, Sources: sources, Actions: actions(), Every: time.Hour, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// misspelt makes a template that is refused of a good one.
func misspelt(template string) string {
	return strings.NewReplacer("v1beta3", "v3", "fetch:plain", "fetch:plian").Replace(template)
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	name = filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
}

// read gives a file of a version's archive, as a run would read it.
func read(t *testing.T, db fetch.Archives, v *templates.Version, name string) string {
	t.Helper()
	require.True(t, v.Plan.Template.Stored)
	files, done, err := fetch.NewKept(db).Open(t.Context(), v.Digest)
	require.NoError(t, err)
	defer done()
	content, err := fs.ReadFile(files, name)
	require.NoError(t, err)
	return string(content)
}

func TestFolder_Change_IsANewVersionAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), database(t)
	write(t, dir, "a/template.yaml", template("a"))
	write(t, dir, "a/skeleton/README.md", "first")
	l := library(t, db, Folder(dir))
	first, ok := l.Get("template:default/a")
	require.True(t, ok)
	require.Equal(t, "file://"+dir+"/a/template.yaml", first.BaseURL)

	write(t, dir, "a/skeleton/README.md", "second")
	require.NoError(t, l.Refresh(t.Context()))
	second, ok := l.Get("template:default/a")
	require.True(t, ok)
	require.NotEqual(t, first.Digest, second.Digest)
	require.Equal(t, "first", read(t, db, first, "skeleton/README.md"))
	require.Equal(t, "second", read(t, db, second, "skeleton/README.md"))

	require.NoError(t, os.Chmod(filepath.Join(dir, "a/skeleton/README.md"), 0o755))
	require.NoError(t, l.Refresh(t.Context()))
	third, _ := l.Get("template:default/a")
	require.NotEqual(t, second.Digest, third.Digest, "who may run a file is part of it")

	versions, err := db.TemplateVersions(t.Context(), "template:default/a", 0, 10)
	require.NoError(t, err)
	require.Len(t, versions, 3)
	require.Equal(t, third.Digest, versions[0].Digest)

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "a")))
	require.NoError(t, l.Refresh(t.Context()))
	_, ok = l.Get("template:default/a")
	require.False(t, ok)
	require.Equal(t, "first", read(t, db, first, "skeleton/README.md"), "for runs under way")
}

func TestFolder_BadChange_KeptOutWithItsProblems(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), database(t)
	write(t, dir, "a/template.yaml", template("a"))
	write(t, dir, "a/skeleton/README.md", "first")
	write(t, dir, "never/template.yaml", misspelt(template("never")))
	l := library(t, db, Folder(dir))
	good, ok := l.Get("template:default/a")
	require.True(t, ok)
	_, ok = l.Get("template:default/never")
	require.False(t, ok)
	never, ok := l.View().Find("template:default/never")
	require.True(t, ok, "its problems are shown")
	require.Equal(t, "unknown-action", never.Problems[0].Rule)
	require.Equal(t, []any{"never/template.yaml", 8}, []any{never.Problems[0].File, never.Problems[0].Line})

	for _, bad := range []string{misspelt(template("a")), "\t: {", ""} {
		write(t, dir, "a/template.yaml", bad)
		require.NoError(t, l.Refresh(t.Context()))
		now, ok := l.Get("template:default/a")
		require.True(t, ok)
		require.Equal(t, good.Digest, now.Digest)
		e, _ := l.View().Find("template:default/a")
		require.True(t, e.Kept)
		require.NotEmpty(t, e.Problems)
	}
	// A process that starts now has the last good one too.
	again := library(t, db, Folder(dir))
	now, ok := again.Get("template:default/a")
	require.True(t, ok)
	require.Equal(t, good.Digest, now.Digest)
	e, _ := again.View().Find("template:default/a")
	require.True(t, e.Kept)

	write(t, dir, "a/template.yaml", template("a"))
	require.NoError(t, l.Refresh(t.Context()))
	e, _ = l.View().Find("template:default/a")
	require.False(t, e.Kept)
	require.Empty(t, e.Problems)
	require.Equal(t, good.Digest, e.Version.Digest)
}

func TestFolder_Unreadable_WhatWasKeptIsServed(t *testing.T) {
	t.Parallel()
	dir, db := filepath.Join(t.TempDir(), "templates"), database(t)
	write(t, dir, "a/template.yaml", template("a"))
	write(t, dir, "a/skeleton/x", "x")
	l := library(t, db, Folder(dir))
	require.NoError(t, os.Rename(dir, dir+"-gone"))
	require.NoError(t, l.Refresh(t.Context()))
	_, ok := l.Get("template:default/a")
	require.True(t, ok)
	require.Equal(t, "unreadable", l.View().Sources[0].Problems[0].Rule)

	restarted := library(t, db, Folder(dir))
	v, ok := restarted.Get("template:default/a")
	require.True(t, ok, "a restart keeps it")
	require.Equal(t, "x", read(t, db, v, "skeleton/x"))
	require.Zero(t, restarted.View().Sources[0].Read)

	// Another replica can read the source, and this one follows.
	write(t, dir+"-gone", "a/skeleton/x", "y")
	require.NoError(t, os.Rename(dir+"-gone", dir))
	library(t, db, Folder(dir))
	require.NoError(t, os.Rename(dir, dir+"-gone"))
	require.NoError(t, restarted.Refresh(t.Context()))
	v, _ = restarted.Get("template:default/a")
	require.Equal(t, "y", read(t, db, v, "skeleton/x"))
}

func TestFolder_LinksStayInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "secret", "s")
	write(t, dir, "templates/a/real.yaml", template("a"))
	require.NoError(t, os.Symlink("real.yaml", filepath.Join(dir, "templates/a/template.yaml")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "templates/a/skeleton"), 0o755))
	require.NoError(t, os.Symlink("../../../secret", filepath.Join(dir, "templates/a/skeleton/out")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "templates/b"), 0o755))
	require.NoError(t, os.Symlink("../../secret", filepath.Join(dir, "templates/b/template.yaml")))
	db := database(t)
	l := library(t, db, Folder(filepath.Join(dir, "templates")))
	require.Len(t, l.View().Entries, 2)
	require.Equal(t, "unreadable", l.View().Entries[1].Problems[0].Rule)
	v, ok := l.Get("template:default/a")
	require.True(t, ok)
	files, done, err := fetch.NewKept(db).Open(t.Context(), v.Digest)
	require.NoError(t, err)
	defer done()
	_, err = fs.Stat(files, "skeleton/out")
	require.Error(t, err)
}

func TestSources_TwoWithTheSameTemplate_TheFirstCounts(t *testing.T) {
	t.Parallel()
	one, two, db := t.TempDir(), t.TempDir(), database(t)
	write(t, one, "a/template.yaml", template("a"))
	write(t, one, "a/skeleton/x", "one")
	write(t, two, "a/template.yaml", template("a"))
	write(t, two, "a/skeleton/x", "two")
	for range 2 {
		l := library(t, db, Folder(one), Folder(two))
		v, _ := l.Get("template:default/a")
		require.Equal(t, "one", read(t, db, v, "skeleton/x"))
		require.Len(t, l.List(), 1)
		require.Empty(t, l.View().Entries[0].Problems)
		require.Equal(t, "duplicate-template", l.View().Entries[1].Problems[0].Rule)
	}
	write(t, two, "a/skeleton/x", "one")
	l := library(t, db, Folder(one), Folder(two))
	require.Empty(t, l.View().Entries[1].Problems, "it is the same")
}

func TestGolden_AllOfThemAreKeptWithTheirFiles(t *testing.T) {
	t.Parallel()
	db := database(t)
	l := library(t, db, Golden(templates.Golden()))
	require.NotEmpty(t, l.List())
	for _, e := range l.View().Entries {
		require.Empty(t, e.Problems, e.Place)
		require.Equal(t, "golden://"+e.Place, e.Version.BaseURL)
		want, err := fs.ReadFile(templates.Golden(), e.Place)
		require.NoError(t, err)
		require.Equal(t, string(want), read(t, db, e.Version, "template.yaml"))
	}
}

func TestFind_WhatLiesBelowATemplateIsItsOwn(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{Data: []byte("x")}
	places, err := find(t.Context(), fstest.MapFS{
		"a/template.yaml": file, "a/skeleton/template.yaml": file, "b/c/template.yaml": file, ".git/template.yaml": file,
		"node_modules/x/template.yaml": file, "d/template.yaml/x": file, "other.yaml": file,
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a/template.yaml", "b/c/template.yaml"}, places)
}

func TestFolder_TooLarge_IsAProblem(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), database(t)
	write(t, dir, "a/template.yaml", template("a"))
	for i := range 1_000 {
		write(t, dir, fmt.Sprintf("a/skeleton/%d/x", i), "x")
	}
	l := library(t, db, Folder(dir))
	v, ok := l.Get("template:default/a")
	require.True(t, ok, "a thousand files are fine")
	require.Equal(t, "x", read(t, db, v, "skeleton/999/x"))
	require.NoError(t, os.Truncate(filepath.Join(dir, "a/skeleton/7/x"), 33<<20))
	require.NoError(t, l.Refresh(t.Context()))
	e, _ := l.View().Find("template:default/a")
	require.Contains(t, e.Problems[0].Says, "skeleton/7/x is larger than 32 MiB")
	require.Equal(t, v.Digest, e.Version.Digest)
}

func TestRefresh_NobodyRuns_GivesUpWithTheContext(t *testing.T) {
	t.Parallel()
	l, err := Open(t.Context(), Options{Store: database(t), Actions: actions(), Every: time.Hour, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, l.Refresh(ctx), fault.Unavailable)
}

// slowSource has templates of which one never ends to be read.
type slowSource struct {
	Source
	block string
}

func (s slowSource) Read(ctx context.Context) ([]Found, func(), error) {
	found, done, err := s.Source.Read(ctx)
	for i := range found {
		if found[i].Place == s.block {
			found[i].Open = func(context.Context) (fs.FS, func(), error) {
				return nil, nil, fault.New(fault.Unavailable, "it does not answer")
			}
		}
	}
	return found, done, err
}

func TestRefresh_OneThatCantBeRead_HoldsBackNoOther(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), database(t)
	for _, name := range []string{"a", "b", "c"} {
		write(t, dir, name+"/template.yaml", template(name))
		write(t, dir, name+"/skeleton/x", "x")
	}
	l := library(t, db, slowSource{Folder(dir), "b/template.yaml"})
	require.Len(t, l.List(), 2)
	require.Empty(t, l.View().Sources[0].Problems)
	require.Equal(t, "it does not answer", l.View().Entries[1].Problems[0].Says)
}

// brokenStore can't keep some version.
type brokenStore struct {
	Store
	refuse string
}

func (s brokenStore) SaveTemplate(ctx context.Context, n store.NewTemplate) error {
	if n.Ref == s.refuse {
		return fault.New(fault.Unavailable, "the database does not answer")
	}
	return s.Store.SaveTemplate(ctx, n)
}

func TestRefresh_AVersionThatIsNotKept_IsNotRun(t *testing.T) {
	t.Parallel()
	dir, db := t.TempDir(), database(t)
	for _, name := range []string{"a", "b"} {
		write(t, dir, name+"/template.yaml", template(name))
		write(t, dir, name+"/skeleton/x", "x")
	}
	l := library(t, brokenStore{db, "template:default/b"}, Folder(dir))
	require.Len(t, l.List(), 1)
	require.Equal(t, "the database does not answer", l.View().Sources[0].Problems[0].Says)
	healthy := library(t, db, Folder(dir))
	require.Len(t, healthy.List(), 2)
}
