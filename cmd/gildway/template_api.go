package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
)

func templateList() *cobra.Command {
	var f apiFlags
	var p pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API's templates, those that can't be run too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			head := []string{"template", "title", "owner", "state", "version", "problems", "source"}
			return list(&f, cmd, "templates", p.query(nil), head, func(t client.Template) []string {
				return []string{t.Ref, t.Title, t.Owner, t.State, shortDigest(t.Digest), counted(t.Refusals, t.Warnings), t.Source}
			})
		},
	}
	f.add(cmd)
	p.add(cmd)
	return cmd
}

func templateShow() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{
		Use:               "show TEMPLATE",
		Short:             "Show a template of the API: its versions, and everything that is wrong with it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.templates(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			answer, err := c.Template(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			versions, err := c.TemplateVersions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if f.output == "json" {
				return printJSON(out, map[string]any{"template": answer, "versions": versions})
			}
			t := answer.Value
			fmt.Fprintf(out, "%s  %s\n%s, from %s: %s\n", t.Ref, t.Title, t.State, t.Source, cmp.Or(t.BaseURL, t.Place))
			if t.Owner != "" {
				fmt.Fprintln(out, "owned by", t.Owner)
			}
			tell(out, t.Problems)
			fmt.Fprintln(out)
			rows := make([][]string, 0, len(versions.Value.Items))
			for _, v := range versions.Value.Items {
				current := ""
				if v.Current {
					current = "current"
				}
				rows = append(rows, []string{v.Digest, v.LoadedAt.Local().Format(time.DateTime), v.Revision, v.Author, current})
			}
			return f.print(cmd, nil, []string{"version", "first seen", "commit", "author", ""}, rows)
		},
	}
	f.add(cmd)
	return cmd
}

func templateRefresh() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{
		Use:               "refresh",
		Short:             "Have the API read all sources of templates now (admins only)",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			sources, err := c.RefreshTemplates(cmd.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, s := range sources.Value.Items {
				read := "never"
				if s.ReadAt != nil {
					read = s.ReadAt.Local().Format(time.DateTime)
				}
				rows = append(rows, []string{s.Name, strconv.Itoa(s.Templates), read, strconv.Itoa(len(s.Problems))})
			}
			if err := f.print(cmd, sources, []string{"source", "templates", "read", "problems"}, rows); err != nil || f.output == "json" {
				return err
			}
			for _, s := range sources.Value.Items {
				tell(cmd.OutOrStdout(), s.Problems)
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func tell(out io.Writer, problems []client.Finding) {
	for _, p := range problems {
		says := p.Message
		if p.Severity == string(fault.Warning) {
			says = "warning: " + says
		}
		fmt.Fprintln(out, fault.Problem{File: p.File, Line: p.Line, Column: p.Column, Path: p.Path, Rule: p.Rule, Says: says, Try: p.Fix})
	}
}

func counted(refusals, warnings int) string {
	var parts []string
	if refusals > 0 {
		parts = append(parts, plural(refusals, "refusal"))
	}
	if warnings > 0 {
		parts = append(parts, plural(warnings, "warning"))
	}
	return strings.Join(parts, ", ")
}

// shortDigest is enough of a digest to tell versions apart.
func shortDigest(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 12)]
}
