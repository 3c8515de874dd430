package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func templateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "template", GroupID: "write", Short: "Check, test, try and draw templates without any server; list those of the API"}
	cmd.AddCommand(templateLint(), templateGraph(), templateSchema(), templateTest(), templateRun(), templateListing(), templateList(), templateShow(), templateRefresh())
	return cmd
}

// offlineActions are the actions of this build, bound to nothing.
func offlineActions() templates.Actions {
	return compilerActions(worker.Registry(config.Config{}, goldenFolders()).Infos())
}

// offline loads templates against the actions of this build.
func offline(paths []string) (versions []*templates.Version, problems []fault.Problem) {
	actions := offlineActions()
	for _, path := range paths {
		v, p := templates.LoadPath(path, actions)
		versions, problems = append(versions, v...), append(problems, p...)
	}
	return versions, problems
}

func templateLint() *cobra.Command {
	var output string
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint PATH…",
		Short: "Say everything that is wrong with templates; exit status 1 if one can't run",
		Long: "Say everything that is wrong with templates: what can't run (exit status 1), and warnings of what runs and\n" +
			"hardly means what it says (exit status 1 with --strict). docs/lint.md explains every rule. A comment\n" +
			"\"# lint:allow <rule>: <reason>\" on or above a line allows a warning there.",
		Example: "  gildway template lint templates/\n  gildway template lint --strict --output sarif templates/ > lint.sarif",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			write := map[string]func(io.Writer, templates.LintReport) error{"text": lintText, "json": lintJSON, "sarif": lintSARIF}[output]
			if write == nil {
				return misused("--output is %q; write text, json or sarif", output)
			}
			report := templates.LintPaths(args, offlineActions())
			if err := write(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if report.Refused() || strict && len(report.Problems) > 0 {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text, json or sarif")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit status 1 on warnings too")
	return cmd
}

func lintText(out io.Writer, r templates.LintReport) error {
	warnings := 0
	for _, p := range r.Problems {
		if p.Severity == fault.Warning {
			warnings++
			p.Says = "warning: " + p.Says
		}
		fmt.Fprintln(out, p)
	}
	_, err := fmt.Fprintf(out, "%s: %s, %s\n", plural(r.Templates, "template"), plural(len(r.Problems)-warnings, "refusal"), plural(warnings, "warning"))
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func lintJSON(out io.Writer, r templates.LintReport) error {
	if r.Problems == nil {
		r.Problems = []fault.Problem{}
	}
	return printJSON(out, r.Problems)
}

func lintSARIF(out io.Writer, r templates.LintReport) error {
	log, err := r.SARIF()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", log)
	return err
}

func templateSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [v3|v1beta3]",
		Short: "Print the JSON Schema of a version of the language, for editors",
		Example: "  gildway template schema v3 > gildway-v3.schema.json\n" +
			"  # in template.yaml: # yaml-language-server: $schema=./gildway-v3.schema.json",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"v3", "v1beta3"},
		RunE: func(cmd *cobra.Command, args []string) error {
			version := templates.V3
			if len(args) == 1 && args[0] == "v1beta3" {
				version = templates.V1Beta3
			}
			schema, err := templates.Schema(version, offlineActions())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", schema)
			return err
		},
	}
}

func templateGraph() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "graph PATH",
		Short: "Draw what waits for what, and why",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			draw := map[string]func(*plan.Plan) string{"dot": templates.Dot, "mermaid": templates.Mermaid}[output]
			if draw == nil && output != "json" {
				return misused("--output is %q; write dot, mermaid or json", output)
			}
			versions, problems := offline(args)
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p)
			}
			if len(versions) == 0 {
				return exitCode(1)
			}
			for _, v := range versions {
				if draw != nil {
					fmt.Fprintln(cmd.OutOrStdout(), draw(v.Plan))
				} else if err := printJSON(cmd.OutOrStdout(), v.Plan); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "mermaid", "mermaid, dot or json")
	return cmd
}
