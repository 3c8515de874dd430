package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

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

// openStreams is how many streams the server says are open.
func (w *world) openStreams() string {
	w.t.Helper()
	_, after, _ := strings.Cut(w.as("", http.MethodGet, "/metrics", nil).text, "\ngildway_event_streams ")
	n, _, _ := strings.Cut(after, "\n")
	return n
}

// mute opens a stream over TCP and never reads it.
func (w *world) mute(task string) net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	require.NoError(w.t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "GET %s/%s/eventstream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", tasksPath, task, w.token(rosa))
	require.NoError(w.t, err)
	return conn
}

func TestEventStream_ReaderThatDoesNotRead_IsCutOffAloneAndHurtsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.patience = 2 * time.Second })
	task := w.submit()
	w.mute(task)
	others := []*http.Response{w.stream(rosa, task, ""), w.stream(rosa, task, "?after=0")}
	require.Eventually(t, func() bool { return w.openStreams() == "3" }, 20*time.Second, 20*time.Millisecond)
	const events = 24
	var reading errgroup.Group
	for _, other := range others {
		reading.Go(func() error {
			raw, err := io.ReadAll(other.Body)
			if n := strings.Count(string(raw), "event: "); err == nil && n != events+1 {
				return fmt.Errorf("%d events came", n)
			}
			return err
		})
	}
	large := strings.Repeat("x", 1<<20) // more than the buffers between server and client take
	for n := range events {
		require.NoError(t, w.store.Log(t.Context(), task, fmt.Sprint("large", n), "", "", large))
	}
	require.Eventually(t, func() bool { return w.openStreams() == "2" }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, w.store.Complete(t.Context(), task, 0, store.StatusCompleted, "", nil, nil))
	require.NoError(t, reading.Wait())
}

func TestEventStream_ClientsGone_NothingIsLeft(t *testing.T) {
	w := newWorld(t) // not parallel: it counts goroutines
	task := w.submit()
	w.stream(rosa, task, "").Body.Close() // what the first one needs for good
	require.Eventually(t, func() bool { return w.openStreams() == "0" }, 20*time.Second, 5*time.Millisecond)
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for range 50 {
		conns = append(conns, w.mute(task))
	}
	require.Eventually(t, func() bool { return w.openStreams() == "50" }, 20*time.Second, 5*time.Millisecond)
	require.Greater(t, runtime.NumGoroutine(), before+50)
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		w.server.feeds.mu.Lock()
		defer w.server.feeds.mu.Unlock()
		return w.openStreams() == "0" && len(w.server.feeds.open) == 0 && runtime.NumGoroutine() <= before+5
	}, 20*time.Second, 20*time.Millisecond)
}

func TestEventStream_Idle_CostsNoQueriesAndIsPinged(t *testing.T) {
	t.Parallel()
	counted := &countingEvents{}
	w := newWorld(t, func(s *Server) {
		s.pingEvery = 10 * time.Millisecond
		counted.eventStore = s.feeds.store
		s.feeds.store = counted
	})
	task := w.submit()
	w.log(task, 1)
	lines := bufio.NewScanner(w.stream(rosa, task, "").Body)
	for pings := 0; pings < 20; {
		require.True(t, lines.Scan())
		if lines.Text() == ": ping" {
			pings++
		}
	}
	require.LessOrEqual(t, counted.reads.Load(), int64(2)) // to open it, and one more if it was woken by then
	w.log(task, 2)
	for !strings.Contains(lines.Text(), "line 2") {
		require.True(t, lines.Scan())
	}
}

type countingEvents struct {
	eventStore
	reads atomic.Int64
}

func (c *countingEvents) Events(ctx context.Context, task string, after int64, withCompletion bool, limit int) ([]store.Event, error) {
	c.reads.Add(1)
	return c.eventStore.Events(ctx, task, after, withCompletion, limit)
}

func (c *countingEvents) LastEvent(ctx context.Context, task string) (int64, error) {
	c.reads.Add(1)
	return c.eventStore.LastEvent(ctx, task)
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

// lastEvent is the id of a task's newest event.
func (w *world) lastEvent(task string) int64 {
	w.t.Helper()
	id, err := w.store.LastEvent(w.t.Context(), task)
	require.NoError(w.t, err)
	return id
}
