package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/issuer"
)

func TestGuard_BadTokens_401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired, err := w.issuer.Token(issuer.Claims{Sub: rosa, TTL: -1e12})
	require.NoError(t, err)
	audience, err := w.issuer.Token(issuer.Claims{Sub: rosa, Audience: "catalog"})
	require.NoError(t, err)
	shared, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, nil)
	require.NoError(t, err)
	hmac, err := jwt.Signed(shared).Claims(map[string]any{"sub": rosa, "iss": w.issuer.URL()}).Serialize()
	require.NoError(t, err)
	stranger, err := issuer.Open(t.TempDir(), w.issuer.URL())
	require.NoError(t, err)
	unknown, err := stranger.Token(issuer.Claims{Sub: rosa})
	require.NoError(t, err)
	good := strings.Split(w.token(rosa), ".")
	none := "eyJhbGciOiJub25lIn0." + good[1] + "."

	const missing, illegal, failed = "Missing credentials", "Illegal token", "Failed user token verification"
	for name, c := range map[string]struct{ header, says string }{
		"none":           {"", missing},
		"blank":          {"Bearer ", missing},
		"basic":          {"Basic cm9zYTpyb3Nh", missing},
		"garbage":        {"Bearer nonsense", illegal},
		"alg none":       {"Bearer " + none, failed},
		"shared secret":  {"Bearer " + hmac, illegal},
		"expired":        {"Bearer " + expired, failed},
		"wrong audience": {"Bearer " + audience, failed},
		"unknown key":    {"Bearer " + unknown, failed},
	} {
		got := w.call(http.MethodGet, "/api/scaffolder/v2/tasks?limit=1", nil, "Authorization", c.header)
		require.Equal(t, http.StatusUnauthorized, got.status, name)
		require.JSONEq(t, `{"error":{"name":"AuthenticationError","message":"`+c.says+`"},"request":{"method":"GET","url":"/v2/tasks?limit=1"},"response":{"statusCode":401}}`, got.text, name)
		got = w.call(http.MethodGet, "/api/gildway/v1/approvals", nil, "Authorization", c.header)
		require.Equal(t, http.StatusUnauthorized, got.status, name)
		require.Equal(t, problemType, got.header.Get("Content-Type"), name)
		require.Equal(t, "Bearer", got.header.Get("WWW-Authenticate"), name)
	}
}

func TestErrors_ShapesOfBothFaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/nothing", nil)
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Empty(t, unknown.text)
	require.Equal(t, http.StatusNotFound, w.as(rosa, http.MethodGet, "/api/scaffolder/v2/tasks/"+newID()+"/cancel", nil).status)

	id := newID()
	missing := w.as(rosa, http.MethodGet, "/api/scaffolder/v2/tasks/"+id, nil)
	require.Equal(t, http.StatusNotFound, missing.status)
	require.JSONEq(t, `{"error":{"name":"NotFoundError","message":"No task with id '`+id+`' found"},"request":{"method":"GET","url":"/v2/tasks/`+id+`"},"response":{"statusCode":404}}`, missing.text)

	problem := w.as(rosa, http.MethodGet, "/api/gildway/v1/approvals/none", nil)
	require.Equal(t, http.StatusNotFound, problem.status)
	require.JSONEq(t, `{"title":"Not Found","status":404,"detail":"there is no approval \"none\"","instance":"/api/gildway/v1/approvals/none",
		"kind":"NotFound","request":"`+problem.header.Get("X-Request-Id")+`"}`, problem.text)
	require.Equal(t, "nosniff", problem.header.Get("X-Content-Type-Options"))
	require.Equal(t, http.StatusNotFound, w.as("", http.MethodGet, "/nothing", nil).status)
	wrong := w.as(rosa, http.MethodDelete, "/api/gildway/v1/tasks/"+id+"/cancel", nil)
	require.Equal(t, http.StatusMethodNotAllowed, wrong.status)
	require.Equal(t, "POST", wrong.header.Get("Allow"))
}

func TestHandlers_Panic_500WithoutItsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Templates = nil })
	for _, path := range []string{"/api/gildway/v1/templates", "/api/scaffolder/v2/templates/default/template/noop/parameter-schema"} {
		got := w.as(rosa, http.MethodGet, path, nil)
		require.Equal(t, http.StatusInternalServerError, got.status)
		require.NotContains(t, got.text, "nil pointer")
	}
}
