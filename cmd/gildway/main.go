// Command gildway runs Backstage Scaffolder templates as durable Temporal workflows.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

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

func newRoot(out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "gildway",
		Short:         "Backstage Scaffolder templates as durable Temporal workflows",
		Long:          "Backstage Scaffolder templates as durable Temporal workflows.\n\n" + exitCodes,
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
		taskCommand(), approvalCommand(), accessCommand(), notificationCommand(),
		templateCommand(),
		devCommand(), demoCommand(), tokenCommand(), serverCommand(), workerCommand(), sandboxCommand(),
	)
	root.SetHelpCommandGroupID("use")
	root.SetCompletionCommandGroupID("use")
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
		return usage{fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
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
