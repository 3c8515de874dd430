package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

func accessCheck(f *apiFlags) *cobra.Command {
	var user string
	var wait bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look whether what was granted is still there, and who else has access; it changes nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			said, err := c.CheckAccess(cmd.Context(), user)
			if err != nil {
				return err
			}
			for wait && said.Value.State == "running" {
				select {
				case <-time.After(askAgain):
				case <-cmd.Context().Done():
					return context.Cause(cmd.Context())
				}
				if said, err = c.AccessCheck(cmd.Context(), user); err != nil {
					return err
				}
			}
			v := said.Value
			return f.print(cmd, said, []string{"it is", "seen", "not as granted", "not seen"},
				[][]string{{v.State, strconv.Itoa(v.Checked), strconv.Itoa(v.Drifted), strconv.Itoa(v.Unchecked)}})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "only what a person asked for or was granted, e.g. user:default/rosa")
	cmd.Flags().BoolVar(&wait, "wait", false, "until everything was looked at")
	return cmd
}

func accessDrift(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "drift",
		Short: "What is not as it was granted, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(f, cmd, "access/drift", nil, []string{"since", "it is", "what", "grant"}, func(d client.Drift) []string {
				of := d.Lease
				if of == "" {
					of = d.Task
				}
				return []string{clock(d.Since), d.Kind, d.Says, of}
			})
		},
	}
}

// drifted says how a grant stands, in a table.
func drifted(l client.Lease) string {
	switch {
	case l.Drift != nil:
		return l.Drift.Kind + ", seen " + clock(l.Drift.Since) + ": " + l.Drift.Says
	case l.UncheckedSince != nil:
		return "not seen since " + clock(*l.UncheckedSince) + ": " + l.Unchecked
	default:
		return ""
	}
}
