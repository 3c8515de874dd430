package api

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServe_AskedToStop_FinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Notice = time.Second })
	task := w.submit()
	w.log(task, 1)
	stream := bufio.NewReader(w.stream(rosa, task, "").Body)
	_, err := stream.ReadString('\n')
	require.NoError(t, err)

	// A submission whose body comes slowly.
	address := strings.TrimPrefix(w.url, "http://")
	submission, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer submission.Close()
	body := `{"templateRef":"noop","values":{"name":"late"}}`
	_, err = fmt.Fprintf(submission, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		tasksPath, w.token(rosa), len(body))
	require.NoError(t, err)
	answers := bufio.NewReader(submission)
	said, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, said, "100 Continue") // it is under way
	_, err = answers.ReadString('\n')
	require.NoError(t, err)

	polled := make(chan answer, 1)
	last := w.lastEvent(task)
	go func() {
		polled <- w.as(rosa, http.MethodGet, fmt.Sprintf("%s/%s/events?after=%d", tasksPath, task, last), nil)
	}()
	require.Eventually(t, func() bool { // the stream and the long poll share a feed
		w.server.feeds.mu.Lock()
		defer w.server.feeds.mu.Unlock()
		f := w.server.feeds.open[task]
		return f != nil && f.followers == 2
	}, 20*time.Second, time.Millisecond)

	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	require.Eventually(t, func() bool { // it says so while it still answers
		return w.as("", http.MethodGet, "/readyz", nil).status == http.StatusServiceUnavailable
	}, 20*time.Second, time.Millisecond)
	require.Equal(t, http.StatusOK, w.as("", http.MethodGet, "/healthz", nil).status)

	rest, err := io.ReadAll(stream) // a clean end, not a broken connection
	require.NoError(t, err)
	require.NotContains(t, string(rest), "completion")
	got := <-polled
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `[]`, got.text)
	_, err = net.Dial("tcp", address)
	require.Error(t, err, "no new connections")

	_, err = io.Copy(submission, bytes.NewBufferString(body))
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	<-stopped
}

func TestServe_AskedToStop_WaitsForNobodyForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.goodbye = 200 * time.Millisecond })
	submission, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	require.NoError(t, err)
	defer submission.Close()
	_, err = fmt.Fprintf(submission, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
		tasksPath, w.token(rosa))
	require.NoError(t, err)
	said, err := bufio.NewReader(submission).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, said, "100 Continue")
	w.stop() // the rest of the body never comes
}
