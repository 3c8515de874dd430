package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/worker"
)

const dryRunPath = "/api/scaffolder/v2/dry-run"

// trying gives a server the actions of the product, without any provider.
func trying(s *Server) {
	registry := worker.Registry(config.Config{}, nil)
	s.Actions = registry.Infos()
	s.Entities = guestBook{}
	s.DryRuns = dryrun.New(dryrun.Options{Runs: run.Options{Registry: registry, Log: slog.New(slog.DiscardHandler)}})
	s.Uploads = s.DryRuns
}

// guestBook knows everybody.
type guestBook struct{}

func (guestBook) Entity(_ context.Context, ref plan.EntityRef) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"kind": "User", "metadata": map[string]string{"name": ref.Name}})
}

var (
	dryRunID     = regexp.MustCompile(`dry-run-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	catalogInfo  = regexp.MustCompile(`(?m)^ *"path": "catalog-info.yaml",\s*"executable": false,\s*"base64Content": "([^"]*)"`)
	workspaceDir = strings.NewReplacer("/scratch/ws/", "/workspaces/")
)

// comparable takes out of an answer what differs from run to run.
func comparable(t *testing.T, body string) string {
	t.Helper()
	var lines bytes.Buffer
	require.NoError(t, json.Indent(&lines, []byte(body), "", " "), body)
	body = catalogInfo.ReplaceAllStringFunc(lines.String(), func(file string) string {
		text, err := base64.StdEncoding.DecodeString(catalogInfo.FindStringSubmatch(file)[1])
		require.NoError(t, err)
		quoted, err := json.Marshal(string(text))
		require.NoError(t, err)
		return `"catalog-info.yaml":` + string(quoted)
	})
	return dryRunID.ReplaceAllString(workspaceDir.Replace(body), "dry-run-ID")
}

// Every dry run that was recorded of Backstage 4.2 is answered alike, byte for byte.
func TestDryRun_Recordings_AreReproduced(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/recordings/scaffolder-dry-run.json")
	require.NoError(t, err)
	var recordings []struct {
		Name    string
		Request struct {
			Method, Path string
			Body         json.RawMessage
		}
		Response struct {
			Status  int
			Headers map[string]string
			Body    json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(raw, &recordings))
	require.Len(t, recordings, 14)
	w := newWorld(t, trying)
	for _, r := range recordings {
		t.Run(r.Name, func(t *testing.T) {
			got := w.as("user:default/guest", r.Request.Method, r.Request.Path, string(r.Request.Body))
			require.Equal(t, r.Response.Status, got.status, got.text)
			require.Equal(t, r.Response.Headers["content-type"], got.header.Get("Content-Type"))
			require.Equal(t, comparable(t, string(r.Response.Body)), comparable(t, got.text))
		})
	}
}

func TestDryRun_BodyTooLarge_IsRefusedAsBackstageDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	got := w.as(rosa, http.MethodPost, dryRunPath, `{"template":"`+strings.Repeat("x", maxBody)+`"}`)
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.text, `"message":"request entity too large"`)
}

const previewPath = "/api/gildway/v1/dry-run"

// uploaded is a v3 template as the body of a request.
func uploaded(values any, steps ...any) map[string]any {
	return map[string]any{"values": values, "template": map[string]any{
		"apiVersion": "scaffolder.backstage.io/v3", "kind": "Template", "metadata": map[string]any{"name": "up"},
		"spec": map[string]any{
			"type": "service", "steps": steps,
			"parameters": map[string]any{"required": []string{"name"}, "properties": map[string]any{"name": map[string]any{"type": "string"}}},
		},
	}}
}

func TestPreviewRun_UploadedTemplate_SaysEffectsAndEdges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	body := uploaded(map[string]any{"name": "shop"},
		map[string]any{"id": "fetch", "action": "fetch:plain", "input": map[string]any{"url": "./files"}},
		map[string]any{"id": "ask", "action": "approval:request", "input": map[string]any{"approvers": []string{leads}}},
		map[string]any{"id": "say", "action": "debug:log", "input": map[string]any{"message": "${{ steps.ask.output.approved }} ${{ secrets.PASS }}"}},
	)
	body["secrets"] = map[string]string{"PASS": "hunter22"}
	body["directoryContents"] = []map[string]string{{"path": "files/a.txt", "base64Content": "aGk="}}
	got := w.as(rosa, http.MethodPost, previewPath, body)
	require.Equal(t, http.StatusOK, got.status, got.text)
	answer := got.json(t)
	require.Equal(t, []any{map[string]any{"step": "ask", "action": "approval:request", "would": []any{"ask " + leads + " for approval"}}}, answer["effects"])
	require.Contains(t, answer["edges"], map[string]any{"from": "ask", "to": "say", "reason": "data", "detail": "steps.ask.output.approved"})
	require.Equal(t, []any{map[string]any{"path": "a.txt", "executable": false, "base64Content": "aGk="}}, answer["directoryContents"])
	require.Contains(t, got.text, "true ***")
	require.NotContains(t, got.text, "hunter22")
}

func TestPreviewRun_TemplateRef_TriesWhatIsInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	got := w.as(rosa, http.MethodPost, previewPath, map[string]any{"templateRef": "noop", "values": map[string]any{"name": "UPPER"}})
	require.Equal(t, http.StatusBadRequest, got.status, got.text)
	require.Equal(t, problemType, got.header.Get("Content-Type"))
	require.Contains(t, got.text, "instance.name")
}

func TestPreviewRun_Refusals_AreProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	for name, c := range map[string]struct {
		body any
		says string
	}{
		"neither":        {map[string]any{"values": map[string]any{}}, "give a template or a templateRef"},
		"both":           {map[string]any{"values": map[string]any{}, "templateRef": "noop", "template": map[string]any{}}, "not both"},
		"unknown field":  {map[string]any{"values": map[string]any{}, "tempalte": 1}, "must NOT have additional property"},
		"unknown action": {uploaded(map[string]any{"name": "x"}, map[string]any{"id": "a", "action": "no:such"}), "unknown-action"},
		"failing step":   {uploaded(map[string]any{"name": "x"}, map[string]any{"id": "a", "action": "fs:rename", "input": map[string]any{"files": []any{map[string]any{"from": "a", "to": "b"}}}}), "ENOENT"},
	} {
		got := w.as(rosa, http.MethodPost, previewPath, c.body)
		require.GreaterOrEqual(t, got.status, 400, name)
		require.Equal(t, problemType, got.header.Get("Content-Type"), name)
		require.Contains(t, got.text, c.says, name)
		require.NotContains(t, got.text, os.TempDir(), name)
	}
}

func TestDryRun_OddJSON_IsReadAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	got := w.as(rosa, http.MethodPost, dryRunPath, `{"template":{"apiVersion":"scaffolder.backstage.io/v1beta3","kind":"Template","metadata":{"name":"odd"},
		"spec":{"type":"service","steps":[{"id":"s","action":"debug:log","input":{"message":"\ud83d\ude00 \u007f\u0085\u2028 <b> \/ \t 1\n2"}}]}},"values":{},"directoryContents":[]}`)
	require.Equal(t, http.StatusOK, got.status, got.text)
	var answer struct {
		Steps []struct{ Input struct{ Message string } }
	}
	require.NoError(t, json.Unmarshal([]byte(got.text), &answer))
	require.Equal(t, "\U0001F600 \u007f\u0085\u2028 <b> / \t 1\n2", answer.Steps[0].Input.Message)
}

func TestDryRun_TenThousandFiles_EndWithinTheLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	files := make([]map[string]string, 10_000)
	for i := range files {
		files[i] = map[string]string{"path": "f/" + strings.Repeat("d/", i%3) + string(rune('a'+i%26)) + "-" + strings.Repeat("x", i%7) + "-" + base64.RawURLEncoding.EncodeToString([]byte{byte(i >> 8), byte(i)}), "base64Content": "eA=="}
	}
	body := uploaded(map[string]any{"name": "x"}, map[string]any{"id": "a", "action": "fetch:plain", "input": map[string]any{"url": "./f"}})
	body["directoryContents"] = append(files, map[string]string{"path": "f/one-more", "base64Content": "eA=="})
	got := w.as(rosa, http.MethodPost, dryRunPath, body)
	require.Equal(t, http.StatusBadRequest, got.status, got.text[:min(300, len(got.text))])
	require.Contains(t, got.text, "10001 files came with the template")
	body["directoryContents"] = files
	got = w.as(rosa, http.MethodPost, dryRunPath, body)
	require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, got.status, got.text[:min(300, len(got.text))])
}

// What an uploaded template can read of this machine is what came with it.
func TestDryRun_FilesOfTheMachine_AreNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	for _, url := range []string{"file:///etc/", "/etc", "../", "file:///etc/passwd"} {
		for _, action := range []string{"fetch:plain", "fetch:template"} {
			body := uploaded(map[string]any{"name": "x"}, map[string]any{"id": "a", "action": action, "input": map[string]any{"url": url}})
			body["directoryContents"] = []any{}
			got := w.as(rosa, http.MethodPost, dryRunPath, body)
			require.GreaterOrEqual(t, got.status, 400, "%s %s: %s", action, url, got.text)
			require.NotContains(t, got.text, os.TempDir()+"/", url)
		}
	}
}

// fails tries nothing, and tells who was asked.
type fails string

func (f fails) Run(context.Context, dryrun.Request) (dryrun.Result, error) {
	return dryrun.Result{}, fault.New(fault.Conflict, "tried by %s", string(f))
}

// What comes with a request is tried without the installation's credentials, unless who sends it manages templates.
func TestDryRun_UploadedTemplate_ReadsWithNobodysCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying, func(s *Server) { s.DryRuns, s.Uploads = fails("those who read"), fails("those who can't") })
	uploaded := map[string]any{
		"template": map[string]any{
			"apiVersion": "scaffolder.backstage.io/v1beta3", "kind": "Template", "metadata": map[string]any{"name": "mine"},
			"spec": map[string]any{"type": "x", "steps": []any{map[string]any{"id": "a", "action": "fetch:plain", "input": map[string]any{"url": "https://github.com/acme/secret"}}}},
		},
		"values": map[string]any{}, "directoryContents": []any{},
	}
	for _, path := range []string{dryRunPath, "/api/gildway/v1/dry-run"} {
		require.Contains(t, w.as(rosa, http.MethodPost, path, uploaded).text, "tried by those who can't")
		require.Contains(t, w.as(adam, http.MethodPost, path, uploaded).text, "tried by those who read")
	}
	registered := map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}}
	require.Contains(t, w.as(rosa, http.MethodPost, "/api/gildway/v1/dry-run", registered).text, "tried by those who read")
}
