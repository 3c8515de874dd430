package fetch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
)

// beside puts files in a folder of this machine, where the template is too. A name that ends with a slash is a folder,
// one with a star is executable.
func beside(t *testing.T, files map[string]string) *attempt {
	dir := t.TempDir()
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if bare, ok := cutSuffix(name, "*"); ok {
			name, mode = bare, 0o755
		}
		if bare, ok := cutSuffix(name, "/"); ok {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, bare), 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), mode))
	}
	return &attempt{base: "file://" + dir + "/template.yaml"}
}

func cutSuffix(name, end string) (string, bool) {
	if len(name) > 0 && name[len(name)-1:] == end {
		return name[:len(name)-1], true
	}
	return name, false
}

var recordedInput = in{
	"url": "./skeleton", "copyWithoutTemplating": []string{"raw/**"},
	"values": in{"name": "rec-svc", "owner": "group:default/guests", "description": "Recorded", "port": 9000, "environments": []string{"dev", "prod"}},
}

// What a dry run of Backstage 4.2 logged and made, word for word.
func TestTemplate_RecordedDryRun_SameLinesAndFiles(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{
		"template.yaml":                       "unused",
		"skeleton/README.md":                  "# ${{ values.name }}\n",
		"skeleton/src/${{ values.name }}.txt": "port=${{ values.port }}\n",
		"skeleton/raw/keep.txt":               "as is ${{ values.name }}\n",
		"skeleton/bin.dat":                    "\x00\x01\x02\xff",
	})
	require.NoError(t, a.do(t, Template, recordedInput))
	require.Equal(t, []string{
		"Fetching template content from remote URL",
		"Listing files and directories in template",
		`Processing 6 template files/directories with input values {"description":"Recorded","environments":["dev","prod"],"name":"rec-svc","owner":"group:default/guests","port":9000}`,
		"Writing file README.md to template output path with mode 33188.",
		"Copying file binary or symbolic link at bin.dat, to template output path.",
		"Writing directory raw/ to template output path.",
		"Writing directory src/ to template output path.",
		"Copying file/directory raw/keep.txt without processing.",
		"Writing file raw/keep.txt to template output path with mode 33188.",
		"Writing file src/${{ values.name }}.txt to template output path with mode 33188.",
		"Template result written to /workspaces/7",
	}, a.lines)
	require.Equal(t, map[string]string{
		"README.md": "# rec-svc\n", "bin.dat": "\x00\x01\x02\xff", "raw/": "", "raw/keep.txt": "as is ${{ values.name }}\n", "src/": "", "src/rec-svc.txt": "port=9000\n",
	}, a.got(t))
}

// What a run of Backstage 4.2 logged.
func TestTemplate_RecordedRun_SameLines(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{
		"skeleton/README.md": "# ${{ values.name }}\n\n${{ values.description }}\n\n{%- for e in values.environments %}\n- ${{ e }}\n{%- endfor %}\n",
		"skeleton/run.sh*":   "#!/bin/sh\necho ${{ values.name }}\n", "skeleton/raw/keep.txt": "kept as is: ${{ values.name }}\n",
		"skeleton/src/${{ values.name }}.txt": "x",
	})
	require.NoError(t, a.do(t, Template, recordedInput))
	require.Equal(t, []string{
		"Writing file README.md to template output path with mode 33188.",
		"Writing directory raw/ to template output path.",
		"Writing file run.sh to template output path with mode 33261.",
		"Writing directory src/ to template output path.",
		"Copying file/directory raw/keep.txt without processing.",
		"Writing file raw/keep.txt to template output path with mode 33188.",
		"Writing file src/${{ values.name }}.txt to template output path with mode 33188.",
		"Template result written to /workspaces/7",
	}, a.lines[3:])
	require.Equal(t, "# rec-svc\n\nRecorded\n- dev\n- prod\n", a.got(t)["README.md"])
	info, err := fs.Stat(a.files, "run.sh")
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode())
}

func TestTemplate_NoValues_NothingBehindTheLine(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/a": "[${{ values }}][${{ values.x }}]", "s/empty/": ""})
	require.NoError(t, a.do(t, Template, in{"url": "./s", "targetPath": "/workspaces/7/sub"}))
	require.Equal(t, "Processing 2 template files/directories with input values", a.lines[2])
	require.Equal(t, "Template result written to /workspaces/7/sub", a.lines[len(a.lines)-1])
	require.Equal(t, map[string]string{"sub/": "", "sub/a": "[][]", "sub/empty/": ""}, a.got(t))
}

func TestTemplate_CopyWithoutRender_AcceptedAndNotRead(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/a": "${{ values.n }}"})
	require.NoError(t, a.do(t, Template, in{"url": "./s", "values": in{"n": 1}, "copyWithoutRender": []string{"**"}, "templateFileExtension": ""}))
	require.Equal(t, map[string]string{"a": "1"}, a.got(t))
	for _, clash := range []in{{"copyWithoutTemplating": []string{}}, {"cookiecutterCompat": true}} {
		clash["url"], clash["templateFileExtension"] = "./s", "njk"
		require.ErrorIs(t, a.do(t, Template, clash), fault.Invalid)
	}
}

func TestTemplate_LastPartOfANameRendersToNothing_FolderStays(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/kept/${{ values.no }}": "x"})
	require.NoError(t, a.do(t, Template, in{"url": "./s"}))
	require.Equal(t, map[string]string{"kept/": ""}, a.got(t))
	require.ErrorIs(t, a.do(t, Template, in{"url": "./s", "replace": true}), fault.Conflict)
}

func TestTemplate_TextThatIsNotUTF8_ReadAsBackstageReadsIt(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/latin1.properties": "greeting=Gr\xfc\xdfe aus ${{ values.n }}, und noch etwas mehr Text"})
	require.NoError(t, a.do(t, Template, in{"url": "./s", "values": in{"n": "x"}}))
	require.Equal(t, map[string]string{"latin1.properties": "greeting=Gr\uFFFD\uFFFDe aus x, und noch etwas mehr Text"}, a.got(t))
	require.NoError(t, a.do(t, Plain, in{"url": "./s", "targetPath": "plain"}))
	require.Contains(t, a.got(t)["plain/latin1.properties"], "Gr\xfc\xdfe")
}

func TestTemplate_Modes_OfTheSourceUnlessTheFileIsThere(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/a*": "x", "s/b": "x", "s/c.bin*": "\x00"})
	a.files = exercise.Files(t, map[string]string{"a": "old"})
	require.NoError(t, a.files.WriteFile("b", []byte("old"), 0o755))
	require.NoError(t, a.do(t, Template, in{"url": "./s", "replace": true}))
	for name, mode := range map[string]fs.FileMode{"a": 0o644, "b": 0o755, "c.bin": 0o755} {
		info, err := fs.Stat(a.files, name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), name)
	}
}

func TestTemplate_Links_CopiedAsLinks(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/dir/f": "${{ values.n }}"})
	dir := a.base[len("file://"):]
	require.NoError(t, os.Symlink("dir", filepath.Join(path.Dir(dir), "s", "${{ values.n }}")))
	require.NoError(t, os.Symlink("../../..", filepath.Join(path.Dir(dir), "s", "up")))
	require.NoError(t, a.do(t, Template, in{"url": "./s", "values": in{"n": "x"}}))
	require.Equal(t, map[string]string{"dir/": "", "dir/f": "x", "x": "-> dir"}, a.got(t))
	require.Contains(t, a.lines, "Leaving out the link up: it points outside the workspace")
}

func TestPlain_LinkInTheWay_Replaced(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/a": "copied"})
	a.files = exercise.Files(t, map[string]string{"b": "kept"})
	require.NoError(t, a.files.Symlink("b", "a"))
	require.NoError(t, a.do(t, Plain, in{"url": "./s"}))
	require.Equal(t, map[string]string{"a": "copied", "b": "kept"}, a.got(t))
}

func TestFiles_SingleOnes_CopiedAndRendered(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"f.txt*": "${{ values.n }} {% raw %}${{ x }}{% endraw %}", "c.txt": "{{ cookiecutter.n }}${{ x }}", "b": "{% if true %}\nb\n  {% endif %}\nc"})
	require.NoError(t, a.do(t, PlainFile, in{"url": "./f.txt", "targetPath": "deep/plain.txt"}))
	require.Equal(t, []string{"Fetching plain content from remote URL"}, a.lines)
	info, err := fs.Stat(a.files, "deep/plain.txt")
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode())

	rendered := in{"url": "./f.txt", "targetPath": "./deep/f.txt", "values": in{"n": 1, "b": 2, "a": in{"z": 1, "y": 2}}}
	require.NoError(t, a.do(t, TemplateFile, rendered))
	require.Equal(t, []string{
		"Fetching template file content from remote URL",
		`Processing template file with input values {"a":{"y":2,"z":1},"b":2,"n":1}`,
		"Template file has been written to /workspaces/7/deep/f.txt",
	}, a.lines)
	info, err = fs.Stat(a.files, "deep/f.txt")
	require.NoError(t, err)
	require.EqualValues(t, 0o644, info.Mode())

	rendered["values"], rendered["url"] = in{"n": 2}, "./not-even-there"
	require.NoError(t, a.do(t, TemplateFile, rendered))
	require.Equal(t, []string{"File ./deep/f.txt already exists in workspace, not replacing."}, a.lines)
	require.Equal(t, "1 ${{ x }}", a.got(t)["deep/f.txt"])
	rendered["url"], rendered["replace"] = "./f.txt", true
	require.NoError(t, a.do(t, TemplateFile, rendered))
	require.Equal(t, "2 ${{ x }}", a.got(t)["deep/f.txt"])

	require.NoError(t, a.do(t, TemplateFile, in{"url": "c.txt", "targetPath": "c", "values": in{"n": "N"}, "cookiecutterCompat": true}))
	require.NoError(t, a.do(t, TemplateFile, in{"url": "b", "targetPath": "b", "trimBlocks": true, "lstripBlocks": true}))
	require.Equal(t, "N$", a.got(t)["c"])
	require.Equal(t, "b\nc", a.got(t)["b"])

	for _, action := range []func(Options) activities.Action{PlainFile, TemplateFile} {
		for _, to := range []string{"../x", "/x", "..x", "/workspaces/70/x", "/workspaces/7/../x"} {
			err := a.do(t, action, in{"url": "./f.txt", "targetPath": to})
			require.ErrorIs(t, err, fault.Denied, to)
			require.Equal(t, "Relative path is not allowed to refer to a directory outside its parent", fault.From(err).Public)
		}
		require.ErrorIs(t, a.do(t, action, in{"url": "./f.txt"}), fault.Invalid)
		require.ErrorIs(t, a.do(t, action, in{"url": "./none", "targetPath": "x"}), fault.NotFound)
	}
}

// Names and contents that would take all memory or time: the error says where.
func TestHostile_TemplateBomb_InvalidWithItsPlace(t *testing.T) {
	t.Parallel()
	bomb := "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"
	a := beside(t, map[string]string{"s/deep/bomb.txt": "harmless\n" + bomb})
	err := a.do(t, Template, in{"url": "./s"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Regexp(t, `deep/bomb\.txt.*line 2, column \d+`, err.Error())

	a = beside(t, map[string]string{"s/{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}": "x"})
	err = a.do(t, Template, in{"url": "./s"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Regexp(t, `range\(100000\).*line 1, column \d+`, err.Error())

	a = beside(t, map[string]string{"bomb": bomb})
	err = a.do(t, TemplateFile, in{"url": "./bomb", "targetPath": "x"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Regexp(t, `bomb can't be rendered.*line 1, column \d+`, err.Error())
}
