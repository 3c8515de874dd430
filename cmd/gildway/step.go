package main

import (
	"github.com/spf13/cobra"
)

func taskStep(f *apiFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "step", Short: "Say what becomes of a step that waits for its provider"}
	for _, c := range []struct{ action, short, asked string }{
		{"retry", "Try a step now that waits to be tried again", "to be tried now"},
		{"skip", "Go on without a step, if its template says that it is skippable", "to be skipped"},
		{"abort", "Give a step up: the run fails, or goes on as the template says", "to be aborted"},
	} {
		cmd.AddCommand(stepCommand(f, c.action, c.short, c.asked))
	}
	return cmd
}

func stepCommand(f *apiFlags, action, short, asked string) *cobra.Command {
	var iteration, reason string
	cmd := &cobra.Command{
		Use:               action + " ID STEP",
		Short:             short,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if err := c.CancelStep(cmd.Context(), args[0], args[1], action, iteration, reason); err != nil {
				return err
			}
			return f.print(cmd, map[string]string{"id": args[0], "step": args[1]}, []string{"id", "step", "asked"}, [][]string{{args[0], args[1], asked}})
		},
	}
	if action != "skip" {
		cmd.Flags().StringVar(&iteration, "iteration", "", "one item of a loop, by its key; default: all that are under way")
	}
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the log of the task and the audit log")
	return cmd
}
