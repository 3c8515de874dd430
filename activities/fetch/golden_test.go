package fetch

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// render makes what a golden path's fetch step would and writes it to a folder.
func render(t *testing.T, template string, steps ...in) (map[string]string, string) {
	t.Helper()
	a := &attempt{options: Options{Golden: os.DirFS("../../templates/golden")}, base: "golden://" + template + "/template.yaml"}
	for _, step := range steps {
		require.NoError(t, a.do(t, Template, step))
	}
	files := a.got(t)
	dir := t.TempDir()
	for name, content := range files {
		if strings.HasSuffix(name, "/") {
			continue
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, []byte(content), 0o644))
		finished(t, name, content)
	}
	return files, dir
}

// finished checks that nothing of the template is left in a file.
func finished(t *testing.T, name, content string) {
	t.Helper()
	for _, left := range []string{"values.", "{%", "{#", "[object Object]"} {
		require.NotContains(t, content, left, name)
	}
	for _, after := range strings.Split(content, "${{")[1:] {
		require.Regexp(t, `^ (github|matrix|secrets)\.`, after, name)
	}
	switch filepath.Ext(name) {
	case ".json":
		require.True(t, json.Valid([]byte(content)), "%s:\n%s", name, content)
	case ".yaml", ".yml":
		var doc any
		require.NoError(t, yaml.Unmarshal([]byte(content), &doc), "%s:\n%s", name, content)
	}
	require.True(t, content == "" || strings.HasSuffix(content, "\n"), "%s has no line break at its end", name)
	require.NotContains(t, content, "\n\n\n\n", name)
}

func document(t *testing.T, text string) (doc map[string]any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(text), &doc))
	return doc
}

// command runs a program of the machine, if it has it, and wants to see in its output that it did its work.
func command(t *testing.T, proof, dir, name string, args ...string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Logf("%s is not on this machine: its tests are not run", name)
		return
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, proof, string(out))
}

func TestGolden_NodejsMicroservice_RendersAServiceWhoseTestsPass(t *testing.T) {
	t.Parallel()
	files, dir := render(t, "nodejs-microservice", in{
		"url": "./skeleton", "values": in{"name": "payment-processor", "owner": "group:default/payments-team"},
	})
	for _, name := range []string{
		"package.json", "Dockerfile", "README.md", ".gitignore", ".editorconfig", "mkdocs.yml", "docs/index.md", "src/main.js",
		"test/server.test.js", "datadog/monitors.json", ".github/CODEOWNERS",
	} {
		require.Contains(t, files, name)
	}
	require.Contains(t, files[".github/workflows/ci.yaml"], "${{ github.workflow }}-${{ github.ref }}")
	require.Contains(t, files[".github/workflows/ci.yaml"], "${{ matrix.node }}")
	require.Equal(t, "* @acme-org/payments-team\n", files[".github/CODEOWNERS"])
	entity := document(t, files["catalog-info.yaml"])
	require.Equal(t, "Component", entity["kind"])
	metadata := entity["metadata"].(map[string]any)
	require.Equal(t, "payment-processor", metadata["name"])
	annotations := metadata["annotations"].(map[string]any)
	require.Equal(t, "payment-processor", annotations["datadoghq.com/service-name"])
	require.Equal(t, "acme-org/payment-processor", annotations["github.com/project-slug"])
	require.Equal(t, "group:default/payments-team", entity["spec"].(map[string]any)["owner"])
	command(t, `(?m)^# pass \d\d`, dir, "node", "--test", "--test-reporter=tap")
}

func TestGolden_DataPipeline_RendersAPipelineWhoseTestsPass(t *testing.T) {
	t.Parallel()
	for framework, dependency := range map[string]string{"pytorch": "torch>=", "scikit-learn": "scikit-learn>=", "xgboost": "xgboost>="} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			values := in{
				"name": "churn", "owner": "ml-platform-team", "description": `Predicts "churn": weekly`,
				"framework": framework, "schedule": "0 3 * * 1",
			}
			files, dir := render(t, "data-pipeline",
				in{"url": "./skeleton/repository", "values": values},
				in{"url": "./skeleton/pipeline", "targetPath": "./pipeline", "values": values},
				in{"url": "./skeleton/infra", "targetPath": "./infra", "values": values})
			require.Contains(t, files["pipeline/pyproject.toml"], dependency)
			require.Equal(t, 1, strings.Count(files["pipeline/src/pipeline/model.py"], "class FrameworkModel"))
			require.Contains(t, files[".github/workflows/ci.yaml"], "${{ github.repository }}:${{ github.sha }}")
			require.Equal(t, "* @acme-org/ml-platform-team\n", files[".github/CODEOWNERS"])
			job := document(t, files["infra/cronjob.yaml"])
			require.Equal(t, "0 3 * * 1", job["spec"].(map[string]any)["schedule"])
			command(t, `Ran \d\d tests`, filepath.Join(dir, "pipeline"), "python3", "-m", "unittest", "discover", "-s", "tests", "-t", ".")
		})
	}
}

func TestGolden_Skeletons_TwoFetchesOfTheSame_GiveTheSame(t *testing.T) {
	t.Parallel()
	values := in{"name": "svc", "owner": "group:a"}
	digests := map[string]bool{}
	for range 2 {
		a := &attempt{options: Options{Golden: os.DirFS("../../templates/golden")}, base: "golden://nodejs-microservice/template.yaml"}
		require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": values}))
		digest, err := a.files.Seal(t.Context())
		require.NoError(t, err)
		digests[digest] = true
	}
	require.Len(t, digests, 1)
}

func TestGolden_Templates_AreYAMLAndNameTheirFolder(t *testing.T) {
	t.Parallel()
	found, err := fs.Glob(os.DirFS("../../templates/golden"), "*/template.yaml")
	require.NoError(t, err)
	require.Len(t, found, 3)
	for _, name := range found {
		raw, err := os.ReadFile(filepath.Join("../../templates/golden", name))
		require.NoError(t, err)
		doc := document(t, string(raw))
		require.Equal(t, filepath.Dir(name), doc["metadata"].(map[string]any)["name"])
		require.Equal(t, "scaffolder.backstage.io/v3", doc["apiVersion"])
	}
}
