package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

// compiling holds the time that a step takes against that in a template of a tenth of the size. Every
// sample compiles a thousand steps, so that the clock's grain weighs the same.
func compiling(ctx context.Context, actions templates.Actions) ([]row, error) {
	const samples, steps = 15, 1000
	sizes := []int{10, 100, 1000}
	what := func(size int) string { return fmt.Sprintf("compile a template of %d steps, time a step", size) }
	var fns []func(context.Context) error
	for _, size := range sizes {
		source := longTemplate(size)
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
	rows := []row{{what: what(sizes[0]), measured: shown(took[0] / steps), against: "-", samples: samples}}
	for i := 1; i < len(sizes); i++ {
		rows = append(rows, held(what(sizes[i])+" (linear: 1)", took[i]/steps, took[i-1]/steps,
			fmt.Sprintf("in one of %d", sizes[i-1]), samples))
	}
	return rows, nil
}

// longTemplate has steps that share a workspace and read each other's outputs.
func longTemplate(steps int) string {
	var b strings.Builder
	b.WriteString("apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: long }\nspec:\n  type: service\n  steps:\n")
	for i := range steps {
		fmt.Fprintf(&b, "    - id: s%d\n      action: fetch:template\n      input:\n        url: ./skeleton\n        values: { name: \"${{ parameters.name | upper }}\"", i)
		if i > 0 {
			fmt.Fprintf(&b, ", before: \"${{ steps.s%d.output | dump }}\"", i-1)
		}
		b.WriteString(" }\n")
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
