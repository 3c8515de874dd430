package main

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

func templateList() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "The templates that the API lets you run",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(&f, cmd, "templates", url.Values{}, []string{"ref", "title", "owner", "type"}, func(t client.Template) []string {
				return []string{t.Ref, t.Title, t.Owner, t.Type}
			})
		},
	}
	f.add(cmd)
	return cmd
}
