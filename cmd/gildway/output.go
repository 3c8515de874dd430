package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/view"
)

// apiFlags are what every command that calls the API takes.
type apiFlags struct {
	api, token, output string
}

func (f *apiFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.api, "api", "", "URL of the API (or GILDWAY_API)")
	flags.StringVar(&f.token, "token", "", "bearer token (or GILDWAY_TOKEN)")
	flags.StringVar(&f.output, "output", "table", "table, or json: what the API says")
	_ = cmd.RegisterFlagCompletionFunc("output", oneOf("table", "json")) // the flag is there
}

const freshToken = "for the local stack: gildway token --as requester"

func (f *apiFlags) client() (*client.Client, error) {
	api, token := cmp.Or(f.api, os.Getenv("GILDWAY_API")), cmp.Or(f.token, os.Getenv("GILDWAY_TOKEN"))
	var errs []error
	if api == "" {
		errs = append(errs, misused("no API is named; set --api or GILDWAY_API, e.g. http://127.0.0.1:7780"))
	}
	if token == "" {
		errs = append(errs, errSignedOut)
	}
	if f.output != "table" && f.output != "json" {
		errs = append(errs, misused("--output is %q; write table or json", f.output))
	}
	return client.New(api, token), errors.Join(errs...)
}

// print shows v as JSON, or as a table of rows under a head.
func (f *apiFlags) print(cmd *cobra.Command, v any, head []string, rows [][]string) error {
	out := cmd.OutOrStdout()
	if f.output == "json" {
		return printJSON(out, v)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(head, "\t")))
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(view.Plain(row[i]), "\n", " ")
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// pages are the flags of a list.
type pages struct {
	limit  int
	cursor string
}

func (p *pages) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 50, "how many at the most")
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "go on where a list ended: its next")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
}

// query adds what is asked for to the place in the list.
func (p *pages) query(values map[string]string) url.Values {
	query := url.Values{"limit": {strconv.Itoa(p.limit)}, "cursor": {p.cursor}}
	for name, value := range values {
		query.Set(name, value)
	}
	return query
}

// list prints a page of a list.
func list[T any](f *apiFlags, cmd *cobra.Command, what string, query url.Values, head []string, row func(T) []string) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	page, err := client.List[T](cmd.Context(), c, what, query)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(page.Value.Items))
	for _, item := range page.Value.Items {
		rows = append(rows, row(item))
	}
	if err := f.print(cmd, page, head, rows); err != nil {
		return err
	}
	if page.Value.Next != "" && f.output != "json" {
		fmt.Fprintln(cmd.ErrOrStderr(), "there are more: --cursor", page.Value.Next)
	}
	return nil
}

func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// onOne makes a command that asks the API something about one thing and prints what it says.
func onOne[T any](f *apiFlags, use, short string, ask func(ctx context.Context, c *client.Client, id string) (client.Answer[T], error),
	head []string, rows func(id string, said T) [][]string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			said, err := ask(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return f.print(cmd, said, head, rows(args[0], said.Value))
		},
	}
}
