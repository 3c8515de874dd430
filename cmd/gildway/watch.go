package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/view"
)

// following are the flags of commands that can follow a run.
type following struct {
	wait, plain bool
}

func (w *following) add(cmd *cobra.Command, asked bool) {
	if asked {
		cmd.Flags().BoolVar(&w.wait, "wait", false, "follow the run to its end; exit status 1 if it fails")
	}
	cmd.Flags().BoolVar(&w.plain, "plain", false, "a line for each event, as where the output is no terminal")
}

func taskWatch(f *apiFlags) *cobra.Command {
	var follow following
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Follow a run to its end; exit status 1 if it fails",
		Long: `Follows a run to its end, through restarts of the API. On a terminal its steps are drawn in place, without
colours if NO_COLOR is set; elsewhere, and with --plain, each event is a line. With --output json each
event is a line of JSON.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			return follow.watch(f, cmd, c, args[0])
		},
	}
	follow.add(cmd, false)
	return cmd
}

// watch shows a run to its end, and for one that went well its output.
func (w following) watch(f *apiFlags, cmd *cobra.Command, c *client.Client, id string) error {
	var end client.Event
	var err error
	switch screen, ok := terminal(cmd); {
	case f.output == "json":
		end, err = c.Watch(cmd.Context(), id, func(e client.Event) { fmt.Fprintf(cmd.OutOrStdout(), "%s\n", e.JSON) })
	case ok && !w.plain:
		end, err = watchLive(cmd, c, id, screen)
	default:
		end, err = c.Watch(cmd.Context(), id, func(e client.Event) { fmt.Fprintln(cmd.OutOrStdout(), eventLine(e)) })
	}
	if err != nil {
		if cmd.Context().Err() != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "the run goes on; to see it again: gildway task watch", id)
		}
		return err
	}
	if e := end.Body.Error; e != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "the run failed:", view.Plain(e.Message))
		fmt.Fprintln(cmd.ErrOrStderr(), "where: gildway task show", id)
		return exitCode(exitFailed)
	}
	if len(end.Body.Output) > 0 && f.output != "json" { // the completion event holds it
		return printResult(cmd.OutOrStdout(), end.Body.Output)
	}
	return nil
}

func eventLine(e client.Event) string {
	step := e.Body.StepID
	if e.Body.Status != "" && step != "" {
		step += " [" + e.Body.Status + "]"
	}
	return fmt.Sprintf("%s  %-32s  %s", e.CreatedAt.Local().Format(time.TimeOnly), step, view.Plain(e.Body.Message))
}

// terminal gives the terminal that a command prints on, if there is one that can be drawn on.
func terminal(cmd *cobra.Command) (*os.File, bool) {
	out, ok := cmd.OutOrStdout().(*os.File)
	return out, ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(out.Fd()))
}

func watchLive(cmd *cobra.Command, c *client.Client, id string, out *os.File) (client.Event, error) {
	task, err := c.Details(cmd.Context(), id)
	if err != nil {
		return client.Event{}, err
	}
	screen, colours := view.NewScreen(out), os.Getenv("NO_COLOR") == ""
	return view.Follow(cmd.Context(), c, id, task.Value.Title, func(p view.Picture) error {
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return fmt.Errorf("the terminal's size: %w", err)
		}
		return screen.Draw(p.Lines(time.Now(), view.Size{Width: width, Height: height}, colours))
	})
}
