package templates

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// drawTemplate gives a v3 template without cycles: references and needs go back in the file, and never into
// another branch of a switch.
func drawTemplate(t *rapid.T) string {
	d := &drawing{t: t}
	d.b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: drawn }\nspec:\n  type: service\n  steps:\n")
	d.steps("    ", rapid.IntRange(1, 10).Draw(t, "steps"), 2, nil)
	return d.b.String()
}

type drawing struct {
	t     *rapid.T
	b     strings.Builder
	count int
}

// steps draws steps that may read the visible ones, and gives those that what follows may read.
func (d *drawing) steps(indent string, count, depth int, visible []string) []string {
	for range count {
		id := fmt.Sprintf("s%d", d.count)
		d.count++
		fmt.Fprintf(&d.b, "%s- id: %s\n", indent, id)
		indent := indent + "  "
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(append([]string{id}, visible...)), 0, 3, rapid.ID[string])
		back := func(label string) []string {
			return slices.DeleteFunc(some.Draw(d.t, label), func(s string) bool { return s == id })
		}
		if rapid.Bool().Draw(d.t, "needs") {
			fmt.Fprintf(&d.b, "%sneeds: [%s]\n", indent, strings.Join(back("needed"), ", "))
		}
		says := "hello"
		for _, read := range back("read") {
			says += fmt.Sprintf(" ${{ steps.%s.output | dump }}", read)
		}
		visible = append(visible, id)
		if depth > 0 && rapid.IntRange(0, 4).Draw(d.t, "switch") == 0 {
			visible = d.branches(indent, depth, says, visible)
			continue
		}
		d.action(indent, says)
	}
	return visible
}

func (d *drawing) branches(indent string, depth int, says string, visible []string) []string {
	after := slices.Clone(visible)
	fmt.Fprintf(&d.b, "%sswitch:\n", indent)
	for i := range rapid.IntRange(1, 3).Draw(d.t, "branches") {
		fmt.Fprintf(&d.b, "%s  b%d:\n%s    if: %q\n%s    steps:", indent, i, indent, says, indent)
		count := rapid.IntRange(0, 3).Draw(d.t, "steps in branch")
		if count == 0 {
			d.b.WriteString(" []\n")
			continue
		}
		d.b.WriteString("\n")
		after = append(after, d.steps(indent+"      ", count, depth-1, slices.Clone(visible))[len(visible):]...)
	}
	return after
}

func (d *drawing) action(indent, says string) {
	folder := rapid.SampledFrom([]string{".", "a", "a/b", "b", "${{ user.ref }}"}).Draw(d.t, "folder")
	switch rapid.SampledFrom([]string{"log", "any", "gate", "write", "read"}).Draw(d.t, "kind") {
	case "log":
		fmt.Fprintf(&d.b, "%saction: debug:log\n%sinput: { message: %q }\n", indent, indent, says)
	case "any":
		fmt.Fprintf(&d.b, "%saction: debug:log\n%sinput: { message: %q }\n", indent, indent, says+"${{ steps[user.ref] }}")
	case "gate":
		fmt.Fprintf(&d.b, "%saction: approval:request\n%sinput: { approvers: [a], reason: %q }\n", indent, indent, says)
	case "write":
		fmt.Fprintf(&d.b, "%saction: fetch:template\n%sinput: { url: %q, targetPath: %q }\n", indent, indent, says, folder)
	case "read":
		fmt.Fprintf(&d.b, "%saction: publish:github\n%sinput: { repoUrl: %q, sourcePath: %q }\n", indent, indent, says, folder)
	}
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
		c := newCompiler(parsed, actions)
		after := before(p)
		for j := range parsed.steps {
			for i := range j {
				a, b := &parsed.steps[i], &parsed.steps[j]
				if _, apart := c.apart(i, j); apart {
					require.False(rt, after[b.id][a.id], "%s and %s never run together", b.id, a.id)
					continue
				}
				if strings.Contains(string(b.input.json(verbatim)), "steps[user.ref]") {
					require.True(rt, after[b.id][a.id], "%s may read %s", b.id, a.id)
				}
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

// The steps of a branch come after the choice, and whoever needs a switch comes after all its branches do.
func TestCompile_ASwitchOpensAndJoins(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := drawTemplate(rt)
		p := mustCompile(rt, src, actions)
		parsed, _ := Parse("template.yaml", []byte(src))
		c := newCompiler(parsed, actions)
		after := before(p)
		c.check()
		for i, s := range parsed.steps {
			planned, ok := p.Step(s.id)
			require.True(rt, ok)
			require.Equal(rt, s.isSwitch(), planned.Kind == plan.SwitchStep)
			if s.in.of == noStep {
				require.Nil(rt, planned.Branch)
			} else {
				of := parsed.steps[s.in.of].id
				require.Equal(rt, plan.InBranch{Switch: of, Name: s.in.name}, *planned.Branch)
				require.Contains(rt, planned.Needs, of)
			}
			for _, n := range s.needs {
				from := c.byID[n.id]
				for j := range parsed.steps {
					if c.inside(j, from) && !c.inside(i, from) {
						require.Contains(rt, planned.Needs, parsed.steps[j].id)
						require.True(rt, after[s.id][parsed.steps[j].id])
					}
				}
			}
		}
	})
}

// What v1beta3 is refused for, v3 is too: it only adds to what is said.
func TestCompile_V3RefusesAllThatV1Beta3Does(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	for _, name := range caseFiles(t) {
		src := string(readFile(t, name))
		if !strings.Contains(src, V1Beta3) {
			continue
		}
		old := compileAll(name, []byte(src), actions)
		strict := compileAll(name, []byte(strings.Replace(src, V1Beta3, V3, 1)), actions)
		if len(old.Problems) > 0 && !strings.Contains(src, "switch:") {
			require.GreaterOrEqual(t, len(strict.Problems), len(old.Problems), name)
		}
		for _, advice := range old.Advice {
			require.Equal(t, fault.Warning, advice.Severity, "%s: %s", name, advice)
		}
		for _, problem := range append(old.Problems, strict.Problems...) {
			require.Equal(t, fault.Refused, problem.Severity, "%s: %s", name, problem)
		}
	}
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
	for _, size := range []int{10, 100, 1000} {
		for name, src := range map[string]string{
			"v1beta3": longTemplate("v1beta3", size), "v3": longTemplate("v3", size),
			"apart": apartTemplate(size), "switches": switchesTemplate(size),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				for b.Loop() {
					mustCompile(b, src, actions)
				}
			})
		}
	}
}

// apartTemplate has steps that write to folders of their own.
func apartTemplate(size int) string {
	var b strings.Builder
	b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  parameters: { properties: { name: { type: string } } }\n  steps:\n")
	for i := range size {
		fmt.Fprintf(&b, "    - { id: s%d, action: \"fetch:template\", input: { url: ./x, targetPath: w%d } }\n", i, i)
	}
	return b.String()
}

// switchesTemplate has switches in a row, of four steps each with the one that needs it, which all touch the workspace.
func switchesTemplate(size int) string {
	var b strings.Builder
	b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  parameters: { properties: { a: { type: integer } } }\n  steps:\n")
	write := "action: \"fetch:template\", input: { url: ./x }"
	for i := range size / 5 {
		fmt.Fprintf(&b, "    - id: s%d\n      switch:\n        one: { if: \"${{ parameters.a == %d }}\", steps: [ { id: a%d, %s }, { id: b%d, %s } ] }\n"+
			"        two: { steps: [ { id: c%d, %s } ] }\n    - { id: d%d, needs: [s%d], %s }\n", i, i, i, write, i, write, i, write, i, i, write)
	}
	return b.String()
}

func TestCompile_AThousandStepsInSwitchesHaveEdgesInProportion(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	perFive := func(size int) float64 {
		p := mustCompile(t, switchesTemplate(size), actions)
		require.Len(t, p.Steps, size)
		return float64(len(p.Edges)) / float64(size/5)
	}
	require.InDelta(t, perFive(100), perFive(1000), 1)
}

func longTemplate(version string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: scaffolder.backstage.io/%s\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  parameters: { properties: { name: { type: string } } }\n  steps:\n", version)
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
