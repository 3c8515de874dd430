package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestTemplateLint_ExitStatusTellsRefusalsFromWarnings(t *testing.T) {
	t.Parallel()
	write := func(step string) string {
		file := filepath.Join(t.TempDir(), "template.yaml")
		src := "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: a }\nspec:\n  type: service\n  steps:\n    - " + step + "\n"
		require.NoError(t, os.WriteFile(file, []byte(src), 0o644))
		return file
	}
	fine := write("{ action: debug:log }")
	doubtful := write(`{ action: debug:log, if: "false" }`)
	wrong := write("{ action: debug:lgo }")

	status, out, _ := gildway(t, "template", "lint", fine)
	require.Zero(t, status)
	require.Equal(t, "1 template: 0 refusals, 0 warnings\n", out)

	status, out, _ = gildway(t, "template", "lint", doubtful)
	require.Zero(t, status)
	require.Contains(t, out, `:7:32: warning: the condition is always true: "false" is a text without an expression (constant-condition); try: false`)
	require.Contains(t, out, "1 template: 0 refusals, 1 warning\n")
	status, _, _ = gildway(t, "template", "lint", "--strict", doubtful)
	require.Equal(t, 1, status)

	status, out, _ = gildway(t, "template", "lint", "--output", "json", wrong, doubtful)
	require.Equal(t, 1, status)
	var problems []fault.Problem
	require.NoError(t, json.Unmarshal([]byte(out), &problems))
	require.Len(t, problems, 2)

	status, out, _ = gildway(t, "template", "lint", "--output", "sarif", wrong)
	require.Equal(t, 1, status)
	var log struct {
		Version string
		Runs    []struct{ Results []any }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &log))
	require.Equal(t, "2.1.0", log.Version)
	require.Len(t, log.Runs[0].Results, 1)

	status, _, errOut := gildway(t, "template", "lint", "--output", "xml", fine)
	require.Equal(t, 2, status)
	require.Contains(t, errOut, `--output is "xml"; write text, json or sarif`)
	status, out, _ = gildway(t, "template", "lint", "--strict", "../../templates/golden")
	require.Zero(t, status, out)
}

func TestTemplateSchema_IsOneAVersion(t *testing.T) {
	t.Parallel()
	for version, title := range map[string]string{"v3": "Template scaffolder.backstage.io/v3", "v1beta3": "Template scaffolder.backstage.io/v1beta3"} {
		status, out, errOut := gildway(t, "template", "schema", version)
		require.Zero(t, status, errOut)
		var schema struct{ Title string }
		require.NoError(t, json.Unmarshal([]byte(out), &schema))
		require.Equal(t, title, schema.Title)
	}
	status, _, errOut := gildway(t, "template", "schema", "v2")
	require.Equal(t, 2, status)
	require.Contains(t, errOut, "v2")
}
