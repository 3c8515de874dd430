package main

import (
	"time"

	"github.com/spf13/cobra"
)

func notificationCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "notification", GroupID: "use", Short: "What you and your groups were told"}
	f.add(cmd)
	cmd.AddCommand(notificationList(&f))
	return cmd
}

func notificationList(f *apiFlags) *cobra.Command {
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Approvals that wait for you, access that ends, runs that have ended, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type told struct {
				At    time.Time `json:"at"`
				Kind  string    `json:"kind"`
				Title string    `json:"title"`
				Text  string    `json:"text"`
				Task  string    `json:"task"`
			}
			return list(f, cmd, "notifications", page.query(map[string]string{}), []string{"at", "about", "task", "says"}, func(n told) []string {
				says := n.Title
				if n.Text != "" {
					says += ": " + n.Text
				}
				return []string{clock(n.At), n.Kind, n.Task, says}
			})
		},
	}
	page.add(cmd)
	return cmd
}
