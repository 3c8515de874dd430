package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

var effectHead = []string{"step", "action", "since", "not undone because"}

func effectRows(effects []client.Effect) [][]string {
	rows := make([][]string, 0, len(effects))
	for _, e := range effects {
		since := "never answered"
		if e.DoneAt != nil {
			since = clock(*e.DoneAt)
		}
		rows = append(rows, []string{e.Step, e.Action, since, e.Problem})
	}
	return rows
}

func taskRollback(f *apiFlags) *cobra.Command {
	var reason string
	var force, wait bool
	cmd := &cobra.Command{
		Use:   "rollback ID",
		Short: "Undo all that a task has done, the last first",
		Long: `Undoes what all attempts at a task that has ended have done. What others have worked on since, such as a repository
with new commits, stays and is listed, unless --force is given.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			asked, err := c.Rollback(cmd.Context(), args[0], reason, force)
			if err != nil {
				return err
			}
			if len(asked.Value.Items) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "the task has done nothing that is not undone")
			}
			if !wait {
				return f.print(cmd, asked, effectHead, effectRows(asked.Value.Items))
			}
			left, err := awaitRollback(cmd, c, args[0], asked.Value.Items)
			if err != nil {
				return err
			}
			if err := f.print(cmd, left, effectHead, effectRows(left.Value.Items)); err != nil || len(left.Value.Items) == 0 {
				return err
			}
			return errors.New("not everything could be undone; see above, and --force")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log and the log of the task")
	cmd.Flags().BoolVar(&force, "force", false, "also what others have worked on since")
	cmd.Flags().BoolVar(&wait, "wait", false, "until it is done, or can't be")
	return cmd
}

// awaitRollback waits until each effect is undone or was found to stay, this time, and gives those.
func awaitRollback(cmd *cobra.Command, c *client.Client, task string, before []client.Effect) (left client.Answer[client.Page[client.Effect]], err error) {
	tried := map[string]time.Time{}
	var last time.Time // of what the task has done
	for _, e := range before {
		for _, at := range []*time.Time{&e.BeganAt, e.DoneAt} {
			if at != nil && at.After(last) {
				last = *at
			}
		}
		tried[e.Key] = time.Time{}
		if e.TriedAt != nil {
			tried[e.Key] = *e.TriedAt
		}
	}
	for told := time.Now(); ; {
		if left, err = c.Effects(cmd.Context(), task); err != nil {
			return left, err
		}
		going := 0
		// A ticket about what stays is an effect, too; nobody has asked for its end. Of very many effects the first answer holds
		// only those that are undone first.
		left.Value.Items = slices.DeleteFunc(left.Value.Items, func(e client.Effect) bool {
			_, asked := tried[e.Key]
			return !asked && e.BeganAt.After(last)
		})
		for _, e := range left.Value.Items {
			if e.TriedAt == nil || !e.TriedAt.After(tried[e.Key]) {
				going++
			}
		}
		if going == 0 {
			return left, nil
		}
		if time.Since(told) > 2*time.Second {
			fmt.Fprintln(cmd.ErrOrStderr(), going, "still to go")
			told = time.Now()
		}
		select {
		case <-time.After(askAgain):
		case <-cmd.Context().Done():
			return left, context.Cause(cmd.Context())
		}
	}
}

func taskEffects(f *apiFlags) *cobra.Command {
	cmd := onOne(f, "effects ID", "What a task has done, in the order in which a rollback would undo it",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Page[client.Effect]], error) {
			return c.Effects(ctx, id)
		}, effectHead, func(_ string, said client.Page[client.Effect]) [][]string { return effectRows(said.Items) })
	cmd.ValidArgsFunction = f.tasks()
	return cmd
}

func taskLeftovers(f *apiFlags) *cobra.Command {
	var page pages
	cmd := &cobra.Command{
		Use:   "leftovers",
		Short: "What could not be undone, of all tasks, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(f, cmd, "leftovers", page.query(map[string]string{}), []string{"task", "step", "action", "because"}, func(e client.Effect) []string {
				return []string{e.Task, e.Step, e.Action, e.Problem}
			})
		},
	}
	page.add(cmd)
	return cmd
}
