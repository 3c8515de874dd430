package exercise

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// recording is what an action of Backstage was given and came to. Files are a map from name to content, where
// the end of a name says what it is: "/" a folder, "@" a link, "*" executable, "#" content in base64.
type recording struct {
	Name      string            `json:"name"`
	Action    string            `json:"action"`
	Source    map[string]string `json:"source"` // beside the template
	Workspace map[string]string `json:"workspace"`
	Input     json.RawMessage   `json:"input"`
	Want      outcome           `json:"want"`
	// Ours is what Gildway does instead, for the reason Because.
	Ours    *outcome `json:"ours"`
	Because string   `json:"because"`
}

type outcome struct {
	Tree   map[string]string `json:"tree"`
	Logs   []string          `json:"logs"`
	Output json.RawMessage   `json:"output,omitempty"`
	Error  *struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// byFileSystem are the actions that go through files in the order in which Backstage's file system gives them.
var byFileSystem = map[string]bool{"fs:delete": true, "fetch:template": true}

// Replay holds actions against a file of recordings of the npm package that Backstage runs: same files, outputs,
// log lines and errors. In the recordings the workspace is /workspaces/7 and the template's folder is /template.
func Replay(t *testing.T, file string, actions ...activities.Action) {
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var recordings []recording
	require.NoError(t, json.Unmarshal(raw, &recordings))
	registry := activities.NewRegistry(actions...)
	for _, r := range recordings {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			action, known := registry.Get(r.Action)
			require.True(t, known)
			want := r.Want
			if r.Ours != nil {
				require.NotEmpty(t, r.Because)
				want = *r.Ours
			}
			got := r.replay(t, action)
			require.Equal(t, want.Error, got.Error)
			require.Equal(t, want.Tree, got.Tree)
			if byFileSystem[r.Action] {
				require.ElementsMatch(t, want.Logs, got.Logs)
			} else {
				require.Equal(t, want.Logs, got.Logs)
			}
			require.Equal(t, len(want.Output) > 0, len(got.Output) > 0)
			if len(want.Output) > 0 {
				require.JSONEq(t, string(want.Output), string(got.Output))
			}
		})
	}
}

func (r recording) replay(t *testing.T, action activities.Action) (got outcome) {
	dir := t.TempDir()
	onDisk(t, dir, r.Source)
	memory := NewMemory()
	call := memory.Call()
	files := Files(t, nil)
	inWorkspace(t, files, r.Workspace)
	call.Files, call.Root = files, "/workspaces/7"
	call.Run.Template.BaseURL, call.Run.Template.Ref = "file://"+dir+"/template.yaml", "template:default/t"
	got.Logs = []string{}
	call.Log = func(format string, args ...any) { got.Logs = append(got.Logs, "info: "+fmt.Sprintf(format, args...)) }
	call.LogAt = func(level activities.LogLevel, text string, details map[string]any) {
		line := string(level) + ": " + text
		if level == activities.LogInfo && len(details) > 0 {
			shown, err := json.Marshal(details)
			require.NoError(t, err)
			line += " " + string(shown)
		}
		got.Logs = append(got.Logs, line)
	}
	output, err := action.Do(t.Context(), call, r.Input)
	if err == nil && string(output) != "{}" {
		got.Output = output
	}
	if err != nil {
		e := fault.From(err)
		got.Error = &struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}{e.BackstageName(), strings.ReplaceAll(e.Public, dir, "/template")}
	}
	got.Tree = treeOf(t, files)
	return got
}

// kindOf parts a name and what its end says.
func kindOf(name string) (bare string, kind byte) {
	if last := name[len(name)-1]; strings.IndexByte("/@*#", last) >= 0 {
		return name[:len(name)-1], last
	}
	return name, 0
}

func contentOf(t *testing.T, kind byte, written string) []byte {
	if kind != '#' {
		return []byte(written)
	}
	content, err := base64.StdEncoding.DecodeString(written)
	require.NoError(t, err)
	return content
}

func onDisk(t *testing.T, dir string, files map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		bare, kind := kindOf(name)
		at, mode := filepath.Join(dir, bare), fs.FileMode(0o644)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		switch kind {
		case '/':
			require.NoError(t, os.MkdirAll(at, 0o755))
			continue
		case '@':
			require.NoError(t, os.Symlink(files[name], at))
			continue
		case '*':
			mode = 0o755
		}
		require.NoError(t, os.WriteFile(at, contentOf(t, kind, files[name]), mode))
	}
}

func inWorkspace(t *testing.T, into *workspace.Workspace, files map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		bare, kind := kindOf(name)
		if above := path.Dir(bare); above != "." {
			require.NoError(t, into.Mkdir(above)) // folders stay when they are emptied
		}
		switch kind {
		case '/':
			require.NoError(t, into.Mkdir(bare))
		case '@':
			require.NoError(t, into.Symlink(files[name], bare))
		case '*':
			require.NoError(t, into.WriteFile(bare, contentOf(t, kind, files[name]), 0o755))
		default:
			require.NoError(t, into.WriteFile(bare, contentOf(t, kind, files[name]), 0o644))
		}
	}
}

func treeOf(t *testing.T, files *workspace.Workspace) map[string]string {
	tree := map[string]string{}
	require.NoError(t, fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			tree[name+"/"] = ""
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := files.ReadLink(name)
			tree[name+"@"] = target
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case !utf8.Valid(content) || slices.Contains(content, 0):
			tree[name+"#"] = base64.StdEncoding.EncodeToString(content)
		case info.Mode()&0o111 != 0:
			tree[name+"*"] = string(content)
		default:
			tree[name] = string(content)
		}
		return nil
	}))
	return tree
}
