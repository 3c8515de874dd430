package catalog_test

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

func writing(t *testing.T, template, input string) (*workspace.Workspace, []string, error) {
	memory, files := exercise.NewMemory(), exercise.Files(t, map[string]string{"d/x": ""})
	require.NoError(t, files.WriteFile("run", []byte("old"), 0o755))
	call := memory.Call()
	call.Files, call.Root, call.Run.Template.Ref = files, "/workspaces/t", template
	_, err := action(t, catalog.New(catalog.Config{}), "catalog:write").Do(t.Context(), call, []byte(input))
	return files, memory.Lines(), err
}

func TestWrite_RecordedDryRun_SameFile(t *testing.T) {
	t.Parallel()
	files, lines, err := writing(t, "template:default/dry-run", `{"entity":{"apiVersion":"backstage.io/v1alpha1","kind":"Component","metadata":{"name":"rec-svc",
		"annotations":{"example.org/task":"dry-run-048937de-e132-41ec-bfa6-776a7fdb37eb"}},"spec":{"type":"service","lifecycle":"experimental","owner":"group:default/guests"}}}`)
	require.NoError(t, err)
	require.Equal(t, []string{"Writing catalog-info.yaml"}, lines)
	text, err := fs.ReadFile(files, "catalog-info.yaml")
	require.NoError(t, err)
	require.Equal(t, `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: rec-svc
  annotations:
    example.org/task: dry-run-048937de-e132-41ec-bfa6-776a7fdb37eb
    backstage.io/source-template: template:default/dry-run
spec:
  type: service
  lifecycle: experimental
  owner: group:default/guests
`, string(text))
}

func TestWrite_Annotation_PutWhereBackstagePutsIt(t *testing.T) {
	t.Parallel()
	for entity, want := range map[string]string{
		`{"metadata":{"annotations":{"backstage.io/source-template":"x","b":"c"},"name":"n"}}`: "metadata:\n  annotations:\n    backstage.io/source-template: template:default/t\n    b: c\n  name: n\n",
		`{"metadata":{"annotations":null,"name":"n"}}`:                                         "metadata:\n  annotations:\n    backstage.io/source-template: template:default/t\n  name: n\n",
		`{"metadata":{},"kind":"X"}`:                                                           "metadata:\n  annotations:\n    backstage.io/source-template: template:default/t\nkind: X\n",
	} {
		files, _, err := writing(t, "template:default/t", `{"entity":`+entity+`}`)
		require.NoError(t, err)
		text, err := fs.ReadFile(files, "catalog-info.yaml")
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	files, _, err := writing(t, "", `{"entity":{"kind":"X"}}`)
	require.NoError(t, err)
	text, err := fs.ReadFile(files, "catalog-info.yaml")
	require.NoError(t, err)
	require.Equal(t, "kind: X\nmetadata: {}\n", string(text))
}

func TestWrite_NoMetadata_FailsInBackstagesWords(t *testing.T) {
	t.Parallel()
	for entity, text := range map[string]string{
		`{"kind":"X"}`:      "Cannot read properties of undefined (reading 'annotations')",
		`{"metadata":null}`: "Cannot read properties of null (reading 'annotations')",
	} {
		_, _, err := writing(t, "template:default/t", `{"entity":`+entity+`}`)
		require.Equal(t, text, fault.From(err).Public)
		require.Equal(t, "TypeError", fault.From(err).BackstageName())
	}
}

func TestWrite_Places_FilesOnlyAndTheirModesStay(t *testing.T) {
	t.Parallel()
	files, _, err := writing(t, "", `{"filePath":"/workspaces/t/new/../run","entity":{}}`)
	require.NoError(t, err)
	info, err := files.Stat("run")
	require.NoError(t, err)
	require.EqualValues(t, 0o755, info.Mode())
	for _, path := range []string{"", "d", "."} {
		_, lines, err := writing(t, "", `{"filePath":"`+path+`","entity":{}}`)
		require.ErrorIs(t, err, fault.Conflict)
		require.Contains(t, err.Error(), "EISDIR: illegal operation on a directory, open '/workspaces/t")
		require.Equal(t, []string{"Writing " + path}, lines)
	}
}

func TestHostile_WriteOutside_Denied(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../x", "/etc/passwd", "a/../../x", ".git/config", "d/.git/hooks/x"} {
		_, _, err := writing(t, "", `{"filePath":"`+path+`","entity":{}}`)
		require.ErrorIs(t, err, fault.Denied, path)
	}
}
