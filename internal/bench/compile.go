package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

// compiling holds the time that a step takes against that in a template of a tenth of the size, for the
// shapes that a template can have. Every sample compiles a thousand steps, so that the clock's grain weighs the same.
func compiling(ctx context.Context, actions templates.Actions) ([]row, error) {
	const samples, steps = 9, 1000
	sizes := []int{10, 100, 1000}
	var rows []row
	for _, shape := range []struct {
		name   string
		source func(steps int) string
	}{
		{"v1beta3", func(steps int) string { return longTemplate("v1beta3", steps) }},
		{"v3", func(steps int) string { return longTemplate("v3", steps) }},
		{"v3, in switches", switchesTemplate},
	} {
		what := func(size int) string {
			return fmt.Sprintf("compile a template of %d steps (%s), time a step", size, shape.name)
		}
		var fns []func(context.Context) error
		for _, size := range sizes {
			source := shape.source(size)
			fns = append(fns, func(context.Context) error {
				for range steps / size {
					if _, err := compiled(source, actions); err != nil {
						return err
					}
				}
				return nil
			})
		}
		took, err := medians(ctx, samples, fns...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{what: what(sizes[0]), measured: shown(took[0] / steps), against: "-", samples: samples})
		for i := 1; i < len(sizes); i++ {
			rows = append(rows, held(what(sizes[i])+" (linear: 1)", took[i]/steps, took[i-1]/steps,
				fmt.Sprintf("in one of %d", sizes[i-1]), samples))
		}
		rows = append(rows, held(fmt.Sprintf("read and compile %d steps (%s)", steps, shape.name), took[len(took)-1], roundTrip,
			"a provider's answer, assumed", samples))
	}
	return rows, nil
}

// roundTrip is what a call to a provider over the internet takes at least: a continent away, on an open connection,
// without the provider's own work. It is not measured: the doubles answer on loopback.
const roundTrip = 100 * time.Millisecond

// longTemplate has steps that share a workspace and read each other's outputs.
func longTemplate(version string, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: scaffolder.backstage.io/%s\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  parameters: { properties: { name: { type: string }, a: { type: integer } } }\n  steps:\n", version)
	for i := range steps {
		fmt.Fprintf(&b, "    - id: s%d\n      action: fetch:template\n      input:\n        url: ./skeleton\n        values: { name: \"${{ parameters.name | upper }}\"", i)
		if i > 0 {
			fmt.Fprintf(&b, ", before: \"${{ steps.s%d.output | dump }}\"", i-1)
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

// switchesTemplate has switches in a row, of four steps each with the one that needs it, which all touch the workspace.
func switchesTemplate(steps int) string {
	var b strings.Builder
	b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  parameters: { properties: { name: { type: string }, a: { type: integer } } }\n  steps:\n")
	const write = "action: \"fetch:template\", input: { url: ./x }"
	for i := range steps / 5 {
		fmt.Fprintf(&b, "    - id: s%d\n      switch:\n        one: { if: \"${{ parameters.a == %d }}\", steps: [ { id: a%d, %s }, { id: b%d, %s } ] }\n"+
			"        two: { steps: [ { id: c%d, %s } ] }\n    - { id: d%d, needs: [s%d], %s }\n", i, i, i, write, i, write, i, write, i, i, write)
	}
	return b.String()
}

func compiled(source string, actions templates.Actions) (*plan.Plan, error) {
	t, problems := templates.Parse("template.yaml", []byte(source))
	if t == nil {
		return nil, fault.WithProblems("a template of the suite can't be read", problems)
	}
	p, found := templates.Compile(t, actions, templates.Context{Digest: "sha256:" + strings.Repeat("0", 64)})
	if p == nil {
		return nil, fault.WithProblems("a template of the suite doesn't compile", append(problems, found...))
	}
	return p, nil
}
