// Command gildway runs Backstage Scaffolder templates as durable Temporal workflows.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/fault"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(os.Stdout, os.Stderr)
	root.SetArgs(os.Args[1:])
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintln(os.Stderr, "gildway:", err)
		for _, p := range fault.From(err).Problems {
			fmt.Fprintln(os.Stderr, " ", p)
		}
		return 1
	}
}

// exitCode ends the program without another word: what is wrong has been printed.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

func newRoot(out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "gildway",
		Short:         "Backstage Scaffolder templates as durable Temporal workflows",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.AddGroup(
		&cobra.Group{ID: "use", Title: "Use a Gildway:"},
		&cobra.Group{ID: "write", Title: "Write templates:"},
		&cobra.Group{ID: "run", Title: "Run a Gildway:"},
	)
	root.AddCommand(
		taskCommand(), approvalCommand(), accessCommand(),
		templateCommand(),
		devCommand(), demoCommand(), tokenCommand(), serverCommand(), workerCommand(), sandboxCommand(),
	)
	return root
}

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
