package templates_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/templates"
)

// update is what compile_test.go in the package's own tests declares.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

// example is a folder with a template whose spec is the given one, or which is the given file.
func example(version, spec string, files map[string]string, good bool) fstest.MapFS {
	src := spec
	if !strings.HasPrefix(spec, "apiVersion:") {
		src = "apiVersion: " + version + "\nkind: Template\nmetadata: { name: example }\nspec:\n  type: service\n"
		for line := range strings.Lines(spec) {
			src += "  " + line
		}
	}
	folder := fstest.MapFS{"template.yaml": {Data: []byte(src)}}
	for name, content := range files {
		if bare, ok := strings.CutPrefix(name, "good/"); ok == good {
			folder[bare] = &fstest.MapFile{Data: []byte(content)}
		} else if !ok {
			folder[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	if good {
		for name, content := range files {
			if bare, ok := strings.CutPrefix(name, "good/"); ok {
				folder[bare] = &fstest.MapFile{Data: []byte(content)}
			}
		}
	}
	return folder
}

func levelOf(problems []fault.Problem, rule string) templates.Level {
	level := templates.None
	for _, p := range problems {
		switch {
		case p.Rule != rule:
		case p.Severity == fault.Refused:
			return templates.Error
		default:
			level = templates.Advised
		}
	}
	return level
}

func TestRules_EveryExampleIsWhatItSays(t *testing.T) {
	t.Parallel()
	actions := shippedActions(t)
	for _, r := range templates.Rules() {
		require.NotEmpty(t, r.Title, r.ID)
		require.NotEmpty(t, r.Why, r.ID)
		if r.Bad == "" {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			versions := map[string]templates.Level{templates.V3: r.V3, templates.V1Beta3: r.Beta}
			if strings.HasPrefix(r.Bad, "apiVersion:") {
				versions = map[string]templates.Level{templates.V3: r.V3}
			}
			for version, want := range versions {
				bad := templates.LintFolder(example(version, r.Bad, r.Files, false), "template.yaml", "template.yaml", actions)
				require.Equal(t, want, levelOf(bad, r.ID), "%s: %v", version, bad)
				for _, p := range bad {
					require.Equal(t, want != templates.None && p.Rule == r.ID, p.Rule == r.ID)
					require.True(t, p.Line > 0 && p.Column > 0 || p.Path != "", "%v", p)
				}
				if want != templates.None {
					good := templates.LintFolder(example(version, r.Good, r.Files, true), "template.yaml", "template.yaml", actions)
					require.Empty(t, good, version)
				}
			}
		})
	}
}

// Every rule id that the compiler and the linter report stands in the registry, and the other way round.
func TestRules_AreTheOnesThatAreReported(t *testing.T) {
	t.Parallel()
	reported := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "lint_rules_") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if ok && slices.Contains([]string{"refuse", "strictly", "report", "advise", "warn", "problem", "inFile"}, sel.Sel.Name) {
					for _, arg := range n.Args[:min(5, len(n.Args))] {
						collectRule(arg, reported)
					}
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Rule" {
					collectRule(n.Value, reported)
				}
			}
			return true
		})
	}
	known := map[string]bool{}
	for _, r := range templates.Rules() {
		require.False(t, known[r.ID], "%s twice", r.ID)
		known[r.ID] = true
		require.True(t, reported[r.ID], "%s is reported nowhere", r.ID)
	}
	for id := range reported {
		require.True(t, known[id], "%s is not in the registry", id)
	}
}

func collectRule(arg ast.Expr, into map[string]bool) {
	lit, ok := arg.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	id, err := strconv.Unquote(lit.Value)
	if err == nil && id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && (strings.Contains(id, "-") || id == "cycle" || id == "unreadable") {
		into[id] = true
	}
}

func TestLint_Cases(t *testing.T) {
	t.Parallel()
	actions := shippedActions(t)
	cases, err := filepath.Glob("testdata/lint/*/template.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	for _, in := range cases {
		t.Run(filepath.Base(filepath.Dir(in)), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Dir(in)
			var got strings.Builder
			for _, p := range templates.LintFolder(os.DirFS(dir), "template.yaml", "template.yaml", actions) {
				fmt.Fprintf(&got, "%s%s\n", map[fault.Severity]string{fault.Warning: "warning: "}[p.Severity], p)
			}
			want := filepath.Join(dir, "want.txt")
			if update() {
				require.NoError(t, os.WriteFile(want, []byte(got.String()), 0o644))
			}
			expected, err := os.ReadFile(want)
			require.NoError(t, err)
			require.Equal(t, string(expected), got.String())
		})
	}
}

func TestLint_GoldenPaths_AreCleanEvenStrictly(t *testing.T) {
	t.Parallel()
	report := templates.LintPaths([]string{"golden"}, shippedActions(t))
	require.Empty(t, report.Problems)
	require.Equal(t, 3, report.Templates)
}

func TestLintPaths_SortsByPlaceAndSaysWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	actions := shippedActions(t)
	dir := t.TempDir()
	report := templates.LintPaths([]string{filepath.Join(dir, "none"), dir}, actions)
	require.True(t, report.Refused())
	require.Equal(t, "no-template", report.Problems[0].Rule)
	require.Equal(t, "unreadable", report.Problems[1].Rule)
	for _, name := range []string{"b", "a"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		src := example(templates.V3, "steps:\n  - { action: debug:lgo }\n  - { action: debug:log, if: \"yes\" }\n", nil, false)["template.yaml"].Data
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "template.yaml"), src, 0o644))
	}
	report = templates.LintPaths([]string{dir}, actions)
	require.Equal(t, 2, report.Templates)
	places := []string{}
	for _, p := range report.Problems {
		places = append(places, fmt.Sprintf("%s:%d %s", filepath.Base(filepath.Dir(p.File)), p.Line, p.Rule))
	}
	require.Equal(t, []string{"a:7 unknown-action", "a:8 constant-condition", "b:7 unknown-action", "b:8 constant-condition"}, places)
}

func TestSARIF_ValidatesAndFixes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/sarif/sarif-2.1.0.schema.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("mem:sarif", doc))
	schema, err := compiler.Compile("mem:sarif")
	require.NoError(t, err)

	dir := t.TempDir()
	file := filepath.Join(dir, "template.yaml")
	src := string(example(templates.V3, "parameters:\n  properties:\n    name: { type: string }\nsteps:\n"+
		"  - { action: debug:lgo }\n"+
		"  - { action: debug:log, when: true }\n"+
		"  - { action: debug:log, input: { message: \"äöü ${{ paramters.name | uper }} ${{ parameters.nam }}\" } }\n"+
		"  - { action: debug:log, if: \"yes\" }\n"+
		"  - { action: debug:log, input: { message: \"${{ parameters.name }}\" } }\n", nil, false)["template.yaml"].Data)
	require.NoError(t, os.WriteFile(file, []byte(src), 0o644))
	report := templates.LintPaths([]string{file}, shippedActions(t))
	out, err := report.SARIF()
	require.NoError(t, err)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(instance))

	var log struct {
		Runs []struct {
			Results []struct {
				RuleID string `json:"ruleId"`
				Level  string
				Fixes  []struct {
					ArtifactChanges []struct {
						Replacements []struct {
							DeletedRegion   struct{ StartLine, StartColumn, EndColumn int }
							InsertedContent struct{ Text string }
						}
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(out, &log))
	lines := strings.Split(src, "\n")
	levels := map[string]string{}
	results := log.Runs[0].Results
	for i := len(results) - 1; i >= 0; i-- { // from the end, so that places stay
		levels[results[i].RuleID] = results[i].Level
		for _, fix := range results[i].Fixes {
			r := fix.ArtifactChanges[0].Replacements[0]
			line := []rune(lines[r.DeletedRegion.StartLine-1])
			lines[r.DeletedRegion.StartLine-1] = string(line[:r.DeletedRegion.StartColumn-1]) + r.InsertedContent.Text + string(line[r.DeletedRegion.EndColumn-1:])
		}
	}
	require.Equal(t, map[string]string{
		"unknown-action": "error", "unknown-field": "error", "unknown-name": "error", "unknown-filter": "error",
		"unknown-parameter": "error", "constant-condition": "warning",
	}, levels)
	fixed := strings.Join(lines, "\n")
	require.Contains(t, fixed, "action: debug:log }")
	require.Contains(t, fixed, "if: true")
	require.Contains(t, fixed, "äöü ${{ parameters.name | upper }} ${{ parameters.name }}")
}

// fixes are the texts that a SARIF log has put into a v3 template.
func fixes(t *testing.T, spec string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "template.yaml")
	require.NoError(t, os.WriteFile(file, example(templates.V3, spec, nil, false)["template.yaml"].Data, 0o644))
	out, err := templates.LintPaths([]string{file}, shippedActions(t)).SARIF()
	require.NoError(t, err)
	texts := []string{}
	for _, m := range insertedText.FindAllStringSubmatch(string(out), -1) {
		texts = append(texts, m[1])
	}
	return texts
}

var insertedText = regexp.MustCompile(`"insertedContent": \{\s*"text": "([^"]*)"`)

func TestSARIF_AnActionOfAnotherProvider_IsNoSlip(t *testing.T) {
	t.Parallel()
	require.Empty(t, fixes(t, "steps:\n  - { action: \"publish:gitlab\" }\n"))
	require.Equal(t, []string{"publish:github"}, fixes(t, "steps:\n  - { action: \"publish:gihub\" }\n"))
}

func TestSARIF_ANameThatStandsTwiceInAReference_IsNotFixed(t *testing.T) {
	t.Parallel()
	const steps = "steps:\n  - { id: %s, action: \"fs:readdir\", input: { paths: [.] } }\n  - { action: debug:log, input: { message: \"${{ steps.%[1]s.output.fils }} fils\" } }\n"
	require.Empty(t, fixes(t, fmt.Sprintf(steps, "fils")))
	require.Equal(t, []string{"files"}, fixes(t, fmt.Sprintf(steps, "folder")))
}

// Lint ends, and finds the same, whatever stands in the files.
func FuzzLint(f *testing.F) {
	for _, r := range templates.Rules() {
		f.Add(r.Bad, "${{ values.name }}{% if values.x %}")
	}
	f.Fuzz(func(t *testing.T, spec, file string) {
		for _, version := range []string{templates.V3, templates.V1Beta3} {
			folder := example(version, spec, map[string]string{"skeleton/a": file, "skeleton/.github/workflows/b": file}, false)
			first := templates.LintFolder(folder, "template.yaml", "template.yaml", fuzzActions)
			require.Equal(t, first, templates.LintFolder(folder, "template.yaml", "template.yaml", fuzzActions))
		}
	})
}

var fuzzActions = templates.Actions{
	"debug:log":      {ID: "debug:log", Input: json.RawMessage(`{"type":"object","properties":{"message":{"type":"string"}},"additionalProperties":false}`)},
	"fetch:template": {ID: "fetch:template", Input: json.RawMessage(`{"type":"object"}`)},
}

// The part of docs/lint.md below the marker is made of the registry.
func TestDocs_LintPageIsTheRegistry(t *testing.T) {
	t.Parallel()
	const page, marker = "../docs/lint.md", "<!-- made of the registry of rules: go test ./templates -run LintPage -update -->\n"
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	intro, rules, found := strings.Cut(string(content), marker)
	require.True(t, found)
	var b strings.Builder
	levels := map[templates.Level]string{templates.None: "–", templates.Error: "refused", templates.Advised: "warning"}
	b.WriteString("\n| rule | v3 | v1beta3 | what it finds |\n| --- | --- | --- | --- |\n")
	for _, r := range templates.Rules() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", r.ID, r.ID, levels[r.V3], levels[r.Beta], r.Title)
	}
	for _, r := range templates.Rules() {
		fmt.Fprintf(&b, "\n### %s\n\n%s. %s\n", r.ID, r.Title, r.Why)
		if r.Bad == "" {
			continue
		}
		if r.Bad != r.Good {
			fmt.Fprintf(&b, "\n```yaml\n# instead of\n%s# write\n%s```\n", r.Bad, r.Good)
		} else {
			fmt.Fprintf(&b, "\n```yaml\n%s```\n", r.Bad)
		}
		for _, name := range sortedKeys(r.Files) {
			if good, ok := r.Files["good/"+name]; ok {
				fmt.Fprintf(&b, "\nIn `%s`, instead of `%s` write `%s`.\n", name, oneLine(r.Files[name]), oneLine(good))
			}
		}
	}
	if update() {
		require.NoError(t, os.WriteFile(page, []byte(intro+marker+b.String()), 0o644))
		rules = b.String()
	}
	require.Equal(t, b.String(), rules)
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "⏎ ") }

func sortedKeys(m map[string]string) []string {
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
