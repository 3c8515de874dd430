package main

import (
	"encoding/json"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
)

func templateListing() *cobra.Command {
	return &cobra.Command{
		Use:   "listing [PATH…]",
		Short: "Print the entities that show templates in Backstage's catalog; without a PATH those of the golden paths",
		Long: "Print the entities that show templates in Backstage's catalog, to be registered there: its frontend lists what\n" +
			"the catalog has, and of v1beta3 only. Gildway leaves them to the source that has the template.",
		Example: "  gildway template listing > golden-paths.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := listed(args)
			if err != nil {
				return err
			}
			out := yaml.NewEncoder(cmd.OutOrStdout())
			for _, t := range all {
				entity, err := t.Listing(map[string]string{templatesource.ListedOnly: "true"})
				if err != nil {
					return err
				}
				var document any
				if err := json.Unmarshal(entity, &document); err != nil {
					return err
				}
				if err := out.Encode(document); err != nil {
					return err
				}
			}
			return out.Close()
		},
	}
}

// listed are the templates at paths, or else the golden paths.
func listed(paths []string) (all []*templates.Template, err error) {
	if len(paths) == 0 {
		return templates.GoldenPaths()
	}
	versions, problems := offline(paths)
	for _, p := range problems {
		if p.Severity == fault.Refused {
			return nil, fault.WithProblems("what can't be run is not listed", problems)
		}
	}
	for _, v := range versions {
		all = append(all, v.Template)
	}
	return all, nil
}
