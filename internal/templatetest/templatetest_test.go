package templatetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/templatetest"
)

const template = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: small}
spec:
  type: service
  parameters:
    - required: [name]
      properties:
        name: {type: string}
        loud: {type: boolean}
  steps:
    - id: fetch
      action: fetch:template
      input: {url: ./skeleton, values: {name: "${{ parameters.name }}"}}
    - id: publish
      action: publish:github
      input:
        repoUrl: github.com?owner=acme&repo=${{ parameters.name }}
        description: with ${{ secrets.TOKEN }}
    - id: shout
      if: ${{ parameters.loud }}
      action: debug:log
      input: {message: "${{ steps.publish.output.remoteUrl }}"}
  output:
    url: ${{ steps.publish.output.remoteUrl }}
`

// folder holds the template, its skeleton and a test file, whose name it gives.
func folder(t *testing.T, tests string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "skeleton"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "skeleton", "README.md"), []byte("# ${{ values.name }}\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "template.yaml"), []byte(template), 0o644))
	name := filepath.Join(dir, "template.test.yaml")
	require.NoError(t, os.WriteFile(name, []byte(tests), 0o644))
	return name
}

func runFile(t *testing.T, name string, update bool) []templatetest.Report {
	t.Helper()
	reports, problems, err := templatetest.Run(t.Context(), name, runs(), update)
	require.NoError(t, err)
	require.Empty(t, problems)
	return reports
}

const stale = `# about these tests
tests:

  - name: quiet   # the usual case
    values:
      name:   shop
    secrets: {TOKEN: hunter22}
    given:
      publish: {output: {remoteUrl: "https://x.example/shop"}}
    expect:
      # nobody shouts
      skipped: []
      calls: []
      files:
        README.md: old   # the title
        gone.txt: null
      output: {url: nowhere}

    # about the next one

  - name: loud
    values: {name: shop,   loud: true}
    secrets: {TOKEN: hunter22}
# the end
`

func TestRun_WhatDiffers_IsShownAsUnifiedDiff(t *testing.T) {
	t.Parallel()
	reports := runFile(t, folder(t, stale), false)
	require.Len(t, reports, 2)
	require.False(t, reports[0].Passed)
	for _, line := range []string{"--- expected\n", "+++ happened\n", "-  README.md: old\n", "+    # shop\n", "-  url: nowhere\n", "+  url: https://x.example/shop\n", "+  - shout\n"} {
		require.Contains(t, reports[0].Diff, line)
	}
	require.NotContains(t, reports[0].Diff, "hunter22")
	require.True(t, reports[1].Passed, "it expects nothing")
}

func TestRun_Update_KeepsCommentsAndEverythingOutsideExpect(t *testing.T) {
	t.Parallel()
	name := folder(t, stale)
	runFile(t, name, true)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	for _, kept := range []string{
		"# about these tests\ntests:\n\n  - name: quiet   # the usual case\n", "      name:   shop\n", "      # nobody shouts\n", "# the title\n",
		"\n    # about the next one\n\n  - name: loud\n    values: {name: shop,   loud: true}\n", "\n# the end\n",
	} {
		require.Equal(t, 1, strings.Count(string(text), kept), "%q in\n%s", kept, text)
	}
	require.NotContains(t, strings.ReplaceAll(string(text), "{TOKEN: hunter22}", ""), "hunter22")
	for _, r := range runFile(t, name, false) {
		require.True(t, r.Passed, r.Diff)
	}
	again := text
	runFile(t, name, true)
	text, err = os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(again), string(text), "a second update changes nothing")
}

func TestRun_BadFile_SaysAllThatIsWrongWithItsPlace(t *testing.T) {
	t.Parallel()
	name := folder(t, `tests:
  - nmae: one
    values: []
    given:
      publsh: {output: {}}
      shout: {output: {}, error: {}}
    expect:
      skiped: []
      failed: [fetsh]
      error: {kind: Forbidden}
test: []
`)
	reports, problems, err := templatetest.Run(t.Context(), name, runs(), false)
	require.NoError(t, err)
	require.Empty(t, reports)
	type found struct {
		line      int
		rule, fix string
	}
	var all []found
	for _, p := range problems {
		require.Equal(t, name, p.File)
		require.NotZero(t, p.Column, p)
		all = append(all, found{p.Line, p.Rule, p.Try})
	}
	require.ElementsMatch(t, []found{
		{2, "missing-field", ""}, {2, "unknown-field", "name"}, {3, "wrong-type", ""}, {5, "unknown-step", "publish"}, {6, "wrong-value", ""},
		{8, "unknown-field", "skipped"}, {9, "unknown-step", "fetch"}, {10, "wrong-value", ""}, {11, "unknown-field", "tests"},
	}, all)
}

func TestRun_NoTemplateBeside_IsAProblem(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "template.test.yaml")
	require.NoError(t, os.WriteFile(name, []byte("tests: []\n"), 0o644))
	_, problems, err := templatetest.Run(t.Context(), name, runs(), false)
	require.NoError(t, err)
	require.Equal(t, []string{"no-template"}, rules(problems))
}

func rules(problems []fault.Problem) (all []string) {
	for _, p := range problems {
		all = append(all, p.Rule)
	}
	return all
}

func TestRun_AnswerThatTheActionNeverGives_IsAProblem(t *testing.T) {
	t.Parallel()
	name := folder(t, `tests:
  - name: one
    values: {name: shop}
    secrets: {TOKEN: hunter22}
    given:
      publish: {output: {remotUrl: "https://x.example/shop", commitHash: abc}}
`)
	_, problems, err := templatetest.Run(t.Context(), name, runs(), false)
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.Equal(t, `publish:github has no output "remotUrl"`, problems[0].Says)
	require.Equal(t, []any{6, "remoteUrl"}, []any{problems[0].Line, problems[0].Try})
}
