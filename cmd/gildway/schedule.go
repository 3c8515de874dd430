package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

func taskSchedule(f *apiFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "schedule", Short: "Run templates regularly"}
	cmd.AddCommand(scheduleCreate(f), scheduleList(f), scheduleShow(f))
	for _, c := range []struct{ use, short string }{
		{"pause ID", "Run nothing until the schedule is resumed"},
		{"resume ID", "Go on after a pause; what was due meanwhile is not made up for"},
		{"run ID", "Run the template now, too, or when the task that is under way has ended"},
	} {
		what, _, _ := strings.Cut(c.use, " ")
		cmd.AddCommand(onSchedule(f, c.use, c.short, func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Schedule], error) {
			return c.TellSchedule(ctx, id, what)
		}))
	}
	cmd.AddCommand(onSchedule(f, "delete ID", "End a schedule; what it has begun goes on",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Schedule], error) {
			return c.DeleteSchedule(ctx, id)
		}))
	return cmd
}

var scheduleHead = []string{"id", "template", "at", "zone", "by", "state"}

func scheduleRow(c client.Schedule) []string {
	state := "active"
	switch {
	case c.PausedAt != nil:
		state = "paused"
	case c.Problem != "":
		state = "could not run"
	}
	return []string{c.ID, c.Template, c.Cron, c.TimeZone, c.Owner, state}
}

func onSchedule(f *apiFlags, use, short string, ask func(context.Context, *client.Client, string) (client.Answer[client.Schedule], error)) *cobra.Command {
	cmd := onOne(f, use, short, ask, scheduleHead, func(_ string, said client.Schedule) [][]string { return [][]string{scheduleRow(said)} })
	cmd.ValidArgsFunction = f.schedules()
	return cmd
}

func scheduleCreate(f *apiFlags) *cobra.Command {
	var file string
	var n client.NewSchedule
	cmd := &cobra.Command{
		Use:   "create TEMPLATE --cron WHEN --values FILE",
		Short: "Run a template regularly, in your name",
		Long: `Runs a template regularly, in your name and for as long as you may run it. With --id the same command gives the
same schedule, for scripts that start again.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.templates(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if n.Cron == "" {
				return misused("say when it is to run, e.g. --cron '0 3 * * 1' or --cron @daily")
			}
			if n.Values, err = readValues(cmd, file); err != nil {
				return err
			}
			n.Template = templateRef(args[0])
			if n.ID == "" {
				n.ID = uuid.NewString()
			}
			made, err := c.CreateSchedule(cmd.Context(), n)
			if err != nil {
				return err
			}
			return f.print(cmd, made, scheduleHead, [][]string{scheduleRow(made.Value)})
		},
	}
	cmd.Flags().StringVar(&file, "values", "", "the parameters, JSON or YAML; - for standard input")
	cmd.Flags().StringVar(&n.Cron, "cron", "", "minute, hour, day of the month, month and day of the week, e.g. '0 3 * * 1'; or @daily, @every 6h and the like")
	cmd.Flags().StringVar(&n.TimeZone, "timezone", "UTC", "whose clock that is, e.g. Europe/Berlin")
	cmd.Flags().StringVar(&n.ID, "id", "", "a name of yours: small letters, digits and dashes")
	cmd.Flags().StringVar(&n.Overlap, "overlap", "skip", "if the task before still goes on: skip this time, buffer-one or allow-all")
	_ = cmd.RegisterFlagCompletionFunc("overlap", oneOf("skip", "buffer-one", "allow-all")) // the flag is there
	return cmd
}

func scheduleList(f *apiFlags) *cobra.Command {
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The schedules that you may see, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(f, cmd, "schedules", page.query(nil), scheduleHead, scheduleRow)
		},
	}
	page.add(cmd)
	return cmd
}

func scheduleShow(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "When a schedule runs next, what it has run, and why it could not",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.schedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			said, err := c.Schedule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if f.output == "json" {
				return printJSON(cmd.OutOrStdout(), said)
			}
			return f.printSchedule(cmd, said.Value)
		},
	}
}

// mostTimes is how many of the next times are shown.
const mostTimes = 3

func (f *apiFlags) printSchedule(cmd *cobra.Command, c client.ScheduleDetails) error {
	out := cmd.OutOrStdout()
	if err := f.print(cmd, nil, scheduleHead, [][]string{scheduleRow(c.Schedule)}); err != nil {
		return err
	}
	if values := shortened(c.Values); values != "" {
		fmt.Fprintln(out, "with", values)
	}
	for _, at := range c.Next[:min(mostTimes, len(c.Next))] {
		fmt.Fprintln(out, "next at", clock(at))
	}
	if c.Problem != "" && c.ProblemAt != nil {
		fmt.Fprintf(out, "could not run at %s: %s\n", clock(*c.ProblemAt), c.Problem)
	}
	if len(c.Tasks) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	rows := make([][]string, 0, len(c.Tasks))
	for _, t := range c.Tasks {
		rows = append(rows, []string{t.ID, t.Phase, clock(t.CreatedAt)})
	}
	return f.print(cmd, nil, []string{"task", "phase", "created"}, rows)
}

func (f *apiFlags) schedules() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "schedules", url.Values{"limit": {mostSuggested}}, func(c client.Schedule) choice {
			return choice{c.ID, c.Template + ", " + c.Cron}
		})
	})
}
