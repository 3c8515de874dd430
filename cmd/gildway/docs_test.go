package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md")

const cliPage = "../../docs/cli.md"

// docs/cli.md is written by this test, run with -update.
func TestDocs_CommandLine_IsWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(cliHead)
	root := newRoot(io.Discard, io.Discard)
	for _, group := range root.Groups() {
		fmt.Fprintf(&page, "\n## %s\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && !cmd.Hidden {
				describe(&page, cmd)
			}
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(cliPage, []byte(page.String()), 0o644))
	}
	written, err := os.ReadFile(cliPage)
	require.NoError(t, err)
	require.Equal(t, page.String(), string(written), "write it again: go test ./cmd/gildway -run TestDocs_ -update")
}

const cliHead = `# The command line

<!-- Written by the tests of cmd/gildway; edit the help texts of the commands instead. -->

The commands that use a Gildway speak to its API and to nothing else: they need its address (` + "`--api` or `GILDWAY_API`" + `)
and a token (` + "`--token` or `GILDWAY_TOKEN`" + `). With ` + "`--output json`" + ` they print what the API says, as
` + "`/openapi.json`" + ` describes it; ` + "`task submit`, `task cancel` and `task retry`" + ` print the task's id, ` + "`task show`" + ` the task and
its graph, ` + "`template show`" + ` the template and its versions, ` + "`task watch`" + ` each event on a line.

` + "```text\n" + exitCodes + "\n```" + `

Completion, also of templates, runs, approvals and grants, for bash, zsh, fish and PowerShell:

` + "```sh" + `
source <(gildway completion bash)                                 # or zsh
gildway completion fish > ~/.config/fish/completions/gildway.fish
` + "```\n"

func describe(page io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(page, "\n### %s\n\n%s.\n", cmd.CommandPath(), strings.TrimSuffix(cmp.Or(cmd.Long, cmd.Short), "."))
	fmt.Fprintf(page, "\n```text\n%s\n", cmd.UseLine())
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			fmt.Fprintf(page, "  %-22s %s\n", strings.TrimSpace("--"+f.Name+" "+kindOf(f)), saysOf(f))
		}
	})
	fmt.Fprint(page, "```\n")
	for _, child := range cmd.Commands() {
		if !child.Hidden {
			describe(page, child)
		}
	}
}

func kindOf(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return ""
	}
	return strings.ToUpper(f.Value.Type())
}

func saysOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]":
		return f.Usage
	default:
		return f.Usage + " (default " + f.DefValue + ")"
	}
}
