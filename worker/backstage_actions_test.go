package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// recordedCall is one call of an action of Backstage 4.2 on files, and what came of it. Its workspace reads
// /workspaces/7, the folder of its template /template.
type recordedCall struct {
	Name, Action      string
	Input             json.RawMessage
	Source, Workspace []recordedFile
	Result            struct {
		Error  *struct{ Name, Message string }
		Output json.RawMessage
		Logs   []string
		Files  []recordedFile
	}
}

type recordedFile struct {
	Path    string
	Mode    fs.FileMode
	Content []byte
	Link    *string
	Dir     bool
}

func (f recordedFile) String() string {
	switch {
	case f.Dir:
		return "/"
	case f.Link != nil:
		return "-> " + *f.Link
	default:
		return fmt.Sprintf("%t %q", f.Mode&0o100 != 0, f.Content)
	}
}

// The recordings are generated calls of the npm package @backstage/plugin-scaffolder-backend 4.2.0.
func TestBackstage_RecordedActions_SameFilesOutputsAndWords(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/backstage/actions.json")
	require.NoError(t, err)
	var calls []recordedCall
	require.NoError(t, json.Unmarshal(raw, &calls))
	registry := Registry(config.Config{}, os.DirFS(t.TempDir()))
	for _, c := range calls {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.replay(t, registry)
		})
	}
}

func (c recordedCall) replay(t *testing.T, registry *activities.Registry) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "template.yaml"), []byte("x"), 0o644))
	for _, f := range c.Source {
		name := filepath.Join(dir, f.Path)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		switch {
		case f.Dir:
			require.NoError(t, os.MkdirAll(name, 0o755))
		case f.Link != nil:
			require.NoError(t, os.Symlink(*f.Link, name))
		default:
			require.NoError(t, os.WriteFile(name, f.Content, max(f.Mode, 0o644)))
		}
	}
	files := exercise.Files(t, nil)
	for _, f := range c.Workspace {
		switch {
		case f.Dir:
			require.NoError(t, files.Mkdir(f.Path))
		case f.Link != nil:
			require.NoError(t, files.Symlink(*f.Link, f.Path))
		default:
			require.NoError(t, files.WriteFile(f.Path, f.Content, max(f.Mode, 0o644)))
		}
	}
	lines := []string{}
	call := &activities.Call{
		Files: files, Root: "/workspaces/7",
		Log: func(format string, args ...any) { lines = append(lines, "info: "+fmt.Sprintf(format, args...)) },
		LogAt: func(level activities.LogLevel, text string, details map[string]any) {
			line := string(level) + ": " + text
			if details != nil {
				raw, err := json.Marshal(details)
				require.NoError(t, err)
				line += " " + string(raw)
			}
			lines = append(lines, line)
		},
		Once: func(ctx context.Context, _ string, into any, fn func(context.Context) (any, error)) error {
			v, err := fn(ctx)
			if err != nil {
				return err
			}
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			return json.Unmarshal(raw, into)
		},
	}
	call.Run.Template.BaseURL, call.Run.Template.Ref, call.Run.Task = "file://"+dir+"/template.yaml", "template:default/rec", "7"
	action, ok := registry.Get(c.Action)
	require.True(t, ok)
	output, err := action.Do(t.Context(), call, c.Input)
	t.Logf("input %s", c.Input)
	failed := c.Result.Error
	if c.Action == "fetch:plain:file" && strings.Contains(string(c.Input), "/e/o") {
		failed = nil // Backstage forgets to make the folders above the file
	}
	if failed != nil {
		require.Error(t, err)
		f := fault.From(err)
		switch failed.Name {
		case "TemplateRenderError": // theirs doesn't say which file
			require.Equal(t, failed.Name, f.BackstageName())
			require.True(t, strings.HasSuffix(f.Public, ": "+failed.Message), "%s, recorded was: %s", f.Public, failed.Message)
		case "InputError", "NotAllowedError":
			require.Equal(t, failed.Name+": "+failed.Message, f.BackstageName()+": "+f.Public)
		}
		return
	}
	require.NoError(t, err)
	if c.Result.Error != nil {
		return
	}
	require.JSONEq(t, string(c.Result.Output), string(output))
	want := map[string]string{}
	for _, f := range c.Result.Files {
		want[f.Path] = f.String()
	}
	require.Equal(t, want, taken(t, files))
	// The order of files in a folder is the file system's, and of names in details the logger's.
	plain := func(lines []string) []string {
		short := []string{}
		for _, line := range lines {
			text, _, _ := strings.Cut(line, " {")
			short = append(short, text)
		}
		slices.Sort(short)
		return short
	}
	require.Equal(t, plain(c.Result.Logs), plain(lines))
}

func taken(t *testing.T, files *workspace.Workspace) map[string]string {
	all := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := files.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
			f := recordedFile{Path: name, Dir: e.IsDir()}
			if e.Type()&fs.ModeSymlink != 0 {
				link, err := files.ReadLink(name)
				require.NoError(t, err)
				f.Link = &link
			} else if !f.Dir {
				info, err := e.Info()
				require.NoError(t, err)
				f.Mode = info.Mode()
				f.Content, err = files.ReadFile(name)
				require.NoError(t, err)
			}
			all[name] = f.String()
			if f.Dir {
				walk(name)
			}
		}
	}
	walk(".")
	return all
}
