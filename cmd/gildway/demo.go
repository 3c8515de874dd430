package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/demo"
)

func demoCommand() *cobra.Command {
	var postgres string
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: "run",
		Short:   "The golden paths from request to result on a fresh local stack, checked from outside",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding this program: %w", err)
			}
			return demo.Run(cmd.Context(), demo.Options{Program: program, Postgres: postgres, Out: cmd.OutOrStdout()})
		},
	}
	cmd.Flags().StringVar(&postgres, "postgres", "", "URL of a Postgres server to use instead of starting one")
	return cmd
}
