package fs

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// desk is a call in a workspace. Links are written "-> target", folders end with a slash.
type desk struct {
	*workspace.Workspace
	t      *testing.T
	memory *exercise.Memory
	call   *activities.Call
}

func newDesk(t *testing.T, files ...string) *desk {
	d := &desk{Workspace: exercise.Files(t, nil), t: t, memory: exercise.NewMemory()}
	for _, f := range files {
		name, target, link := strings.Cut(f, " -> ")
		switch {
		case link:
			require.NoError(t, d.Symlink(target, name))
		case strings.HasSuffix(f, "/"):
			require.NoError(t, d.Mkdir(f))
		default:
			require.NoError(t, d.WriteFile(f, []byte("in "+f), 0o644))
		}
	}
	d.call = d.memory.Call()
	d.call.Files, d.call.Root = d.Workspace, "/workspaces/t"
	d.call.LogAt = func(level activities.LogLevel, text string, details map[string]any) {
		shown, err := json.Marshal(details)
		require.NoError(t, err)
		d.call.Log("%s: %s %s", level, text, shown)
	}
	return d
}

func (d *desk) do(id string, input any) (json.RawMessage, error) {
	return d.doWith(d.t.Context(), id, input)
}

func (d *desk) doWith(ctx context.Context, id string, input any) (json.RawMessage, error) {
	raw, err := json.Marshal(input)
	require.NoError(d.t, err)
	for _, a := range Actions() {
		if a.Info().ID == id {
			return a.Do(ctx, d.call, raw)
		}
	}
	d.t.Fatalf("there is no action %s", id)
	return nil, nil
}

func (d *desk) all() []string {
	var names []string
	require.NoError(d.t, fs.WalkDir(d.Workspace, ".", func(name string, e fs.DirEntry, err error) error {
		if e.IsDir() {
			name += "/"
		}
		if name != "./" {
			names = append(names, name)
		}
		return err
	}))
	return names
}

func moves(parts ...string) RenameInput {
	return RenameInput{Files: []Move{{From: parts[0], To: parts[1], Overwrite: len(parts) > 2}}}
}

func TestActions_Declarations_CompleteAndRunDry(t *testing.T) {
	t.Parallel()
	require.NoError(t, activities.NewRegistry(Actions()...).Check())
	for _, a := range Actions() {
		require.True(t, a.Info().DryRun)
		require.True(t, a.Info().Local)
	}
}

func TestDelete_PathsAndPatterns_OnlyFilesGo(t *testing.T) {
	t.Parallel()
	tree := []string{"a", "d/.x", "d/e/f", "d/g", "empty/", "l -> a", "ld -> d", "nothing -> gone", "z.txt"}
	for pattern, gone := range map[string][]string{
		"a":                    {"a"},
		"d":                    {"d/.x", "d/e/f", "d/g"},
		"d/":                   {"d/.x", "d/e/f", "d/g"},
		"*":                    {"a", "l", "z.txt"},
		"**/*":                 {"a", "d/.x", "d/e/f", "d/g", "l", "z.txt"},
		"":                     {"a", "d/.x", "d/e/f", "d/g", "l", "z.txt"},
		"d/*":                  {"d/.x", "d/g"},
		"l":                    {"l"},
		"ld/g":                 {"d/g"},
		"ld/e":                 {"d/e/f"},
		"nothing":              nil,
		"no/such*":             nil,
		".git/**":              nil,
		"{a,z.txt}":            {"a", "z.txt"},
		"/workspaces/t/d/e":    {"d/e/f"},
		`d\g`:                  {"d/g"},
		"./d/../a":             {"a"},
		"!(a)":                 {"l", "z.txt"},
		"/workspaces/t/d/e/**": {"d/e/f"},
	} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, tree...)
			before := d.all()
			_, err := d.do("fs:delete", DeleteInput{Files: []string{pattern}})
			require.NoError(t, err)
			require.ElementsMatch(t, before, append(d.all(), gone...), "folders stay")
			require.GreaterOrEqual(t, len(d.memory.Lines()), len(gone), "a file has a line for each name that it was found by")
		})
	}
}

func TestDelete_File_Logged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "d/a")
	_, err := d.do("fs:delete", DeleteInput{Files: []string{"d/a"}})
	require.NoError(t, err)
	require.Equal(t, []string{"File /workspaces/t/d/a deleted successfully"}, d.memory.Lines())
	require.Equal(t, []string{"d/"}, d.all())
}

func TestRename_FilesFoldersAndLinks_Moved(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "a", "d/e/f", "d/empty/", "d/l -> e/f", "x", "gone -> nowhere")
	require.NoError(t, d.WriteFile("d/run", []byte("#!/bin/sh"), 0o755))
	_, err := d.do("fs:rename", RenameInput{Files: []Move{
		{From: "a", To: "new/deep/a"},
		{From: "d", To: "moved/d"},
		{From: "x", To: "/workspaces/t/new/deep/a", Overwrite: true},
		{From: "new/deep/a", To: "gone"},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{
		"gone", "moved/", "moved/d/", "moved/d/e/", "moved/d/e/f", "moved/d/empty/", "moved/d/l", "moved/d/run", "new/", "new/deep/",
	}, d.all())
	content, err := fs.ReadFile(d, "gone")
	require.NoError(t, err)
	require.Equal(t, "in x", string(content))
	through, err := fs.ReadFile(d, "moved/d/l")
	require.NoError(t, err)
	require.Equal(t, "in d/e/f", string(through))
	info, err := d.Stat("moved/d/run")
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode())
	require.Equal(t, "File /workspaces/t/a renamed to /workspaces/t/new/deep/a successfully", d.memory.Lines()[0])
}

func TestRename_FolderOverFolder_ReplacesIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "new/a", "old/b/c")
	_, err := d.do("fs:rename", moves("new", "old", "overwrite"))
	require.NoError(t, err)
	require.Equal(t, []string{"old/", "old/a"}, d.all())
}

// The words are those of Node 20 with fs-extra 11 on the same files.
func TestRename_Impossible_FailsInNodesWords(t *testing.T) {
	t.Parallel()
	tree := []string{"a/b/c/d", "a/z", "b/z", "b/l -> ../a"}
	for _, c := range []struct {
		from, to  string
		overwrite bool
		text      string
		kind      fault.Kind
	}{
		{"a", "a/b/q", false, "Cannot move '/workspaces/t/a' to a subdirectory of itself, '/workspaces/t/a/b/q'.", fault.Conflict},
		{"a/z", "a/z/q", false, "ENOTDIR: not a directory, lstat '/workspaces/t/a/z/q'", fault.Conflict},
		{"nope/x", "y", false, "ENOENT: no such file or directory, lstat '/workspaces/t/nope/x'", fault.NotFound},
		{"a/z/q", "y", false, "ENOTDIR: not a directory, lstat '/workspaces/t/a/z/q'", fault.Conflict},
		{"a/z", "b/z/x", false, "ENOTDIR: not a directory, lstat '/workspaces/t/b/z/x'", fault.Conflict},
		{"a/z", "b/z", false, "dest already exists.", fault.Conflict},
		{"a", "b/z", false, "Cannot overwrite non-directory '/workspaces/t/b/z' with directory '/workspaces/t/a'.", fault.Conflict},
		{"a/z", "b", false, "Cannot overwrite directory '/workspaces/t/b' with non-directory '/workspaces/t/a/z'.", fault.Conflict},
		{"a/z", "a/z", true, "Source and destination must not be the same.", fault.Conflict},
		{"a/z", "b/l/z", true, "Source and destination must not be the same.", fault.Conflict},
		{"a", "b/l/new", false, "Cannot move '/workspaces/t/a' to a subdirectory of itself, '/workspaces/t/b/l/new'.", fault.Conflict},
		{"a/b", "a", true, "ENOENT: no such file or directory, rename '/workspaces/t/a/b' -> '/workspaces/t/a'", fault.NotFound},
		{".", "x", false, "Cannot move '/workspaces/t' to a subdirectory of itself, '/workspaces/t/x'.", fault.Conflict},
		{"a", ".", false, "dest already exists.", fault.Conflict},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, tree...)
			before := d.all()
			_, err := d.do("fs:rename", RenameInput{Files: []Move{{From: c.from, To: c.to, Overwrite: c.overwrite}}})
			f := fault.From(err)
			require.Equal(t, c.text, f.Public)
			require.Equal(t, c.kind, f.Kind)
			require.True(t, f.Kind.Final())
			require.Equal(t, "Error", f.BackstageName())
			require.Equal(t, before, d.all())
			if strings.HasPrefix(c.text, "ENOTDIR") { // found before anything is tried
				require.Empty(t, d.memory.Lines())
				return
			}
			require.Len(t, d.memory.Lines(), 1)
			require.Contains(t, d.memory.Lines()[0], c.text)
		})
	}
}

func TestRename_MissingSource_LoggedAsRecorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.do("fs:rename", moves("does-not-exist", "x"))
	require.EqualError(t, err, "NotFound: ENOENT: no such file or directory, lstat '/workspaces/t/does-not-exist'")
	require.Equal(t, []string{
		`error: Failed to rename file /workspaces/t/does-not-exist to /workspaces/t/x: ENOENT: no such file or directory, lstat '/workspaces/t/does-not-exist' ` +
			`{"code":"ENOENT","errno":-2,"path":"/workspaces/t/does-not-exist","stack":"Error: ENOENT: no such file or directory, lstat '/workspaces/t/does-not-exist'","syscall":"lstat"}`,
	}, d.memory.Lines())
}

func TestRename_NoNames_Invalid(t *testing.T) {
	t.Parallel()
	for _, m := range []RenameInput{moves("", "x"), moves("x", "")} {
		_, err := newDesk(t, "x").do("fs:rename", m)
		require.EqualError(t, err, "Invalid: each file must have a from and to property")
	}
}

// The order is that of Node 20 on the same files.
func TestReadDir_Folders_Listed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "a/b/c/d", "a/b2/c/d", "a/z", "b/z", "b/l -> ../a")
	list := func(recursive bool, paths ...Path) (files, folders []string) {
		raw, err := d.do("fs:readdir", ReadDirInput{Paths: paths, Recursive: recursive})
		require.NoError(t, err)
		var out ReadDirOutput
		require.NoError(t, json.Unmarshal(raw, &out))
		for _, e := range out.Files {
			require.Equal(t, "/workspaces/t/"+e.Path, e.FullPath)
			files = append(files, e.Path)
		}
		for _, e := range out.Folders {
			folders = append(folders, e.Path)
		}
		return files, folders
	}
	files, folders := list(true, ".")
	require.Equal(t, []string{"b/l", "b/z", "a/z", "a/b2/c/d", "a/b/c/d"}, files)
	require.Equal(t, []string{"a", "b", "a/b", "a/b2", "a/b2/c", "a/b/c"}, folders)
	files, folders = list(false, "a", "/workspaces/t/b", "b/l")
	require.Equal(t, []string{"a/z", "b/l", "b/z", "b/l/z"}, files)
	require.Equal(t, []string{"a/b", "a/b2", "b/l/b", "b/l/b2"}, folders)

	raw, err := newDesk(t).do("fs:readdir", ReadDirInput{Paths: []Path{"."}})
	require.NoError(t, err)
	require.JSONEq(t, `{"files":[],"folders":[]}`, string(raw))
	raw, err = newDesk(t, "d/x").do("fs:readdir", ReadDirInput{Paths: []Path{"d"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"files":[{"name":"x","path":"d/x","fullPath":"/workspaces/t/d/x"}],"folders":[]}`, string(raw))
}

func TestReadDir_NoFolder_FailsInNodesWords(t *testing.T) {
	t.Parallel()
	for name, text := range map[Path]string{
		"nope":    "ENOENT: no such file or directory, scandir '/workspaces/t/nope'",
		"a/z":     "ENOTDIR: not a directory, scandir '/workspaces/t/a/z'",
		"a/z/q":   "ENOTDIR: not a directory, lstat '/workspaces/t/a/z/q'",
		"nothing": "ENOENT: no such file or directory, scandir '/workspaces/t/nothing'",
	} {
		_, err := newDesk(t, "a/z", "nothing -> gone").do("fs:readdir", ReadDirInput{Paths: []Path{name}})
		require.Equal(t, text, fault.From(err).Public)
		require.Equal(t, "Error", fault.From(err).BackstageName())
	}
	_, err := newDesk(t).do("fs:readdir", ReadDirInput{Paths: []Path{""}})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestHostile_PathsOutside_Denied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"..", "../x", "a/../../x", "/etc/passwd", "/workspaces", "/workspaces/t2/x", "../t2/x", "..x"} {
		for id, input := range map[string]any{
			"fs:delete":  DeleteInput{Files: []string{name}},
			"fs:readdir": ReadDirInput{Paths: []Path{Path(name)}},
			"fs:rename":  moves(name, "y"),
			"fs:rename ": moves("x", name),
		} {
			_, err := newDesk(t, "x").do(strings.TrimSpace(id), input)
			require.ErrorIs(t, err, fault.Denied, "%s %s", id, name)
			require.Equal(t, "Relative path is not allowed to refer to a directory outside its parent", fault.From(err).Public)
		}
	}
}

func TestHostile_RenamedLinkThatWouldLeave_Denied(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "a/b/up -> ../..", "x")
	_, err := d.do("fs:rename", moves("a/b", "b"))
	require.ErrorIs(t, err, fault.Denied)
	_, err = d.do("fs:rename", moves("a/b/up", "up"))
	require.ErrorIs(t, err, fault.Denied)
	require.Equal(t, []string{"a/", "a/b/", "a/b/up", "x"}, d.all())
}

func TestHostile_RepositoryOfGit_OutOfReach(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "x")
	for _, to := range []string{".git/hooks/post-checkout", ".GIT/config", "sub/.git/config"} {
		_, err := d.do("fs:rename", moves("x", to))
		require.ErrorIs(t, err, fault.Denied, to)
	}
}

func TestHostile_EndlessListing_Refused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 1000 {
		require.NoError(t, d.WriteFile(fmt.Sprint(i), nil, 0o644))
	}
	paths := make([]Path, 100)
	for i := range paths {
		paths[i] = "."
	}
	_, err := d.do("fs:readdir", ReadDirInput{Paths: paths})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestDelete_Cancelled_Stops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newDesk(t, "x").doWith(ctx, "fs:delete", DeleteInput{Files: []string{"*"}})
	require.Error(t, err)
}
