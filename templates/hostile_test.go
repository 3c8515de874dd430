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
const soon = 30 * time.Second

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

func TestHostile_NeedsCycleOverAThousandSteps_IsOneShortProblem(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(hostileHead + "  execution: dag\n  steps:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "    - { id: s%d, action: \"debug:log\", needs: [s%d] }\n", i, (i+1)%1000)
	}
	requireRefused(t, "cycle", "980 more", b.String())
}

func TestHostile_EveryStepNeedsEveryOther_IsRefused(t *testing.T) {
	t.Parallel()
	var gates, readers, needs strings.Builder
	for _, b := range []*strings.Builder{&gates, &readers, &needs} {
		b.WriteString(hostileHead + "  execution: dag\n  steps:\n")
	}
	for i := range 1000 {
		gate := "{ action: \"approval:request\", needs: [], input: { approvers: [a] } }"
		access := fmt.Sprintf("{ action: \"fetch:template\", input: { url: ./x, targetPath: w%d } }", i)
		if i >= 500 {
			gate, access = "{ action: \"debug:log\" }", "{ action: \"publish:github\", input: { repoUrl: r } }"
		}
		fmt.Fprintf(&gates, "    - %s\n", gate)
		fmt.Fprintf(&readers, "    - %s\n", access)
		fmt.Fprintf(&needs, "    - { id: s%d, action: \"debug:log\", needs: [%s] }\n", i, numbered("s%d,", min(i, 170)))
	}
	for _, b := range []*strings.Builder{&gates, &readers, &needs} {
		requireRefused(t, "too-many-edges", "at most 10000", b.String())
	}
}

// Backstage has no such limit, and where steps run one after the other none is needed.
func TestHostile_TooManyReferencesOneAfterTheOther_AreLeftOut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("apiVersion: " + V1Beta3 + "\nkind: Template\nmetadata: { name: x }\nspec:\n  type: service\n  steps:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "    - { id: s%d, action: \"debug:log\", input: { message: \"%s\" } }\n", i, numbered("${{ steps.s%d.output }}", min(i, 30)))
	}
	p := mustCompile(t, b.String(), testActions(t))
	require.Len(t, p.Edges, 999)
}

func TestHostile_PrototypeNames_AreOnlyNames(t *testing.T) {
	t.Parallel()
	src := `apiVersion: %s
kind: Template
metadata: { name: x, annotations: { __proto__: a, constructor: b } }
spec:
  type: service
  parameters: { properties: { __proto__: { type: string }, constructor: { type: object, properties: { prototype: { type: string } } } } }
  steps:
    - { id: a, action: "test:echo", each: { __proto__: 1, constructor: 2 }, input: { __proto__: { polluted: yes }, constructor: { prototype: 1 }, message: "${{ parameters.name }}" } }
  output: { __proto__: x, toString: y }
`
	for _, version := range []string{V1Beta3, V3} {
		parsed, problems := Parse("template.yaml", []byte(strings.Replace(src, "%s", version, 1)))
		require.Empty(t, problems)
		p, problems := Compile(parsed, testActions(t), Context{})
		if version == V3 {
			require.Len(t, problems, 3) // two inputs and a parameter that don't exist
			continue
		}
		require.Empty(t, problems)
		require.JSONEq(t, `{"__proto__":{"polluted":"yes"},"constructor":{"prototype":1},"message":"${{ parameters.name }}"}`, string(p.Steps[0].Input))
		require.JSONEq(t, `{"__proto__":1,"constructor":2}`, string(p.Steps[0].Each))
		require.JSONEq(t, `{"__proto__":"x","toString":"y"}`, string(p.Output))
		require.Empty(t, parsed.CheckValues([]byte(`{"__proto__":"x","constructor":{"prototype":"y"}}`)))
		require.NotEmpty(t, parsed.CheckValues([]byte(`{"constructor":{"prototype":1}}`)))
	}
	for _, id := range []string{"__proto__", "constructor", "prototype"} {
		problems := look(t, hostileHead+"  steps: [ { id: "+id+", action: \"debug:log\" } ]\n")
		require.Len(t, problems, 1)
		require.Equal(t, "bad-id", problems[0].Rule)
	}
}

func TestHostile_MisspeltEverywhere_TellsAThousandProblems(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(hostileHead + "  steps:\n")
	for i := range 1000 {
		name := strings.Repeat("a", 50)
		fmt.Fprintf(&b, "    - { id: %s%d, action: \"debug:log\", input: { message: \"%s\" } }\n", name, i,
			strings.Repeat(fmt.Sprintf("${{ steps.%sb%d.output }}", name, i), 10))
	}
	require.Len(t, look(t, b.String()), maxProblems)
}

func TestHostile_ASchemaThatDoublesItself_IsGivenUp(t *testing.T) {
	t.Parallel()
	parsed, problems := Parse("template.yaml", []byte(strings.Replace(hostileHead, "%s", "v3", 1)+
		"  parameters: { anyOf: [ { $ref: \"#\" }, { $ref: \"#\" } ] }\n  steps: []\n"))
	require.Empty(t, problems)
	start := time.Now()
	errs := parsed.CheckValues([]byte("{}"))
	require.Less(t, time.Since(start), soon)
	require.Len(t, errs, 1)
	require.Contains(t, errs[0].Message, "can't be checked")
}
