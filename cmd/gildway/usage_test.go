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
	} {
		status, out, errOut := gildway(t, c.args...)
		require.Equal(t, 1, status, c.args)
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
		{&client.Problem{Status: 401, Title: "Illegal token"}, false, 1, "gildway: Illegal token\nthe token is missing, expired or of another Gildway; " + freshToken + "\n"},
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
