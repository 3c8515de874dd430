package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

func taskRetry(f *apiFlags) *cobra.Command {
	var file, secretsFile string
	var failed bool
	var follow following
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Run a task that has ended again, all of it or from the step that failed",
		Long: `What the task made is adopted, what was undone is made again, and its approvals are asked for again.
With --from-failed the steps that completed keep what they gave and are not run again, unless what they did was
undone; what was approved stays approved if approvers would be shown the same. --values corrects parameters of your own
task that no kept step has used. The secrets of the first run are gone: a task that needs some is given them again.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			asked := client.Retry{From: "start"}
			if failed {
				asked.From = "failed"
			}
			if file != "" {
				if asked.Values, err = readValues(cmd, file); err != nil {
					return err
				}
			}
			if asked.Secrets, err = readSecrets(cmd, secretsFile); err != nil {
				return err
			}
			retried, err := c.Retry(cmd.Context(), args[0], asked)
			if err != nil {
				return err
			}
			if follow.wait {
				return follow.watch(f, cmd, c, args[0])
			}
			return f.print(cmd, retried, []string{"id", "asked", "kept"}, [][]string{{args[0], "to run again", strings.Join(retried.Value.Kept, ", ")}})
		},
	}
	cmd.Flags().BoolVar(&failed, "from-failed", false, "keep what completed, and go on with what failed")
	cmd.Flags().StringVar(&file, "values", "", "the parameters to correct, JSON or YAML; - for standard input")
	cmd.Flags().StringVar(&secretsFile, "secrets", "", "the secrets, JSON or YAML: texts by name")
	follow.add(cmd, true)
	return cmd
}
