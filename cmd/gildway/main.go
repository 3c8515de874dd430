// Command gildway runs Backstage Scaffolder templates as durable Temporal workflows.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(os.Stdout, os.Stderr)
	root.SetArgs(os.Args[1:])
	return conclude(root.ExecuteContext(ctx), ctx.Err() != nil, os.Stderr)
}

// interrupted is the exit status of a program that Ctrl-C ended before it was done, as shells have it.
const interrupted = 130

// conclude says what went wrong and what to do about it, and gives the exit status.
func conclude(err error, stopped bool, out io.Writer) int {
	var code exitCode
	var refused *client.Problem
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case stopped && errors.Is(err, context.Canceled):
		fmt.Fprintln(out, "gildway: interrupted")
		return interrupted
	}
	fmt.Fprintln(out, "gildway:", err)
	for _, p := range fault.From(err).Problems {
		fmt.Fprintln(out, " ", p)
	}
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		fmt.Fprintln(out, "the token is missing, expired or of another Gildway; "+freshToken)
	}
	return 1
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
	guide(root)
	return root
}

// guide makes wrong usage an error that names the help to read. Without it a misspelt subcommand would
// print its parent's help and succeed.
func guide(cmd *cobra.Command) {
	for _, child := range cmd.Commands() {
		guide(child)
	}
	seeHelp := func(c *cobra.Command, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w; see: %s --help", err, c.CommandPath())
	}
	cmd.SetFlagErrorFunc(seeHelp)
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error { return seeHelp(c, check(c, args)) }
	}
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		err := fmt.Errorf("there is no command %q", args[0])
		if meant := nearest.Name(args[0], names(c.Commands())); meant != "" {
			err = fmt.Errorf("%w; did you mean %q?", err, meant)
		}
		return seeHelp(c, err)
	}
	cmd.Args = cobra.ArbitraryArgs
}

func names(commands []*cobra.Command) []string {
	all := make([]string, 0, len(commands))
	for _, c := range commands {
		all = append(all, c.Name())
	}
	return all
}

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
