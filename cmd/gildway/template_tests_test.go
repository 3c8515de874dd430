package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// gildwayHere runs a command line in this process.
func gildwayHere(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRoot(&stdout, &stderr)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestTemplateRun_Path_SaysWhatItWouldCall(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("{name: shop, owner: 'group:default/a', description: d}"), 0o600))
	out, err := gildwayHere(t, "template", "run", "--dry-run", "../../templates/golden/nodejs-microservice", "--values", values)
	require.NoError(t, err)
	require.Contains(t, out, `call publish:github with {"repoUrl":"github.com?owner=acme-org&repo=shop"`)
	require.Regexp(t, `provision-ai-access +toolchain:provision-ai-access +skipped`, out)
	require.Contains(t, out, `"url": "<example>"`)
}

func TestTemplateRun_Refusals_SayWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := gildwayHere(t, "template", "run", "../../templates/golden/nodejs-microservice")
	require.ErrorContains(t, err, "--dry-run")
	_, err = gildwayHere(t, "template", "run", "--dry-run", "../../templates/golden/nodejs-microservice")
	require.ErrorContains(t, err, "the values don't fit the template")
	_, err = gildwayHere(t, "template", "run", "--dry-run", "no-such-file.yaml", "--api", "", "--token", "x")
	require.ErrorContains(t, err, "there is no file no-such-file.yaml")
}

func TestTemplateTest_Failure_ExitsWithOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "template.yaml"), []byte(`apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: small}
spec:
  type: service
  steps: [{id: say, action: "debug:log", input: {message: hi}}]
`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "template.test.yaml"), []byte("tests:\n  - name: one\n    expect: {skipped: [say]}\n"), 0o600))
	out, err := gildwayHere(t, "template", "test", dir)
	require.Equal(t, exitCode(1), err)
	require.Contains(t, out, "FAIL")
	require.Contains(t, out, "-  - say\n")
	out, err = gildwayHere(t, "template", "test", dir, "--output", "json")
	require.Equal(t, exitCode(1), err)
	require.Contains(t, out, `"passed": false`)
	_, err = gildwayHere(t, "template", "test", dir, "--update")
	require.NoError(t, err)
	_, err = gildwayHere(t, "template", "test", dir)
	require.NoError(t, err)
}
