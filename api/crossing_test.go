package api

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const portal = "https://backstage.example.com"

func TestCORS_ConfiguredOrigin_MayCallTheScaffolderAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Origins = []string{portal} })
	preflight := func(path, origin string) http.Header {
		return w.call(http.MethodOptions, path, nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type").header
	}
	got := preflight("/api/scaffolder/v2/tasks", portal)
	require.Equal(t, portal, got.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "GET,POST,OPTIONS", got.Get("Access-Control-Allow-Methods"))
	require.Equal(t, "authorization,content-type,accept,last-event-id", got.Get("Access-Control-Allow-Headers"))
	require.Empty(t, got.Get("Access-Control-Allow-Credentials"))
	for _, c := range [][2]string{{"/api/scaffolder/v2/tasks", "https://evil.example"}, {"/api/scaffolder/v2/tasks", "null"}, {"/api/gildway/v1/approvals", portal}} {
		require.Empty(t, preflight(c[0], c[1]).Get("Access-Control-Allow-Origin"), c)
	}
	refused := w.call(http.MethodGet, "/api/scaffolder/v2/tasks", nil, "Origin", portal)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Equal(t, portal, refused.header.Get("Access-Control-Allow-Origin"), "the page must be able to read why")
}

func TestCORS_NoOrigins_Off(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.call(http.MethodOptions, "/api/scaffolder/v2/tasks", nil, "Origin", portal, "Access-Control-Request-Method", "POST")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
}

func TestGzip_LongAnswersWhereAsked_NotStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	get := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token(rosa))
		req.Header.Set("Accept-Encoding", "gzip") // by hand, so that the client leaves the answer as it is
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	long := get("/api/scaffolder/v2/actions")
	require.Equal(t, "gzip", long.Header.Get("Content-Encoding"))
	require.Equal(t, backstageJSON, long.Header.Get("Content-Type"))
	packed, err := gzip.NewReader(long.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(packed)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), `[{"id":"`))
	require.Empty(t, get("/api/scaffolder/v2/tasks").Header.Get("Content-Encoding"), "too short to be worth it")
	task := w.submit()
	w.fail(task, 0)
	require.Empty(t, get("/api/scaffolder/v2/tasks/"+task+"/eventstream").Header.Get("Content-Encoding"))
	require.Equal(t, backstageJSON, get("/api/scaffolder/v2/tasks").Header.Get("Content-Type"))
}
