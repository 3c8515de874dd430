package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/view"
)

func accessCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "access", GroupID: "use", Short: "What runs have granted, and until when"}
	f.add(cmd)
	cmd.AddCommand(accessList(&f), accessRenew(&f), accessRevoke(&f), accessCheck(&f), accessDrift(&f), accessReview(&f))
	return cmd
}

var leaseHead = []string{"id", "state", "for", "action", "ends", "drift"}

func leaseRow(l client.Lease) []string {
	state := l.State
	if l.State == "active" && l.RevokedAt != nil {
		state = "ending"
	}
	return []string{l.ID, state, l.Requester, l.Action, clock(l.ExpiresAt), drifted(l)}
}

func accessList(f *apiFlags) *cobra.Command {
	var task, state, user string
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The grants that you may see, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := page.query(map[string]string{"task": task, "state": state, "user": user})
			return list(f, cmd, "access", query, leaseHead, leaseRow)
		},
	}
	page.add(cmd)
	cmd.Flags().StringVar(&task, "task", "", "only what a run has granted")
	cmd.Flags().StringVar(&state, "state", "", "active, expired or revoked; empty for all")
	cmd.Flags().StringVar(&user, "user", "", "only what a person asked for or was granted, e.g. user:default/rosa")
	_ = cmd.RegisterFlagCompletionFunc("state", oneOf("active", "expired", "revoked")) // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("task", f.tasks())
	return cmd
}

func accessRenew(f *apiFlags) *cobra.Command {
	cmd := onOne(f, "renew ID", "Keep a grant for longer, or ask those who may renew it",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Renewed], error) {
			return c.Renew(ctx, id)
		},
		[]string{"grant", "it is", "ends"}, func(id string, said client.Renewed) [][]string {
			return [][]string{{id, said.State, clock(said.ExpiresAt)}}
		})
	cmd.ValidArgsFunction = f.grants()
	return cmd
}

func accessRevoke(f *apiFlags) *cobra.Command {
	var user, reason string
	var wait bool
	cmd := &cobra.Command{
		Use:   "revoke [ID]",
		Short: "End a grant now, or all that a person was granted",
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (user != "") || len(args) > 1 {
				return errors.New("name either one grant or a person with --user")
			}
			return nil
		},
		ValidArgsFunction: f.grants(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			var answer any
			var ending []client.Lease
			if user != "" {
				all, err := c.RevokeAll(cmd.Context(), user, reason)
				if err != nil {
					return err
				}
				answer, ending = all, all.Value.Items
				for _, s := range all.Value.Stays {
					fmt.Fprintln(cmd.ErrOrStderr(), view.Plain("not ended: "+s.Action+" of task "+s.Task+", step "+s.Step+": "+s.Says))
				}
				if all.Value.Unsure != "" {
					fmt.Fprintln(cmd.ErrOrStderr(), view.Plain(all.Value.Unsure))
				}
			} else {
				one, err := c.Revoke(cmd.Context(), args[0], reason)
				if err != nil {
					return err
				}
				answer, ending = one, []client.Lease{one.Value}
			}
			if wait {
				if err := awaitEnds(cmd, c, ending); err != nil {
					return err
				}
			}
			rows := make([][]string, 0, len(ending))
			for _, l := range ending {
				rows = append(rows, leaseRow(l))
			}
			return f.print(cmd, answer, leaseHead, rows)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "all that a person was granted, e.g. user:default/rosa")
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log and told to whom it was granted")
	cmd.Flags().BoolVar(&wait, "wait", false, "until the access is gone")
	return cmd
}

const askAgain = 500 * time.Millisecond

// awaitEnds waits until the grants have ended, and brings them up to date.
func awaitEnds(cmd *cobra.Command, c *client.Client, ending []client.Lease) error {
	for began := time.Now(); ; {
		left := 0
		for i := range ending {
			if ending[i].State != "active" {
				continue
			}
			now, err := c.Lease(cmd.Context(), ending[i].ID)
			if err != nil {
				return err
			}
			if ending[i] = now; now.State == "active" {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if time.Since(began) > 2*time.Second {
			fmt.Fprintln(cmd.ErrOrStderr(), strconv.Itoa(left)+" still to go")
			began = time.Now()
		}
		select {
		case <-time.After(askAgain):
		case <-cmd.Context().Done():
			return context.Cause(cmd.Context())
		}
	}
}
