package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gildway/gildway/templates"
)

// running measures whole runs, one at a time, from the promise to the end.
func running(ctx context.Context, actions templates.Actions, out io.Writer) (rows []row, err error) {
	err = install(ctx, out, func(ctx context.Context, on *installation) error {
		for _, local := range []bool{true, false} {
			for _, chained := range []bool{true, false} {
				r, err := on.noOps(ctx, actions, local, chained)
				if err != nil {
					return err
				}
				rows = append(rows, r)
			}
		}
		r, err := on.wide(ctx, actions)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// noOps holds a run of ten steps that do nothing against the floor.
func (i *installation) noOps(ctx context.Context, actions templates.Actions, local, chained bool) (row, error) {
	const steps = 10
	template := sameSteps{name: "no-ops", action: "debug:wait", input: waits(0), steps: steps, chained: chained}
	samples, how := 15, "activities"
	if local {
		template.action, template.input = "debug:log", "{}"
		samples, how = 30, "local activities"
	}
	where := "side by side"
	if chained {
		where = "in a chain"
	}
	p, err := compiled(template.source(), actions)
	if err != nil {
		return row{}, err
	}
	took, err := medians(ctx, samples,
		func(ctx context.Context) error { return i.run(ctx, p) },
		func(ctx context.Context) error {
			return floor{Steps: steps, Local: local, Chained: chained}.run(ctx, i.temporal)
		})
	if err != nil {
		return row{}, err
	}
	return held(fmt.Sprintf("run %d no-op steps %s, %s", steps, where, how), took[0], took[1], "by hand", samples), nil
}

// wide holds a run of steps that don't wait for each other against its critical path.
func (i *installation) wide(ctx context.Context, actions templates.Actions) (row, error) {
	const steps, samples, each = 8, 10, 200 * time.Millisecond
	p, err := compiled(sameSteps{name: "wide", action: "debug:wait", input: waits(each), steps: steps}.source(), actions)
	if err != nil {
		return row{}, err
	}
	took, err := medians(ctx, samples, func(ctx context.Context) error { return i.run(ctx, p) })
	if err != nil {
		return row{}, err
	}
	return held(fmt.Sprintf("run %d steps of %s side by side", steps, each), took[0], each, "critical path", samples), nil
}

// sameSteps is a template whose steps all do the same, one after the other or all at once.
type sameSteps struct {
	name    string
	action  string
	input   string // YAML, in one line
	steps   int
	chained bool
}

func (s sameSteps) source() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: %s }\nspec:\n  type: service\n  parallel: %d\n  steps:\n", s.name, s.steps)
	for i := range s.steps {
		fmt.Fprintf(&b, "    - { id: s%d, action: %q, input: %s", i, s.action, s.input)
		if s.chained && i > 0 {
			fmt.Fprintf(&b, ", needs: [s%d]", i-1)
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

// waits is the input of a debug:wait.
func waits(d time.Duration) string { return fmt.Sprintf("{ milliseconds: %d }", d.Milliseconds()) }
