package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// serve gives a client of a server that answers with the handler.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return New(server.URL+"/", "secret-token")
}

func TestClient_Problems_AreUnderstoodInEveryShape(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"problem+json": {409, `{"title":"Conflict","status":409,"detail":"it is decided already"}`, "it is decided already"},
		"with problems": {
			422, `{"title":"Invalid","problems":[{"path":"spec.steps[0]","message":"there is no step","fix":"publish"},{"message":"a cycle"}]}`,
			"Invalid\n  spec.steps[0]: there is no step; try: publish\n  a cycle",
		},
		"Backstage's": {404, `{"error":{"name":"NotFoundError","message":"No task"},"response":{"statusCode":404}}`, "No task"},
		"Backstage's, with problems": {
			400, `{"error":{"name":"InputError","message":"refused","problems":[{"path":"a","message":"b"}]}}`, "refused\n  a: b",
		},
		"values": {
			400, `{"errors":[{"stack":"instance.team is not a string"},{"stack":"instance requires property \"team\""}]}`,
			"the values don't fit the template\n  team is not a string\n  instance requires property \"team\"",
		},
		"empty":    {405, `{}`, "Method Not Allowed"},
		"no JSON":  {502, `<html>`, "502 Bad Gateway"},
		"not ours": {503, `[]`, "503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := client.Task(t.Context(), "x")
			var problem *Problem
			require.ErrorAs(t, err, &problem)
			require.Equal(t, c.status, problem.Status)
			require.Equal(t, c.says, problem.Error())
		})
	}
}

func TestClient_Requests_CarryTheTokenAndEscapeIDs(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"id": r.Method + " " + r.URL.EscapedPath()})
	})
	task, err := client.Task(t.Context(), "../../admin?x")
	require.NoError(t, err)
	require.Equal(t, "GET /api/scaffolder/v2/tasks/..%2F..%2Fadmin%3Fx", task.ID)
	id, err := client.SubmitTask(t.Context(), "template:default/x", json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, "POST /api/scaffolder/v2/tasks", id)
}

func TestClient_NobodyThere_AsksWhetherGildwayRuns(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	_, err := New(server.URL, "t").Tasks(t.Context(), "", 1)
	require.ErrorContains(t, err, "is Gildway running there?")
}

func TestWatch_BrokenStream_GoesOnAfterTheLastEvent(t *testing.T) {
	t.Parallel()
	var asked []string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		asked = append(asked, after)
		switch len(asked) {
		case 1:
			event(w, 1, "log")
			event(w, 2, "log")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler) // in the middle of the stream
		case 2:
			w.WriteHeader(http.StatusBadGateway) // the API starts again
		case 3:
			_, _ = io.WriteString(w, ": ping\n\n") // a server that stops ends its streams in order
		default:
			event(w, 3, "completion")
		}
	})
	var seen []int64
	end, err := client.Watch(t.Context(), "x", func(e Event) { seen = append(seen, e.ID) })
	require.NoError(t, err)
	require.Equal(t, "completion", end.Type)
	require.Equal(t, []int64{1, 2, 3}, seen)
	require.Equal(t, []string{"0", "2", "2", "2"}, asked)
}

func TestWatch_Refused_IsNotTriedAgain(t *testing.T) {
	t.Parallel()
	asked := 0
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusNotFound)
	})
	_, err := client.Watch(t.Context(), "x", func(Event) {})
	var problem *Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, 1, asked)
}

func TestWatch_Cancelled_Ends(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		event(w, 1, "log")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	_, err := client.Watch(ctx, "x", func(Event) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
}

func event(w io.Writer, id int, kind string) {
	fmt.Fprintf(w, "event: %s\ndata: {\"id\":%d,\"type\":%q,\"body\":{\"message\":\"m\"}}\n\n", kind, id, kind)
}
