//go:build linux

package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const goldenFolder = "../../templates/golden"

func TestCLI_Lint_SaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	said := shell(t, nil, "template", "lint", "testdata/broken")
	require.Equal(t, 1, said.code)
	require.Equal(t, []string{
		`testdata/broken/actions/template.yaml:11:15: there is no action "fetch:templat" (unknown-action); try: fetch:template`,
		`testdata/broken/cycle/template.yaml:13:22: steps wait for each other: one → two → three → one; ` +
			`two waits for one (order: needs), three waits for two (order: needs), one waits for three (data: steps.three.output) (cycle)`,
		`testdata/broken/steps/template.yaml:18:30: there is no step "publsh" (unknown-step); try: publish`,
		`testdata/broken/syntax/template.yaml:5:1: the file is not YAML: mapping values are not allowed in this context (yaml-syntax); ` +
			`try: another indentation, or quotes around a text with ": " in it`,
		`4 templates: 4 refusals, 0 warnings`,
	}, strings.Split(strings.TrimSpace(said.out), "\n"))

	said = shell(t, nil, "template", "lint", "--output", "json", "testdata/broken")
	require.Equal(t, 1, said.code)
	var problems []struct{ Line, Column int }
	require.NoError(t, json.Unmarshal([]byte(said.out), &problems))
	require.Len(t, problems, 4)
	for _, p := range problems {
		require.Positive(t, p.Line)
		require.Positive(t, p.Column)
	}

	said = shell(t, nil, "template", "lint", goldenFolder)
	require.Equal(t, result{out: "3 templates: 0 refusals, 0 warnings\n"}, said)
	require.Equal(t, 1, shell(t, nil, "template", "lint", "testdata/nowhere").code)
}

func TestCLI_Graph_DrawsWhatWaitsForWhat(t *testing.T) {
	t.Parallel()
	mermaid := shell(t, nil, "template", "graph", "--output", "mermaid", goldenFolder+"/"+servicePath)
	require.Zero(t, mermaid.code, mermaid.err)
	require.Contains(t, mermaid.out, "flowchart LR")
	require.Contains(t, mermaid.out, "s1 -->|\"workspace: the workspace\"| s2")
	require.NotContains(t, mermaid.out, "--> s4")

	dot := shell(t, nil, "template", "graph", "--output", "dot", goldenFolder+"/"+accessPath)
	require.Zero(t, dot.code, dot.err)
	require.Contains(t, dot.out, `digraph "request-llm-gateway-access" {`)
	require.Contains(t, dot.out, `"approval" -> "membership" [label="gate"];`)

	require.Equal(t, 1, shell(t, nil, "template", "graph", "testdata/broken/cycle").code)
	require.Equal(t, 2, shell(t, nil, "template", "graph", "--output", "svg", goldenFolder+"/"+servicePath).code)
}

func TestCLI_Token_IsGoodForTheAPI(t *testing.T) {
	t.Parallel()
	said := shell(t, nil, "token", "--state-dir", shared(t).dir, "--ref", "user:default/tess", "--group", "group:default/tess-team")
	require.Zero(t, said.code, said.err)
	tess := person{stack: shared(t), name: "tess", team: "group:default/tess-team", token: strings.TrimSpace(said.out)}
	said = tess.types(t, "task", "list")
	require.Zero(t, said.code, said.err)
	require.Len(t, strings.Split(strings.TrimSpace(said.out), "\n"), 1, "a head and no task")
}

func TestCLI_Service_SubmittedAndFollowed(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "cleo")
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("name: typed-service\nowner: "+p.team+"\ndescription: Typed by hand\nenableAIAssistant: true\n"), 0o600))
	said := p.types(t, "task", "submit", servicePath, "--values", values, "--wait")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, "publish [completed]")
	require.Contains(t, said.out, "Open Repository")
	id := strings.TrimSpace(said.err)

	said = p.types(t, "task", "show", id, "--output", "json")
	require.Zero(t, said.code, said.err)
	var shown struct {
		Task  struct{ ID, Status, CreatedBy string }
		Graph struct{ Steps []struct{ ID, State string } }
	}
	require.NoError(t, json.Unmarshal([]byte(said.out), &shown))
	require.Equal(t, id, shown.Task.ID)
	require.Equal(t, "completed", shown.Task.Status)
	require.Equal(t, p.ref(), shown.Task.CreatedBy)
	require.Len(t, shown.Graph.Steps, 4)

	said = p.types(t, "template", "run", "--dry-run", servicePath, "--values", values)
	require.Equal(t, 1, said.code, said.out)
	require.Contains(t, said.out, "fail: the repository acme-org/typed-service already exists")
	require.Contains(t, said.out, "find "+p.login()+" in the Okta group ai-coding-assistants already")
	require.Contains(t, said.err, "the run would fail: step publish: the repository")

	said = p.types(t, "task", "collect", id, "--output", "json")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, `"wrappingToken": "hvs.`)
	require.Equal(t, 1, p.types(t, "task", "collect", id).code)

	said = p.types(t, "task", "graph", id)
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, "flowchart LR")
	require.Contains(t, said.out, "stroke-width:4px", "the critical path is marked")
	said = p.types(t, "task", "list", "--by", p.ref(), "--template", servicePath, "--since", "1h")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, id+"  template:default/"+servicePath+"  completed")
	require.Contains(t, p.types(t, "__complete", "task", "show", id[:8]).out, id)
	require.Contains(t, p.types(t, "__complete", "task", "submit", "node").out, servicePath)
}

func TestCLI_Access_ApprovedAndRejected(t *testing.T) {
	t.Parallel()
	p, approver := shared(t).newcomer(t, "carl"), shared(t).role("approver")
	submit := func() string {
		values := filepath.Join(t.TempDir(), "values.json")
		require.NoError(t, os.WriteFile(values, []byte(`{"useCase":"Summarise disputes","team":"`+p.team+`","monthlyTokens":2000000}`), 0o600))
		said := p.types(t, "task", "submit", accessPath, "--values", values, "--output", "json")
		require.Zero(t, said.code, said.err)
		var created struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(said.out), &created))
		return created.ID
	}
	waiting := func(id string) string {
		var list struct{ Items []struct{ ID string } }
		eventually(t, "an approval to be listed", func() bool {
			said := approver.types(t, "approval", "list", "--task", id, "--output", "json")
			return said.code == 0 && json.Unmarshal([]byte(said.out), &list) == nil && len(list.Items) == 1
		})
		return list.Items[0].ID
	}

	id := submit()
	gate := waiting(id)
	said := p.types(t, "approval", "approve", gate)
	require.Equal(t, 3, said.code)
	require.Contains(t, said.err, "whoever asks can't decide")
	said = p.types(t, "task", "show", id)
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, "gildway approval approve "+gate)
	require.Contains(t, said.out, "/namespaces/default/workflows/"+id)
	said = approver.types(t, "approval", "approve", gate, "--comment", "fine")
	require.Zero(t, said.code, said.err)
	said = p.types(t, "task", "watch", id)
	require.Zero(t, said.code, said.err)
	eventually(t, "both grants to be listed", func() bool {
		said = p.types(t, "access", "list")
		return strings.Count(said.out, "lease/"+id) == 2
	})
	require.Zero(t, said.code, said.err)

	id = submit()
	require.Zero(t, approver.types(t, "approval", "reject", waiting(id), "--comment", "too many").code)
	said = p.types(t, "task", "watch", id)
	require.Equal(t, 1, said.code, "a failed run is a failed command")
	require.Contains(t, said.err, "too many")
}

func TestCLI_Mistakes_AreToldWithoutAServer(t *testing.T) {
	t.Parallel()
	said := shell(t, nil, "task", "list")
	require.Equal(t, 2, said.code)
	require.Contains(t, said.err, "GILDWAY_API")
	require.Contains(t, said.err, "GILDWAY_TOKEN")
	said = shared(t).newcomer(t, "cyril").types(t, "task", "submit", servicePath)
	require.Equal(t, 1, said.code)
	for _, field := range []string{"name", "owner", "description"} {
		require.Contains(t, said.err, field)
	}
}

type result struct {
	out, err string
	code     int
}

// types is a command as the person types it.
func (p person) types(t *testing.T, args ...string) result {
	t.Helper()
	return shell(t, []string{"GILDWAY_API=" + p.stack.endpoints.API, "GILDWAY_TOKEN=" + p.token}, args...)
}

func shell(t *testing.T, env []string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errOut, append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}
