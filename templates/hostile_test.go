package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

const hostileHead = "apiVersion: scaffolder.backstage.io/%s\nkind: Template\nmetadata: { name: x }\nspec:\n  type: service\n"

// soon is far above what any file takes, and far below what a file does that found a way to take more
// than linear time.
const soon = 5 * time.Second

// look parses, compiles and lints a file in both versions; whatever is in it, that takes little time.
func look(t *testing.T, src string) (problems []fault.Problem) {
	t.Helper()
	for _, version := range []string{"v1beta3", "v3"} {
		start := time.Now()
		parsed, found := Parse("template.yaml", []byte(strings.Replace(src, "%s", version, 1)))
		problems = found
		if parsed != nil {
			_, found := Compile(parsed, testActions(t), Context{})
			problems = append(problems, found...)
			Lint(parsed, testActions(t))
		}
		require.Less(t, time.Since(start), soon)
		require.LessOrEqual(t, len(problems), 3000)
		for _, p := range problems {
			require.Positive(t, p.Line, "%.300s", p)
		}
	}
	return problems // of v3
}

func requireRefused(t *testing.T, rule, says, src string) {
	t.Helper()
	problems := look(t, src)
	require.NotEmpty(t, problems)
	require.Equal(t, rule, problems[0].Rule)
	require.Contains(t, problems[0].Says, says)
	require.Less(t, len(problems[0].Says), 2000)
}

func TestHostile_DeepNesting_IsRefused(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"lists":      strings.Repeat("[", 1<<19),
		"in lists":   hostileHead + "  steps: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"mappings":   hostileHead + "  steps: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000),
		"dashes":     hostileHead + "  steps:\n    " + strings.Repeat("- ", 5000) + "a",
		"questions":  strings.Repeat("? ", 1<<18),
		"by aliases": "a0: &a0 [x]\n" + deepAliases(300),
		"in itself":  "a: &a [*a]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, "yaml-syntax", "", src)
		})
	}
}

func deepAliases(levels int) string {
	var b strings.Builder
	for i := range levels {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d]\n", i+1, i+1, i)
	}
	return b.String()
}

func TestHostile_TenMegabytes_AreRefusedUnread(t *testing.T) {
	t.Parallel()
	requireRefused(t, "yaml-syntax", "larger than", hostileHead+"  steps: [\""+strings.Repeat("a", 10<<20)+"\"]\n")
}

func TestHostile_AliasBombs_AreRefused(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	merges := "base: &m {"
	for i := range 5000 {
		merges += fmt.Sprintf("k%d: 1, ", i)
	}
	merges += "}\nall:\n" + strings.Repeat("  - { <<: *m }\n", 5000)
	requireRefused(t, "yaml-syntax", "more than 200000 values", laughs)
	requireRefused(t, "yaml-syntax", "more than 200000 values", merges)
	requireRefused(t, "yaml-syntax", "when every alias is written out",
		"a: &a \""+strings.Repeat("b", 500_000)+"\"\nb: ["+strings.Repeat("*a, ", 100_000)+"]\n")
}

func TestHostile_AHundredThousandSteps_AreRefused(t *testing.T) {
	t.Parallel()
	requireRefused(t, "too-many-steps", "at most 1000", hostileHead+"  steps: ["+strings.Repeat("{},", 100_000)+"]\n")
}

func TestHostile_StepsInBranches_CountToo(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(hostileHead + "  steps:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "    - id: s%d\n      switch: { a: { if: true, steps: [%s] } }\n", i, strings.Repeat("{ action: \"debug:log\" },", 20))
	}
	problems := look(t, b.String())
	require.Equal(t, "too-many-steps", problems[0].Rule)
}

func TestHostile_EnormousStrings_TakeLinearTime(t *testing.T) {
	t.Parallel()
	long := func(with string) string { return strings.Repeat(with, 900_000/len(with)) }
	half := long("b")[:400_000]
	step := hostileHead + "  steps:\n    - { id: a, action: \"debug:log\" }\n    - id: s-t\n      action: debug:log\n"
	for name, src := range map[string]string{
		"text":                 step + "      input: { message: \"" + long("a") + "\" }\n",
		"references":           step + "      input: { message: \"" + long("${{ steps.a.output }}") + "\" }\n",
		"different references": step + "      input: { message: \"" + numbered("${{ steps.a.output.x%d }}", 30_000) + "\" }\n",
		"unknown references":   step + "      input: { message: \"" + numbered("${{ steps.b%d.output }}", 30_000) + "\" }\n",
		"dashed references":    step + "      input: { message: \"" + long("${{ steps.s-t.output }}") + "\" }\n",
		"in a block":           step + "      input:\n        message: |" + strings.Repeat("\n", 200_000) + "          " + long("${{ steps.b.output }}")[:700_000] + "\n",
		"lines":                step + "      input:\n        message: |\n" + long("          ${{ steps.b.output }}\n"),
		"parentheses":          step + "      if: \"${{ " + long("(") + "\"\n",
		"negations":            step + "      if: \"${{ " + long("not ") + "a }}\"\n",
		"sums":                 step + "      if: \"${{ " + long("a + ") + "a }}\"\n",
		"unclosed":             step + "      if: \"" + long("${{ ") + "\"\n",
		"dashes":               step + "      if: \"${{ steps." + long("a-") + "a }}\"\n",
		"id":                   hostileHead + "  steps: [ { id: " + half + ", action: x }, { action: \"debug:log\", needs: [" + half + "c] } ]\n",
		"action":               hostileHead + "  steps: [ { action: " + long("b") + " } ]\n",
		"key":                  step + "      input: { " + long("k")[:500_000] + ": [" + strings.Repeat("\"${{ b }}\",", 40_000) + "] }\n",
		"field":                step + "      " + long("k") + ": 1\n",
		"name":                 "apiVersion: scaffolder.backstage.io/%s\nkind: Template\nmetadata: { name: " + long("x") + " }\nspec: { type: a, steps: [] }\n",
		"pattern":              hostileHead + "  parameters: { properties: { a: { pattern: \"" + long("(a*)*") + "\" } } }\n  steps: []\n",
		"anchors":              strings.Repeat("&a ", 300_000),
		"comments":             strings.Repeat("# a\n", 200_000) + hostileHead + "  steps: []\n",
		"comments in a list":   hostileHead + "  steps:\n" + strings.Repeat("    # a\n    - { action: \"debug:log\" }\n", 900),
		"keys":                 hostileHead + "  steps: []\n" + numbered("  k%d: 1\n", 80_000),
		"items":                hostileHead + "  steps: [ { action: \"debug:log\", input: { message: [" + strings.Repeat("1,", 150_000) + "] } } ]\n",
		"documents":            hostileHead + "  steps: []\n" + strings.Repeat("---\n", 200_000),
		"escapes":              step + "      input: { message: \"" + long(`\u0041`) + "\" }\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			look(t, src)
			t.Log(time.Since(start))
		})
	}
}

func numbered(format string, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
