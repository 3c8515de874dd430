package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
)

const v1 = "/api/gildway/v1/"

// requireProblem checks an error of /api/gildway/v1.
func requireProblem(t *testing.T, got answer, status int, kind, path string) {
	t.Helper()
	require.Equal(t, status, got.status, got.text)
	require.Equal(t, problemType, got.header.Get("Content-Type"))
	body := got.json(t)
	require.Equal(t, http.StatusText(status), body["title"])
	require.EqualValues(t, status, body["status"])
	require.NotEmpty(t, body["detail"])
	require.Equal(t, path, body["instance"])
	require.Equal(t, kind, body["kind"])
	require.Equal(t, got.header.Get("X-Request-Id"), body["request"])
}

// Every operation of /api/gildway/v1 that the document has is asked in the ways that must fail, and once as it should be.
func TestV1_EveryOperation_AnswersAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	document, err := GetSpec()
	require.NoError(t, err)
	w := newWorld(t)
	task := w.submit()
	gate := w.gate(task)
	lease := w.lease(task, "a:b", plan.Lease{TTL: plan.Duration(time.Hour), Renewable: true})
	review := w.review(task)
	place := strings.NewReplacer("{taskId}", task, "{leaseId}", segment(lease), "{approvalId}", gate, "{namespace}", "default", "{name}", "noop",
		"{step}", "hello", "{action}", "abort", "{reviewId}", segment(review))
	nowhere := strings.NewReplacer("{taskId}", newID(), "{scheduleId}", "none", "{leaseId}", "lease%2Fnone", "{approvalId}", "gate/none", "{namespace}", "default", "{name}", "nowhere",
		"{step}", "hello", "{action}", "abort", "{reviewId}", "access-review%2Fnone")
	bodies := map[string]string{
		"PreviewRun":         `{"templateRef":"noop","values":{"name":"one"}}`,
		"DecideApproval":     `{"decision":"reject"}`,
		"SignDecision":       `{"decision":"approve"}`,
		"CreateSchedule":     `{"template":"noop","values":{"name":"one"},"cron":"@daily"}`,
		"PauseTask":          `{"reason":"test"}`,
		"StopTask":           `{"undo":true}`,
		"CancelStep":         `{"reason":"test"}`,
		"ResumeFailedTask":   `{"from":"start"}`,
		"RollbackTask":       `{"reason":"test"}`,
		"DecideAccessReview": `{"confirmAll":true}`,
		"RevokeAccess":       `{"reason":"test"}`,
		"RevokeAccessOf":     `{"user":"user:default/rosa"}`,
	}
	operations := 0
	for path, item := range document.Paths.Map() {
		if !strings.HasPrefix(path, v1) {
			continue
		}
		for method, o := range item.Operations() {
			operations++
			t.Run(o.OperationID, func(t *testing.T) {
				url := place.Replace(strings.ReplaceAll(path, "{approvalId}", segment(gate)))
				url = strings.ReplaceAll(url, "{scheduleId}", w.schedule(newID())) // another one each time: they can be deleted
				var body any
				if o.RequestBody != nil {
					require.NotEmpty(t, bodies[o.OperationID], "say how %s is asked well", o.OperationID)
					body = bodies[o.OperationID]
				}
				requireProblem(t, w.call(method, url, body), http.StatusUnauthorized, "Unauthenticated", pathOf(url))
				who := adam
				switch o.Extensions["x-permission"] {
				case "task:collect", "access:renew":
					who = rosa
				case "approval:decide":
					who = ben
				case "review:decide":
					who = tess
				}
				requireProblem(t, w.as(who, method, url+"?frobnicate=1", body), http.StatusBadRequest, "Invalid", pathOf(url))
				if strings.Contains(path, "{") {
					missing := nowhere.Replace(path)
					missing = strings.Replace(missing, "gate/none", "gate%2Fnone", 1)
					requireProblem(t, w.as(who, method, missing, body), http.StatusNotFound, "NotFound", pathOf(missing))
				}
				if o.RequestBody != nil {
					requireProblem(t, w.as(who, method, url, `{"frob":`), http.StatusBadRequest, "Invalid", pathOf(url))
				}
				for _, p := range o.Parameters {
					if len(p.Value.Schema.Value.Enum) > 0 {
						requireProblem(t, w.as(who, method, url+"?"+p.Value.Name+"=bogus", body), http.StatusBadRequest, "Invalid", pathOf(url))
					}
				}
				got := w.as(who, method, url, body)
				requireDocumented(t, o, got)
				if got.status == http.StatusOK && o.Responses.Value("200").Value.Content.Get("application/json") != nil {
					requireListShape(t, o, got)
				}
			})
		}
	}
	require.Positive(t, operations)
	requireProblem(t, w.as(adam, http.MethodGet, v1+"frobs", nil), http.StatusNotFound, "NotFound", v1+"frobs")
	requireProblem(t, w.as(adam, http.MethodDelete, v1+"templates", nil), http.StatusMethodNotAllowed, "Invalid", v1+"templates")
}

func segment(s string) string  { return strings.ReplaceAll(s, "/", "%2F") }
func pathOf(url string) string { return strings.ReplaceAll(url, "%2F", "/") }

// requireDocumented holds an answer against the document: its status, content type and body.
func requireDocumented(t *testing.T, o *openapi3.Operation, got answer) {
	t.Helper()
	documented := o.Responses.Status(got.status)
	if documented == nil && got.status >= http.StatusBadRequest {
		documented = o.Responses.Default()
	}
	require.NotNil(t, documented, "%d: %s", got.status, got.text)
	content := documented.Value.Content.Get(got.header.Get("Content-Type"))
	require.NotNil(t, content, got.header.Get("Content-Type"))
	var body any
	require.NoError(t, json.Unmarshal([]byte(got.text), &body))
	require.NoError(t, content.Schema.Value.VisitJSON(body, openapi3.VisitAsResponse()), got.text)
}

var isList = regexp.MustCompile(`List$`)

// requireListShape: what the document calls a list is {"items": […], "next": "…"}.
func requireListShape(t *testing.T, o *openapi3.Operation, got answer) {
	t.Helper()
	schema := o.Responses.Value("200").Value.Content.Get("application/json").Schema
	if !isList.MatchString(schema.Ref) {
		return
	}
	var list map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(got.text), &list))
	require.True(t, bytes.HasPrefix(list["items"], []byte("[")), got.text)
	for key := range list {
		require.Contains(t, []string{"items", "next"}, key)
	}
}
