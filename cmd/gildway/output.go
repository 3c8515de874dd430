package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/gildway/gildway/internal/client"
	"github.com/spf13/cobra"
)

// apiFlags are what every command that calls the API takes.
type apiFlags struct {
	api, token, output string
}

func (f *apiFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.api, "api", os.Getenv("GILDWAY_API"), "URL of the API (or GILDWAY_API)")
	flags.StringVar(&f.token, "token", "", "bearer token (or GILDWAY_TOKEN)")
	flags.StringVar(&f.output, "output", "table", "table or json")
}

const freshToken = "for the local stack: gildway token --as requester"

func (f *apiFlags) client() (*client.Client, error) {
	token := f.token
	if token == "" {
		token = os.Getenv("GILDWAY_TOKEN")
	}
	var errs []error
	if f.api == "" {
		errs = append(errs, errors.New("no API is named; set --api or GILDWAY_API, e.g. http://127.0.0.1:7780"))
	}
	if token == "" {
		errs = append(errs, errors.New("no token is given; set --token or GILDWAY_TOKEN; "+freshToken))
	}
	if f.output != "table" && f.output != "json" {
		errs = append(errs, fmt.Errorf("--output is %q; write table or json", f.output))
	}
	return client.New(f.api, token), errors.Join(errs...)
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
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
