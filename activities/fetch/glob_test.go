package fetch

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/glob"
)

// recorded reads answers that the npm packages gave.
func recorded(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, into))
}

// tree is the folder that the answers of globby were recorded in.
func tree(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{
		"a.txt", "b.md", "chart/x.yaml", "chart/.h", "chart/sub/y.md", "raw/keep.txt", "b[x]/q.txt", ".hid/z", "src/js/m.js", "src/n.ts", ".dot",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, os.Symlink("chart", filepath.Join(dir, "lnk")))
	return dir
}

func TestGlobs_AsGlobbySelects(t *testing.T) {
	t.Parallel()
	var cases []struct{ Patterns, Selected []string }
	recorded(t, "globby.json", &cases)
	files := os.DirFS(tree(t))
	all, err := list(t.Context(), files)
	require.NoError(t, err)
	for _, c := range cases {
		g, err := glob.Select(files, c.Patterns)
		require.NoError(t, err, "%q", c.Patterns)
		got := []string{}
		for _, f := range all {
			if g.Has(f.name, f.IsDir()) {
				got = append(got, f.location())
			}
		}
		slices.Sort(got)
		// Backstage asks whether an entry of its list is selected: what is reached through a link is not in there.
		want := slices.DeleteFunc(c.Selected, func(name string) bool { return len(name) > 4 && name[:4] == "lnk/" })
		require.Equal(t, want, got, "%q", c.Patterns)
	}
}

func TestGlobs_Hostile_EndsSoon(t *testing.T) {
	t.Parallel()
	files := os.DirFS(t.TempDir())
	for _, p := range []string{"{1..1000000000}", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "x!(!(!(a)))"} {
		_, err := glob.Select(files, []string{p})
		require.ErrorIs(t, err, fault.Invalid, p)
	}
	for _, p := range []string{"[", "]", "[]", "[!]", "{", "}", "(", ")", "@(", `\`, "!(a)b", "x!(a)", "[z-a]", "[[:alpha:]", "****/***", "{a,", "*(*(*(a)))", "[a\\]"} {
		_, err := glob.Select(files, []string{p})
		require.NoError(t, err, p)
	}
}

func TestIsBinary_AsIsbinaryfileSays(t *testing.T) {
	t.Parallel()
	var cases [][3]any // content, verdict, content read as UTF-8 text
	recorded(t, "isbinaryfile.json", &cases)
	bytes := func(v any) []byte {
		raw, err := base64.StdEncoding.DecodeString(v.(string))
		require.NoError(t, err)
		return raw
	}
	for _, c := range cases {
		content := bytes(c[0])
		require.Equal(t, c[1], isBinary(content), "%q", content)
		require.Equal(t, string(bytes(c[2])), text(content), "%q", content)
	}
}
