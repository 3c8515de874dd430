package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"
)

// stream opens a task's event stream.
func (w *world) stream(who, task, query string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+tasksPath+"/"+task+"/eventstream"+query, nil)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.token(who))
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (w *world) log(task string, n int) {
	w.t.Helper()
	require.NoError(w.t, w.store.Log(w.t.Context(), task, fmt.Sprint(n), "step-1", "", fmt.Sprintf("line %d <b>", n)))
}

func TestEventStream_EveryEventOnce_EndsWithTheCompletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.log(task, 1)
	resp := w.stream(rosa, task, "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
	lines := bufio.NewScanner(resp.Body)
	next := func() (kind string, e Event) {
		t.Helper()
		require.True(t, lines.Scan())
		kind = strings.TrimPrefix(lines.Text(), "event: ")
		require.True(t, lines.Scan())
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), &e))
		require.True(t, lines.Scan())
		require.Empty(t, lines.Text())
		return kind, e
	}
	kind, first := next()
	require.Equal(t, "log", kind)
	require.JSONEq(t, `{"message":"line 1 <b>","stepId":"step-1"}`, string(first.Body))
	require.Equal(t, task, first.TaskId)
	for n := 2; n <= 4; n++ { // each is seen before the next is made
		w.log(task, n)
		_, e := next()
		require.Contains(t, string(e.Body), fmt.Sprintf("line %d", n))
		require.Greater(t, e.Id, first.Id)
	}
	require.NoError(t, w.store.Complete(t.Context(), task, 0, store.StatusCompleted, "", json.RawMessage(`{}`), nil))
	kind, last := next()
	require.Equal(t, "completion", kind)
	require.False(t, lines.Scan())
	require.NoError(t, lines.Err())

	raw, err := io.ReadAll(w.stream(rosa, task, fmt.Sprintf("?after=%d&whatever=1", last.Id)).Body) // the completion comes again
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("event: completion\ndata: {\"id\":%d,\"isTaskRecoverable\":false,\"taskId\":%q,\"body\":"+
		"{\"message\":\"Run completed with status: completed\",\"output\":{}},\"type\":\"completion\",\"createdAt\":%q}\n\n", last.Id, task, last.CreatedAt), string(raw))
	raw, err = io.ReadAll(w.stream(rosa, task, "?after=0").Body)
	require.NoError(t, err)
	require.Equal(t, 5, strings.Count(string(raw), "event: "))
}

func TestEventStream_UnknownTask_404BeforeAnyStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	got := w.as(rosa, http.MethodGet, tasksPath+"/"+id+"/eventstream", nil)
	require.Equal(t, http.StatusNotFound, got.status)
	require.JSONEq(t, `{"error":{"name":"NotFoundError","message":"No task with id '`+id+`' found"},"request":{"method":"GET","url":"/v2/tasks/`+id+`/eventstream"},"response":{"statusCode":404}}`, got.text)
}

func TestEventStream_Shutdown_EndsOpenStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.log(task, 1)
	resp := w.stream(rosa, task, "")
	reader := bufio.NewReader(resp.Body)
	_, err := reader.ReadString('\n')
	require.NoError(t, err)
	w.stop()
	_, err = io.ReadAll(reader)
	require.NoError(t, err)
}

func TestEventStream_ReaderThatDoesNotRead_IsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.patience = 200 * time.Millisecond })
	task := w.submit()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "GET %s/%s/eventstream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", tasksPath, task, w.token(rosa))
	require.NoError(t, err)
	open := func(n string) bool {
		return strings.Contains(w.as("", http.MethodGet, "/metrics", nil).text, "gildway_event_streams "+n+"\n")
	}
	require.Eventually(t, func() bool { return open("1") }, 20*time.Second, 20*time.Millisecond)
	large := strings.Repeat("x", 1<<20)
	for n := range 16 {
		require.NoError(t, w.store.Log(t.Context(), task, fmt.Sprint("large", n), "", "", large))
	}
	require.Eventually(t, func() bool { return open("0") }, 30*time.Second, 20*time.Millisecond)
}

func TestPollTaskEvents_WaitsForTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.log(task, 1)
	var events []Event
	got := w.as(rosa, http.MethodGet, tasksPath+"/"+task+"/events", nil)
	require.NoError(t, json.Unmarshal([]byte(got.text), &events))
	require.Len(t, events, 1)

	answered := make(chan answer, 1)
	go func() {
		answered <- w.as(rosa, http.MethodGet, fmt.Sprintf("%s/%s/events?after=%d", tasksPath, task, events[0].Id), nil)
	}()
	w.log(task, 2)
	got = <-answered
	require.Contains(t, got.text, "line 2")

	bad := w.as(rosa, http.MethodGet, tasksPath+"/"+task+"/events?after=abc", nil)
	require.Equal(t, http.StatusBadRequest, bad.status)
	require.Contains(t, bad.text, "request/query/after must be integer")
}
