package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/templatetest"
	"github.com/gildway/gildway/worker"
)

func templateTest() *cobra.Command {
	var output string
	var update bool
	cmd := &cobra.Command{
		Use:   "test PATH…",
		Short: "Run the tests beside templates (template.test.yaml); exit status 1 if one fails",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return misused("--output is %q; write text or json", output)
			}
			var files []string
			for _, path := range args {
				found, err := templatetest.Find(path)
				if err != nil {
					return err
				}
				files = append(files, found...)
			}
			outcome := testOutcome{Tests: []templatetest.Report{}, Problems: []fault.Problem{}}
			runs := worker.RunOptions(config.Config{}, worker.Registry(config.Config{}, goldenFolders()), slog.New(slog.DiscardHandler))
			for _, file := range files {
				reports, problems, err := templatetest.Run(cmd.Context(), file, runs, update)
				if err != nil {
					return err
				}
				outcome.Tests, outcome.Problems = append(outcome.Tests, reports...), append(outcome.Problems, problems...)
			}
			if output == "json" {
				if err := printJSON(cmd.OutOrStdout(), outcome); err != nil {
					return err
				}
			} else {
				outcome.print(cmd.OutOrStdout())
			}
			if outcome.failed() > 0 {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.Flags().BoolVar(&update, "update", false, "rewrite what the tests expect to what happens")
	return cmd
}

// testOutcome is what all tests came to.
type testOutcome struct {
	Tests    []templatetest.Report `json:"tests"`
	Problems []fault.Problem       `json:"problems"`
}

func (o testOutcome) failed() int {
	failed := len(o.Problems)
	for _, t := range o.Tests {
		if !t.Passed {
			failed++
		}
	}
	return failed
}

func (o testOutcome) print(out io.Writer) {
	for _, p := range o.Problems {
		fmt.Fprintln(out, p)
	}
	for _, t := range o.Tests {
		if t.Passed {
			fmt.Fprintf(out, "ok    %s: %s (%s)\n", t.File, t.Name, t.Took.Round(time.Millisecond))
			continue
		}
		fmt.Fprintf(out, "FAIL  %s: %s\n", t.File, t.Name)
		for line := range strings.Lines(t.Diff) {
			fmt.Fprint(out, "      "+line)
		}
	}
	switch failed := o.failed(); failed {
	case 0:
		fmt.Fprintf(out, "%d tests, all passed\n", len(o.Tests))
	default:
		fmt.Fprintf(out, "%d tests, %d failures\n", len(o.Tests), failed)
	}
}
