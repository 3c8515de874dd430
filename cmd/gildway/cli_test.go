package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeAPI answers each path with a text, and remembers what it was asked.
type fakeAPI struct {
	url string

	mu    sync.Mutex
	asked []string
}

func newFakeAPI(t *testing.T, answers map[string]string) *fakeAPI {
	t.Helper()
	api := &fakeAPI{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		api.mu.Lock()
		api.asked = append(api.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Idempotency-Key")+" "+string(body)))
		api.mu.Unlock()
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"title":"Not Found","status":404,"detail":"nothing there"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	api.url = server.URL
	return api
}

func (api *fakeAPI) gildway(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	return gildway(t, append(args, "--api", api.url, "--token", "t")...)
}

const taskJSON = `{"id":"t1","template":"template:default/x","digest":"sha256:1","status":"processing","phase":"waiting","attempt":1,
	"createdBy":"user:default/rosa","createdAt":"2026-01-31T12:00:00.000Z","values":{"team":"a"},"unknownToUs":true}`

func TestCLI_JSON_IsWhatTheAPISays(t *testing.T) {
	t.Parallel()
	approvals := `{"items":[{"id":"t1.ask","state":"pending","requester":"user:default/rosa","createdAt":"2026-01-31T12:00:00Z","decisions":[]}],"next":"7"}`
	approval := `{"id":"t1.ask","task":"t1","state":"pending","shown":"sha256:2","seen":{"task":"t1","input":{"reason":"r"},"behind":[{"id":"grant","name":"Grant","action":"okta:group:add-member"}]}}`
	access := `{"items":[{"id":"lease/1","state":"active","expiresAt":"2026-01-31T12:00:00Z","output":{"a":1}}]}`
	lease := `{"id":"lease/1","state":"revoked","expiresAt":"2026-01-31T12:00:00Z"}`
	renewed := `{"id":"lease/1","state":"asked","expiresAt":"2026-01-31T12:00:00Z","asked":["group:default/x"]}`
	effects := `{"items":[{"key":"t1/a","task":"t1","step":"a","action":"publish:github","beganAt":"2026-01-31T12:00:00Z","problem":"it has new work"}]}`
	graph := `{"task":"t1","steps":[],"edges":[],"criticalPath":[]}`
	api := newFakeAPI(t, map[string]string{
		"GET /api/gildway/v1/tasks":                       `{"items":[` + taskJSON + `],"next":"n"}`,
		"GET /api/gildway/v1/tasks/t1":                    taskJSON,
		"GET /api/gildway/v1/tasks/t1/graph":              graph,
		"GET /api/gildway/v1/approvals":                   approvals,
		"GET /api/gildway/v1/approvals/t1.ask":            approval,
		"GET /api/gildway/v1/access":                      access,
		"POST /api/gildway/v1/access/lease/1/renew":       renewed,
		"POST /api/gildway/v1/access/lease/1/revoke":      lease,
		"POST /api/gildway/v1/access/revoke":              `{"items":[` + lease + `]}`,
		"GET /api/gildway/v1/templates":                   `{"items":[{"ref":"template:default/x","steps":2}]}`,
		"POST /api/gildway/v1/approvals/t1.ask/decision":  `{"approval":"t1.ask","state":"approved"}`,
		"POST /api/gildway/v1/approvals/t1.ask/statement": `{"task":"t1","signal":"decide","statement":"s","input":{"gate":"t1.ask"}}`,
		"POST /api/gildway/v1/tasks/t1/collect":           `{"items":[{"step":"key","expiresAt":"2026-01-31T12:00:00Z","howTo":"so"}]}`,
		"POST /api/gildway/v1/tasks/t1/pause":             `{"id":"t1"}`,
		"POST /api/gildway/v1/tasks/t1/resume":            `{"id":"t1"}`,
		"POST /api/gildway/v1/tasks/t1/cancel":            `{"id":"t1"}`,
		"POST /api/gildway/v1/tasks/t1/rollback":          effects,
		"GET /api/gildway/v1/tasks/t1/effects":            effects,
		"GET /api/gildway/v1/notifications":               `{"items":[{"kind":"run-failed","to":["user:default/rosa"],"title":"X has failed","at":"2026-01-31T12:00:00Z"}]}`,
		"GET /api/gildway/v1/leftovers":                   effects,
		"POST /api/scaffolder/v2/tasks":                   `{"id":"t1"}`,
		"POST /api/scaffolder/v2/tasks/t1/cancel":         `{"status":"cancelled"}`,
		"POST /api/gildway/v1/tasks/t1/retry":             `{"id":"t1","attempt":1,"kept":[]}`,
	})
	for command, want := range map[string]string{
		"task list":               `{"items":[` + taskJSON + `],"next":"n"}`,
		"task show t1":            `{"task":` + taskJSON + `,"graph":` + graph + `}`,
		"task graph t1":           graph,
		"task submit x":           `{"id":"t1"}`,
		"task cancel t1":          `{"id":"t1"}`,
		"task cancel t1 --undo":   `{"id":"t1"}`,
		"task pause t1":           `{"id":"t1"}`,
		"task resume t1":          `{"id":"t1"}`,
		"task retry t1":           `{"id":"t1","attempt":1,"kept":[]}`,
		"task rollback t1":        effects,
		"task effects t1":         effects,
		"task leftovers":          effects,
		"notification list":       `{"items":[{"kind":"run-failed","to":["user:default/rosa"],"title":"X has failed","at":"2026-01-31T12:00:00Z"}]}`,
		"task collect t1":         `{"items":[{"step":"key","expiresAt":"2026-01-31T12:00:00Z","howTo":"so"}]}`,
		"approval list":           approvals,
		"approval show t1.ask":    approval,
		"approval approve t1.ask": `{"approval":"t1.ask","state":"approved"}`,
		"approval delegate t1.ask --to user:default/rosa": `{"approval":"t1.ask","state":"approved"}`,
		"approval sign t1.ask":                            `{"task":"t1","signal":"decide","statement":"s","input":{"gate":"t1.ask"}}`,
		"access list":                                     access,
		"access renew lease/1":                            renewed,
		"access revoke lease/1":                           lease,
		"access revoke --user user:default/rosa --wait":   `{"items":[` + lease + `]}`,
		"template list":                                   `{"items":[{"ref":"template:default/x","steps":2}]}`,
	} {
		status, out, errOut := api.gildway(t, append(strings.Fields(command), "--output", "json")...)
		require.Zero(t, status, errOut)
		require.JSONEq(t, want, out, command)
		status, out, errOut = api.gildway(t, strings.Fields(command)...)
		require.Zero(t, status, errOut)
		require.NotEmpty(t, out, command)
	}
}

func TestCLI_RevokeOfAPerson_SaysWhatGoesOn(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string]string{
		"POST /api/gildway/v1/access/revoke": `{"items":[],"stays":[{"task":"t1","step":"ai","action":"toolchain:provision-ai-access","says":"take them out"}],"unsure":"who knows"}`,
	})
	status, _, errOut := api.gildway(t, "access", "revoke", "--user", "rosa")
	require.Zero(t, status, errOut)
	require.Equal(t, "not ended: toolchain:provision-ai-access of task t1, step ai: take them out\nwho knows\n", errOut)
}

func TestCLI_TaskList_AsksForWhatItsFlagsSay(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string]string{"GET /api/gildway/v1/tasks": `{"items":[` + taskJSON + `],"next":"n"}`})
	status, out, errOut := api.gildway(t, "task", "list", "--by", "user:default/rosa", "--template", "x", "--status", "failed",
		"--since", "2026-01-31T12:00:00Z", "--limit", "5", "--cursor", "c")
	require.Zero(t, status, errOut)
	require.Equal(t, []string{"GET /api/gildway/v1/tasks?createdBy=user%3Adefault%2Frosa&cursor=c&limit=5&since=2026-01-31T12%3A00%3A00Z&status=failed&template=x"}, api.asked)
	require.Contains(t, out, "t1  template:default/x  waiting  user:default/rosa")
	require.Equal(t, "there are more: --cursor n\n", errOut)
}

func TestCLI_ApprovalShow_SaysWhatIsDecidedAbout_AndApproveNamesIt(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string]string{
		"GET /api/gildway/v1/approvals/t1.ask": `{"id":"t1.ask","task":"t1","state":"pending","title":"May they?","requester":"user:default/rosa","template":"template:default/x",
			"reason":"a key \u001b[2Jfor the team","approvers":["group:default/leads"],"required":2,"createdAt":"2026-01-31T12:00:00Z","shown":"sha256:2",
			"decisions":[{"by":"user:default/ben","verdict":"delegate","to":"user:default/kim","comment":"away","at":"2026-01-31T12:00:00Z"}],
			"seen":{"input":{},"behind":[{"id":"grant","name":"Grant","action":"okta:group:add-member"}]}}`,
		"POST /api/gildway/v1/approvals/t1.ask/decision": `{"approval":"t1.ask","state":"approved"}`,
	})
	at := clock(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	status, out, errOut := api.gildway(t, "approval", "show", "t1.ask")
	require.Zero(t, status, errOut)
	require.Equal(t, `t1.ask  pending  May they?
user:default/rosa asks for it with template:default/x, `+at+`
because: a key for the team
needs 2 of group:default/leads
`+at+`  user:default/ben: delegate to user:default/kim: away

an approval lets these steps begin:
STEP   ACTION                 NAME
grant  okta:group:add-member  Grant

to decide about exactly this: gildway approval approve t1.ask --shown sha256:2
what the run was submitted with: gildway task show t1
`, out)
	status, _, errOut = api.gildway(t, "approval", "approve", "t1.ask", "--shown", "sha256:2")
	require.Zero(t, status, errOut)
	require.Contains(t, api.asked[1], `"shown":"sha256:2"`)
}

func TestCLI_NotThere_SaysWhereToLook(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, nil)
	status, out, errOut := api.gildway(t, "task", "show", "t9")
	require.Equal(t, 4, status)
	require.Empty(t, out)
	require.Equal(t, "gildway: nothing there\nthe runs that you may see: gildway task list\n", errOut)
}

func TestCLI_Submit_LostAnswer_IsOneRun(t *testing.T) {
	t.Parallel()
	var keys []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) < 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"id":"t1"}`)
	}))
	defer server.Close()
	status, out, errOut := gildway(t, "task", "submit", "x", "--api", server.URL, "--token", "t", "--output", "json")
	require.Zero(t, status, errOut)
	require.JSONEq(t, `{"id":"t1"}`, out)
	require.Len(t, keys, 3)
	require.NotEmpty(t, keys[0])
	require.Len(t, slices.Compact(keys), 1)
}

func TestCLI_Watch_PlainLines(t *testing.T) {
	t.Parallel()
	event := func(id int, kind, body string) string {
		return fmt.Sprintf("event: %s\ndata: {\"id\":%d,\"isTaskRecoverable\":false,\"type\":%q,\"createdAt\":\"2026-01-31T12:00:00Z\",\"body\":%s}\n\n", kind, id, kind, body)
	}
	stream := func(last string) *fakeAPI {
		return newFakeAPI(t, map[string]string{"GET /api/scaffolder/v2/tasks/t1/eventstream": event(1, "log", `{"message":"\u001b[32minfo\u001b[39m: hello","stepId":"a","status":"processing"}`) + last})
	}
	good := stream(event(2, "completion", `{"message":"done","output":{"links":[{"title":"Repository","url":"http://git/x"}]}}`))
	status, out, errOut := good.gildway(t, "task", "watch", "t1")
	require.Zero(t, status, errOut)
	require.Contains(t, out, "a [processing]                    info: hello\n")
	require.NotContains(t, out, "\x1b")
	require.Contains(t, out, "\nRepository: http://git/x\n")

	status, out, _ = good.gildway(t, "task", "watch", "t1", "--output", "json")
	require.Zero(t, status)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 2)
	for _, l := range lines {
		require.True(t, json.Valid([]byte(l)))
		require.Contains(t, l, "isTaskRecoverable")
	}

	status, _, errOut = stream(event(2, "completion", `{"message":"done","error":{"name":"Error","message":"too bad"}}`)).gildway(t, "task", "watch", "t1")
	require.Equal(t, 1, status)
	require.Equal(t, "the run failed: too bad\nwhere: gildway task show t1\n", errOut)
}

func TestCLI_Watch_Interrupted_SaysThatTheRunGoesOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, errOut strings.Builder
	root := newRoot(&out, &errOut)
	root.SetArgs([]string{"task", "watch", "t1", "--api", server.URL, "--token", "t"})
	require.Equal(t, 130, conclude(root.ExecuteContext(ctx), true, &errOut))
	require.Equal(t, "the run goes on; to see it again: gildway task watch t1\ngildway: interrupted\n", errOut.String())
}

func TestCLI_Completion_SuggestsWhatTheAPIHas(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string]string{
		"GET /api/gildway/v1/tasks":     `{"items":[` + taskJSON + `]}`,
		"GET /api/gildway/v1/templates": `{"items":[{"ref":"template:default/nodejs","title":"A service"},{"ref":"template:other/x"},{"ref":"template:default/python"}]}`,
		"GET /api/gildway/v1/access":    `{"items":[{"id":"lease/t1/grant","requester":"user:default/rosa","action":"okta:group:add-member","expiresAt":"2026-01-31T12:00:00Z"}]}`,
		"GET /api/gildway/v1/approvals": `{"items":[{"id":"t1.ask","title":"May\nthey?","requester":"user:default/rosa","createdAt":"2026-01-31T12:00:00Z"}]}`,
	})
	for _, c := range []struct {
		command, begun, want string
	}{
		{"task submit", "n", "nodejs\tA service\n:4\n"},
		{"task submit", "template:", "template:other/x\n:4\n"},
		{"approval approve", "", "t1.ask\tuser:default/rosa: May they?\n:4\n"},
		{"access renew", "", "lease/t1/grant\tuser:default/rosa, okta:group:add-member, until " + clock(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) + "\n:4\n"},
		{"access revoke", "x", ":4\n"},
		{"task list --status", "", "open\nprocessing\ncompleted\nfailed\ncancelled\n:4\n"},
		{"task list --output", "", "table\njson\n:4\n"},
		{"task show t1", "", ":4\n"},
	} {
		args := append([]string{"__complete"}, strings.Fields(c.command)...)
		args = slices.Insert(args, 2, "--api", api.url, "--token", "t")
		_, out, _ := gildway(t, append(args, c.begun)...)
		require.Equal(t, c.want, out, c.command)
	}
	_, out, _ := gildway(t, "__complete", "task", "--api", api.url, "--token", "t", "watch", "")
	require.Contains(t, out, "t1\ttemplate:default/x, waiting, ")
	_, out, _ = gildway(t, "__complete", "task", "--api", "http://127.0.0.1:1", "--token", "t", "watch", "")
	require.Equal(t, ":4\n", out, "an API that isn't there has no suggestions")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		status, out, _ := gildway(t, "completion", shell)
		require.Zero(t, status)
		require.Contains(t, out, "gildway")
	}
}

func TestReadValues_JSONAndYAML_ByName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{\n\t\"a\": [1]}\n": "{\n\t\"a\": [1]}",
		"a: [1]\n":           `{"a":[1]}`,
		"":                   "{}",
		"# nothing\n":        "{}",
	} {
		cmd := newRoot(io.Discard, io.Discard)
		cmd.SetIn(strings.NewReader(text))
		got, err := readValues(cmd, "-")
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for text, says := range map[string]string{
		"- a": "standard input holds no values by name", "7": "standard input holds no values by name", "a: [": "standard input holds neither JSON nor YAML",
		"1: a": "standard input can't be written as JSON",
	} {
		cmd := newRoot(io.Discard, io.Discard)
		cmd.SetIn(strings.NewReader(text))
		_, err := readValues(cmd, "-")
		require.ErrorContains(t, err, says, text)
	}
}
