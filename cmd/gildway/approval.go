package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func approvalCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "approval", GroupID: "use", Short: "List and decide what waits for approval"}
	f.add(cmd)
	cmd.AddCommand(approvalList(&f), decide(&f, "approve"), decide(&f, "reject"))
	return cmd
}

func approvalList(f *apiFlags) *cobra.Command {
	var task, state string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The approvals that you may see",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			approvals, err := c.Approvals(cmd.Context(), task, state)
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(approvals))
			for _, a := range approvals {
				rows = append(rows, []string{a.ID, a.State, a.Requester, strconv.Itoa(a.Required) + " of " + strings.Join(a.Approvers, ", "), a.CreatedAt.Local().Format(time.DateTime), a.Reason})
			}
			return f.print(cmd, approvals, []string{"id", "state", "requester", "needs", "since", "reason"}, rows)
		},
	}
	cmd.Flags().StringVar(&task, "task", "", "only those of a run")
	cmd.Flags().StringVar(&state, "state", "pending", "pending, approved, rejected; empty for all")
	return cmd
}

func decide(f *apiFlags, decision string) *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use:   decision + " ID",
		Short: strings.ToUpper(decision[:1]) + decision[1:] + " a request",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if err := c.Decide(cmd.Context(), args[0], decision, comment); err != nil {
				return err
			}
			return f.print(cmd, map[string]string{"id": args[0], "decision": decision}, []string{"id", "decision"}, [][]string{{args[0], decision}})
		},
	}
	cmd.Flags().StringVar(&comment, "comment", "", "said to the requester and kept with the decision")
	return cmd
}

func accessCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "access", GroupID: "use", Short: "What runs have granted, and until when"}
	f.add(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "The grants that you may see",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			leases, err := c.Leases(cmd.Context())
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(leases))
			for _, l := range leases {
				rows = append(rows, []string{l.ID, l.State, l.Requester, l.Action, l.ExpiresAt.Local().Format(time.DateTime)})
			}
			return f.print(cmd, leases, []string{"id", "state", "for", "action", "ends"}, rows)
		},
	})
	return cmd
}
