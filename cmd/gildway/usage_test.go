package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
)

// gildway runs the program in this process.
func gildway(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRoot(&stdout, &stderr)
	root.SetArgs(args)
	status = conclude(root.ExecuteContext(t.Context()), false, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestUsage_Wrong_IsAnErrorThatNamesTheHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"tsk"}, `there is no command "tsk"; did you mean "task"?; see: gildway --help`},
		{[]string{"task", "lits"}, `there is no command "lits"; did you mean "list"?; see: gildway task --help`},
		{[]string{"task", "submit"}, "accepts 1 arg(s), received 0; see: gildway task submit --help"},
		{[]string{"approval", "list", "--frob"}, "unknown flag: --frob; see: gildway approval list --help"},
		{[]string{"dev", "--ports", "5"}, `--ports is "5"; write default or auto`},
		{[]string{"template", "graph", "x", "--output", "svg"}, `--output is "svg"; write dot, mermaid or json`},
		{[]string{"task", "list", "--since", "yesterday"}, `--since is "yesterday"; write how long ago`},
		{[]string{"task", "list"}, "no API is named; set --api or GILDWAY_API"},
	} {
		status, out, errOut := gildway(t, c.args...)
		require.Equal(t, 2, status, c.args)
		require.Empty(t, out, c.args)
		require.Contains(t, errOut, c.says)
	}
	status, out, _ := gildway(t, "task")
	require.Zero(t, status)
	require.Contains(t, out, "Available Commands")
}

func TestConclude_SaysWhatWentWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		stopped bool
		status  int
		says    string
	}{
		{nil, true, 0, ""},
		{exitCode(3), false, 3, ""},
		{fmt.Errorf("starting: %w", context.Canceled), true, 130, "gildway: interrupted\n"},
		{context.Canceled, false, 1, "gildway: context canceled\n"},
		{errors.New("no"), true, 1, "gildway: no\n"},
		{fault.WithProblems("wrong", []fault.Problem{{Says: "a"}, {Says: "b"}}), false, 1, "gildway: Invalid: wrong\n  a\n  b\n"},
		{&client.Problem{Status: 401, Title: "Illegal token"}, false, 3, "gildway: Illegal token\nthe token is missing, expired or of another Gildway; " + freshToken + "\n"},
		{&client.Problem{Status: 403, Title: "no"}, false, 3, "gildway: no\nwhat you may see: gildway task list, gildway approval list\n"},
		{
			&client.Problem{Status: 404, Title: "no", Path: "/api/gildway/v1/tasks/x/graph"}, false, 4,
			"gildway: no\nthe runs that you may see: gildway task list\n",
		},
		{&client.Problem{Status: 404, Title: "no", Path: "/api/scaffolder/v2/tasks"}, false, 4, "gildway: no\nthe templates that you may run: gildway template list\n"},
		{&client.Problem{Status: 409, Title: "no", Path: "/api/scaffolder/v2/tasks/x/retry"}, false, 1, "gildway: no\nwhat it is at: gildway task show x\n"},
		{&client.Problem{Status: 429, Title: "no", RetryAfter: 7}, false, 5, "gildway: no\ntry again in 7 seconds\n"},
		{&client.Problem{Status: 500, Title: "no", Request: "r1"}, false, 1, "gildway: no\nthe log of the API has the cause, under the request r1\n"},
		{&client.NoAnswer{From: "http://x", Cause: errors.New("refused")}, false, 5, "gildway: no answer from http://x; is Gildway running there? refused\n"},
		{errSignedOut, false, 3, "gildway: " + errSignedOut.Error() + "\n"},
		{errors.Join(misused("no API"), errSignedOut), false, 2, "gildway: no API\n" + errSignedOut.Error() + "\n"},
	} {
		var out bytes.Buffer
		require.Equal(t, c.status, conclude(c.err, c.stopped, &out))
		require.Equal(t, c.says, out.String())
	}
}

func TestTemplate_GraphAndLint_NeedNoServer(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"mermaid": "flowchart LR\n", "dot": "digraph \"nodejs-microservice\"", "json": `"steps": [`} {
		status, out, errOut := gildway(t, "template", "graph", "../../templates/golden/nodejs-microservice", "--output", format)
		require.Zero(t, status, errOut)
		require.Contains(t, out, want)
	}
	status, out, _ := gildway(t, "template", "lint", "../../templates/golden", "--output", "json")
	require.Zero(t, status)
	require.JSONEq(t, `[]`, out)
	status, _, _ = gildway(t, "template", "lint", t.TempDir()+"/none")
	require.Equal(t, 1, status)
}
