package templates

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gildway/gildway/internal/plan"
)

// drawTemplate gives a v3 template without cycles: references and needs go back in the file.
func drawTemplate(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: drawn }\nspec:\n  type: service\n  steps:\n")
	count := rapid.IntRange(1, 12).Draw(t, "steps")
	for i := range count {
		before := rapid.SliceOfN(rapid.IntRange(0, max(i-1, 0)), 0, min(i, 3))
		fmt.Fprintf(&b, "    - id: s%d\n", i)
		if i > 0 && rapid.Bool().Draw(t, "needs") {
			ids := []string{}
			for _, j := range before.Draw(t, "needed") {
				ids = append(ids, fmt.Sprintf("s%d", j))
			}
			fmt.Fprintf(&b, "      needs: [%s]\n", strings.Join(ids, ", "))
		}
		says := "hello"
		if i > 0 {
			for _, j := range before.Draw(t, "read") {
				says += fmt.Sprintf(" ${{ steps.s%d.output | dump }}", j)
			}
		}
		folder := rapid.SampledFrom([]string{".", "a", "a/b", "b", "${{ user.ref }}"}).Draw(t, "folder")
		switch rapid.SampledFrom([]string{"log", "any", "gate", "write", "read"}).Draw(t, "kind") {
		case "log":
			fmt.Fprintf(&b, "      action: debug:log\n      input: { message: %q }\n", says)
		case "any":
			fmt.Fprintf(&b, "      action: debug:log\n      input: { message: %q }\n", says+"${{ steps[user.ref] }}")
		case "gate":
			fmt.Fprintf(&b, "      action: approval:request\n      input: { approvers: [a], reason: %q }\n", says)
		case "write":
			fmt.Fprintf(&b, "      action: fetch:template\n      input: { url: %q, targetPath: %q }\n", says, folder)
		case "read":
			fmt.Fprintf(&b, "      action: publish:github\n      input: { repoUrl: %q, sourcePath: %q }\n", says, folder)
		}
	}
	return b.String()
}

func mustCompile(t require.TestingT, src string, actions Actions) *plan.Plan {
	parsed, problems := Parse("template.yaml", []byte(src))
	require.Empty(t, problems)
	p, problems := Compile(parsed, actions, Context{})
	require.Empty(t, problems)
	return p
}

func position(p *plan.Plan) map[string]int {
	at := map[string]int{}
	for i, s := range p.Steps {
		at[s.ID] = i
	}
	return at
}

// before gives, for every step, the steps that it comes after by its needs.
func before(p *plan.Plan) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, s := range p.Steps {
		mine := map[string]bool{}
		for _, need := range s.Needs {
			mine[need] = true
			for b := range all[need] {
				mine[b] = true
			}
		}
		all[s.ID] = mine
	}
	return all
}

func TestCompile_EveryStepComesAfterAllItNeeds(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := mustCompile(rt, drawTemplate(rt), actions)
		at := position(p)
		needs := map[string][]string{}
		for _, e := range p.Edges {
			require.Less(rt, at[e.From], at[e.To], "%v", e)
			if !slices.Contains(needs[e.To], e.From) {
				needs[e.To] = append(needs[e.To], e.From)
			}
		}
		for _, s := range p.Steps {
			require.Equal(rt, needs[s.ID], s.Needs)
		}
	})
}

func TestCompile_SameFileGivesTheSamePlan(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := drawTemplate(rt)
		a, err := json.Marshal(mustCompile(rt, src, actions))
		require.NoError(rt, err)
		b, err := json.Marshal(mustCompile(rt, src, actions))
		require.NoError(rt, err)
		require.Equal(rt, string(a), string(b))
	})
}

func TestCompile_SequentialIsAChainInFileOrder(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := strings.Replace(drawTemplate(rt), "spec:\n", "spec:\n  execution: sequential\n", 1)
		p := mustCompile(rt, src, actions)
		for i, s := range p.Steps {
			require.Equal(rt, fmt.Sprintf("s%d", i), s.ID)
			if i > 0 {
				require.Contains(rt, s.Needs, fmt.Sprintf("s%d", i-1))
			}
		}
	})
}

// Two steps of which one writes what the other touches never run side by side, and nothing runs
// beside an approval that stands above it.
func TestCompile_ConflictsAndGatesKeepFileOrder(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := drawTemplate(rt)
		p := mustCompile(rt, src, actions)
		parsed, _ := Parse("template.yaml", []byte(src))
		after := before(p)
		for j := range parsed.steps {
			for i := range j {
				a, b := &parsed.steps[i], &parsed.steps[j]
				one, two := touchOf(i, a, actions[a.action]), touchOf(j, b, actions[b.action])
				_, shared := one.overlap(two)
				both := actions[a.action].Workspace != plan.NoAccess && actions[b.action].Workspace != plan.NoAccess
				if both && shared && (one.writes || two.writes) {
					require.True(rt, after[b.id][a.id], "%s must wait for %s", b.id, a.id)
				}
				if actions[a.action].Kind == plan.GateStep && !b.ownNeeds {
					require.True(rt, after[b.id][a.id], "%s must wait for the approval %s", b.id, a.id)
				}
			}
		}
	})
}

func TestCompile_ACircleIsAlwaysFound(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(2, 8).Draw(rt, "size")
		order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
			for i := range size {
				if !yield(i) {
					return
				}
			}
		})).Draw(rt, "circle")
		next := map[int]int{}
		for i, s := range order {
			next[s] = order[(i+1)%size]
		}
		var b strings.Builder
		b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: drawn }\nspec:\n  type: service\n  steps:\n")
		for i := range size {
			fmt.Fprintf(&b, "    - { id: s%d, action: \"debug:log\", needs: [s%d] }\n", i, next[i])
		}
		parsed, problems := Parse("template.yaml", []byte(b.String()))
		require.Empty(rt, problems)
		p, problems := Compile(parsed, actions, Context{})
		require.Nil(rt, p)
		require.Len(rt, problems, 1)
		require.Equal(rt, "cycle", problems[0].Rule)
		require.Equal(rt, size, strings.Count(problems[0].Says, "→"), problems[0].Says)
	})
}

func FuzzParse(f *testing.F) {
	actions := testActions(f)
	for _, name := range caseFiles(f) {
		f.Add(readFile(f, name))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		parsed, problems := Parse("template.yaml", src)
		if parsed != nil {
			p, found := Compile(parsed, actions, Context{})
			require.True(t, p != nil || len(problems)+len(found) > 0, "no plan and no reason")
			problems = append(problems, found...)
			if p != nil {
				_, err := json.Marshal(p)
				require.NoError(t, err)
				Dot(p)
				Mermaid(p)
			}
		} else {
			require.NotEmpty(t, problems)
		}
		lines := 1 + strings.Count(string(src), "\n")
		for _, lineBreak := range []string{"\r", "\u0085", "\u2028", "\u2029"} { // to YAML
			lines += strings.Count(string(src), lineBreak)
		}
		for _, problem := range problems {
			require.Positive(t, problem.Line, "%s", problem)
			require.LessOrEqual(t, problem.Line, lines, "%s", problem)
			require.Positive(t, problem.Column, "%s", problem)
			require.NotEmpty(t, problem.Rule, "%s", problem)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	actions := testActions(b)
	for _, version := range []string{"v1beta3", "v3"} {
		for _, size := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", version, size), func(b *testing.B) {
				src := longTemplate(version, size)
				for b.Loop() {
					mustCompile(b, src, actions)
				}
			})
		}
	}
}

func longTemplate(version string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: scaffolder.backstage.io/%s\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  steps:\n", version)
	for i := range size {
		fmt.Fprintf(&b, "    - id: s%d\n      action: fetch:template\n      input:\n        url: ./skeleton\n        values: { name: \"${{ parameters.name | upper }}\"", i)
		if i > 0 {
			fmt.Fprintf(&b, ", before: \"${{ steps.s%d.output | dump }}\"", i-1)
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

func TestCompile_AThousandStepsHaveAsManyEdgesAsTheyNeed(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1beta3", "v3"} {
		p := mustCompile(t, longTemplate(version, 1000), testActions(t))
		require.Len(t, p.Steps, 1000)
		require.Len(t, p.Edges, 2*999, version)
	}
}
