package fetch

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// attempt runs an action with the template at base and gives the workspace as name -> content.
type attempt struct {
	options Options
	base    string
	files   *workspace.Workspace
	lines   []string
	digest  string // of a version whose files are kept
}

func (a *attempt) do(t *testing.T, make func(Options) activities.Action, input any) error {
	t.Helper()
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	call := exercise.NewMemory().Call()
	if a.files == nil {
		a.files = exercise.Files(t, nil)
	}
	call.Files = a.files
	call.Run.Template.BaseURL, call.Run.Template.Digest, call.Run.Template.Stored = a.base, a.digest, a.digest != ""
	a.lines = nil
	call.Root = "/workspaces/7"
	call.Log = func(format string, args ...any) { a.lines = append(a.lines, fmt.Sprintf(format, args...)) }
	call.LogAt = func(_ activities.LogLevel, text string, details map[string]any) {
		if len(details) > 0 {
			shown, err := json.Marshal(details)
			require.NoError(t, err)
			text += " " + string(shown)
		}
		a.lines = append(a.lines, text)
	}
	_, err = make(a.options).Do(t.Context(), call, raw)
	return err
}

func (a *attempt) got(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(a.files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			all[name+"/"] = ""
		case d.Type()&fs.ModeSymlink != 0:
			target, err := a.files.ReadLink(name)
			all[name] = "-> " + target
			return err
		default:
			content, err := fs.ReadFile(a.files, name)
			all[name] = string(content)
			return err
		}
		return nil
	}))
	return all
}

// golden serves a skeleton as the shipped template "t" does.
func golden(skeleton map[string]string) *attempt {
	files := fstest.MapFS{"t/template.yaml": {Data: []byte("kind: Template")}, "other/secret": {Data: []byte("x")}}
	for name, content := range skeleton {
		files["t/skeleton/"+name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return &attempt{options: Options{Golden: files}, base: "golden://t/template.yaml"}
}

type in map[string]any

func TestActions_Declarations_Complete(t *testing.T) {
	t.Parallel()
	registry := activities.NewRegistry(Actions(Options{})...)
	require.NoError(t, registry.Check())
	for _, a := range Actions(Options{}) {
		require.True(t, a.Info().DryRun, a.Info().ID)
	}
	info := Template(Options{}).Info()
	require.Contains(t, string(info.Input), `"required":["url"]`)
	require.Contains(t, string(info.Input), `"values":{"type":"object"`)
}

func TestTemplate_NamesAndContents_Rendered(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{
		"README.md":                      "# ${{ values.name }} by ${{ values.owner or 'nobody' }}\n",
		".github/ci.yaml":                "{% raw %}${{ github.ref }}{% endraw %} ${{ '${{' }} secrets.X }}",
		"src/${{ values.name }}/main.js": "// {% for k, v in values.env %}${{ k }}=${{ v }};{% endfor %}",
		"logo.png":                       "\x89PNG\x00${{ values.name }}",
	})
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": json.RawMessage(`{"name":"shop","env":{"z":1,"a":true}}`)}))
	require.Equal(t, map[string]string{
		"README.md":        "# shop by nobody\n",
		".github/":         "",
		".github/ci.yaml":  "${{ github.ref }} ${{ secrets.X }}",
		"src/":             "",
		"src/shop/":        "",
		"src/shop/main.js": "// z=1;a=true;",
		"logo.png":         "\x89PNG\x00${{ values.name }}",
	}, a.got(t))
}

func TestTemplate_NamePartRendersToNothing_LeftOut(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{
		"${{ 'docker' if values.docker }}/Dockerfile":     "x",
		"a/${{ 'b' if values.docker }}/c":                 "x",
		"${{ 'x.txt' if values.docker }}":                 "x",
		"kept/${{ 'y.txt' if values.docker }}":            "x",
		"{% if values.plain %}plain.txt{% endif %}":       "x",
		"deep/{% if values.plain %}d{% endif %}/file.txt": "x",
	})
	require.NoError(t, a.do(t, Template, in{"url": "skeleton", "values": in{"plain": true}}))
	require.Equal(t, map[string]string{"a/": "", "kept/": "", "plain.txt": "x", "deep/": "", "deep/d/": "", "deep/d/file.txt": "x"}, a.got(t))
}

func TestTemplate_NameLeavesTheTarget_Denied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../x", "a/../../x", `..\x`} {
		a := golden(map[string]string{"${{ values.name }}.txt": "x"})
		require.ErrorIs(t, a.do(t, Template, in{"url": "./skeleton", "targetPath": "sub", "values": in{"name": name}}), fault.Denied, name)
	}
	a := golden(map[string]string{"x": "x"})
	for _, target := range []string{"..", "../x", "/x", "a/../.."} {
		require.ErrorIs(t, a.do(t, Template, in{"url": "./skeleton", "targetPath": target}), fault.Denied, target)
		require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton", "targetPath": target}), fault.Denied, target)
	}
	for _, name := range []string{".git", ".GIT"} {
		a = golden(map[string]string{"${{ values.name }}/config": "x"})
		require.ErrorIs(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"name": name}}), fault.Denied)
	}
}

func TestSources_GitsOwnFiles_LeftOut(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]func(Options) activities.Action{"fetch:template": Template, "fetch:plain": Plain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := golden(map[string]string{
				".git/config": "x", ".git/hooks/pre-commit": "x", "module/.git": "gitdir: ../.git/modules/module", "deep/.GIT/config": "x",
				".gitignore": "*.log", ".github/CODEOWNERS": "* @acme", "a.git": "x",
			})
			require.NoError(t, a.do(t, action, in{"url": "./skeleton"}))
			require.Equal(t, map[string]string{
				".gitignore": "*.log", ".github/": "", ".github/CODEOWNERS": "* @acme", "a.git": "x", "deep/": "", "module/": "",
			}, a.got(t))
		})
	}
}

func TestTemplate_ExistingFiles_KeptUnlessReplaced(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{"a": "new", "b": "new"})
	a.files = exercise.Files(t, map[string]string{"a": "old"})
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton"}))
	require.Equal(t, map[string]string{"a": "old", "b": "new"}, a.got(t))
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "replace": true}))
	require.Equal(t, map[string]string{"a": "new", "b": "new"}, a.got(t))
}

func TestTemplate_CopyWithoutTemplating_ContentsKeptAndNamesRendered(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{
		"chart/${{ values.name }}.yaml": "${{ values.name }}",
		"chart/.hidden":                 "${{ values.name }}",
		"x.txt":                         "${{ values.name }}",
		"deep/x.txt":                    "${{ values.name }}",
		"chart/rendered.md":             "${{ values.name }}",
	})
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"name": "shop"},
		"copyWithoutTemplating": []string{"chart", "*.txt", "!chart/*.md"}}))
	require.Equal(t, map[string]string{
		"chart/": "", "chart/shop.yaml": "${{ values.name }}", "chart/.hidden": "${{ values.name }}", "chart/rendered.md": "shop",
		"x.txt": "${{ values.name }}", "deep/": "", "deep/x.txt": "shop",
	}, a.got(t))
}

func TestTemplate_FileExtension_OnlyThoseRendered(t *testing.T) {
	t.Parallel()
	skeleton := map[string]string{"a.txt.njk": "${{ values.n }}", "b.txt": "${{ values.n }}", "${{ values.n }}.c": "x"}
	a := golden(skeleton)
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"n": 5}, "templateFileExtension": true}))
	require.Equal(t, map[string]string{"a.txt": "5", "b.txt": "${{ values.n }}", "5.c": "x"}, a.got(t))

	a = golden(skeleton)
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"n": 5}, "templateFileExtension": "txt"}))
	require.Equal(t, map[string]string{"a.txt.njk": "${{ values.n }}", "b": "5", "5.c": "x"}, a.got(t))

	err := a.do(t, Template, in{"url": "./skeleton", "templateFileExtension": true, "cookiecutterCompat": true})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestTemplate_CookiecutterAndBlocks_AsAsked(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{"{{ cookiecutter.n }}.txt": "{{ cookiecutter.n | jsonify }} {% if True %}yes{% endif %}"})
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"n": "x"}, "cookiecutterCompat": true}))
	require.Equal(t, map[string]string{"x.txt": `"x" yes`}, a.got(t))

	a = golden(map[string]string{"f": "a\n  {% if true %}\nb\n  {% endif %}\nc"})
	require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "trimBlocks": true, "lstripBlocks": true}))
	require.Equal(t, map[string]string{"f": "a\nb\nc"}, a.got(t))
}

func TestTemplate_WhatCannotBeRendered_InvalidWithItsPlace(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{"dir/bad.txt": "line\n${{ values. }}"})
	err := a.do(t, Template, in{"url": "./skeleton"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "dir/bad.txt")
	require.Contains(t, err.Error(), "line 2")
	require.ErrorIs(t, a.do(t, Template, in{"url": "./skeleton", "vaules": in{}}), fault.Invalid)
}

func TestSource_OutsideTheTemplate_Refused(t *testing.T) {
	t.Parallel()
	a := golden(map[string]string{"x": "x"})
	for url, kind := range map[string]fault.Kind{
		"../other":                    fault.Denied, // above the folder of the template is not the other template
		"../../etc":                   fault.Denied,
		"/etc/passwd":                 fault.Denied,
		"./nowhere":                   fault.NotFound,
		"file:///etc":                 fault.Denied,
		"golden://other":              fault.Denied,
		"http://github.com/o/r":       fault.Denied,
		"https://evil.example.com/x":  fault.Denied,
		`.\..\x`:                      fault.Denied,
		"https://user:pw@github.com/": fault.Invalid,
	} {
		for _, action := range []func(Options) activities.Action{Plain, Template} {
			err := a.do(t, action, in{"url": url})
			require.ErrorIs(t, err, kind, url)
			require.NotContains(t, err.Error(), "pw")
		}
		for _, action := range []func(Options) activities.Action{PlainFile, TemplateFile} {
			require.ErrorIs(t, a.do(t, action, in{"url": url, "targetPath": "to"}), kind, url)
		}
	}
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./template.yaml"}), fault.Invalid)
	require.ErrorIs(t, a.do(t, PlainFile, in{"url": "./skeleton", "targetPath": "to"}), fault.Invalid)
	a.base = ""
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.Invalid)
	a.base = "https://example.com/template.yaml"
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.Invalid)
	a.base = "golden://nobody/template.yaml"
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.NotFound)
}

func TestPlain_LocalFolder_CopiedWithModesAndLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	skeleton := filepath.Join(dir, "skeleton")
	require.NoError(t, os.MkdirAll(filepath.Join(skeleton, "empty"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(skeleton, "run.sh"), []byte("${{ x }}"), 0o755))
	require.NoError(t, os.Symlink("run.sh", filepath.Join(skeleton, "link")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(skeleton, "out")))
	a := &attempt{base: "file://" + dir + "/template.yaml"}
	require.NoError(t, a.do(t, Plain, in{"url": "./skeleton", "targetPath": "to"}))
	require.Equal(t, map[string]string{"to/": "", "to/empty/": "", "to/run.sh": "${{ x }}", "to/link": "-> run.sh"}, a.got(t))
	info, err := a.files.Stat("to/run.sh")
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode())
	require.Contains(t, a.lines[len(a.lines)-1], "Leaving out the link out")

	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "etc")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "passwd")))
	require.Error(t, a.do(t, Plain, in{"url": "./etc"}))
	require.Error(t, a.do(t, PlainFile, in{"url": "./passwd", "targetPath": "x"}))
	require.ErrorIs(t, a.do(t, Plain, in{"url": "../"}), fault.Denied)
}
