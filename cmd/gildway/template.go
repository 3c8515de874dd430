package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func templateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "template", GroupID: "write", Short: "Check and draw templates; works without any server"}
	cmd.AddCommand(templateLint(), templateGraph())
	return cmd
}

// offline loads templates against the actions of this build.
func offline(paths []string) (versions []*templates.Version, problems []fault.Problem) {
	actions := compilerActions(worker.Registry(config.Config{}, goldenFolders()).Infos())
	for _, path := range paths {
		v, p := templates.LoadPath(path, actions)
		versions, problems = append(versions, v...), append(problems, p...)
	}
	return versions, problems
}

func templateLint() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "lint PATH…",
		Short: "Say everything that is wrong with templates; exit status 1 if there is anything",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			versions, problems := offline(args)
			out := cmd.OutOrStdout()
			switch output {
			case "json":
				if problems == nil {
					problems = []fault.Problem{}
				}
				if err := printJSON(out, problems); err != nil {
					return err
				}
			case "text":
				for _, p := range problems {
					fmt.Fprintln(out, p)
				}
				if len(problems) == 0 {
					fmt.Fprintf(out, "%d templates, no problems\n", len(versions))
				}
			default:
				return fmt.Errorf("--output is %q; write text or json", output)
			}
			if len(problems) > 0 {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
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
				return fmt.Errorf("--output is %q; write dot, mermaid or json", output)
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
