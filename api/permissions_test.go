package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/sandbox/issuer"
)

func TestEveryOperation_AsksForAPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	gate := w.gate(task)
	lease := w.lease(task, "okta:group:add-member", plan.Lease{})
	document, err := GetSpec()
	require.NoError(t, err)
	fill := strings.NewReplacer("{taskId}", task, "{approvalId}", gate, "{leaseId}", segment(lease), "{namespace}", "default", "{kind}", "template", "{name}", "noop")
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			t.Run(op.OperationID, func(t *testing.T) {
				permission, _ := op.Extensions["x-permission"].(string)
				require.Contains(t, permissions, permission)
				url := fill.Replace(path)
				if permission == "public" {
					require.Equal(t, http.StatusOK, w.as("", method, url, nil).status)
					return
				}
				require.Equal(t, http.StatusUnauthorized, w.as("", method, url, nil).status)
				if strings.HasPrefix(permission, "task:") || strings.HasPrefix(permission, "approval:") || strings.Contains(path, "{leaseId}") {
					require.Equal(t, http.StatusForbidden, w.as(eve, method, url, nil).status)
				}
			})
		}
	}
}

func TestGuard_WhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	w.gate(task)
	read, cancel, collect := "/api/scaffolder/v2/tasks/"+task, "/api/scaffolder/v2/tasks/"+task+"/cancel", "/api/gildway/v1/tasks/"+task+"/collect"
	for who, want := range map[string][3]int{
		rosa: {200, 200, 404}, // nothing to collect yet
		ben:  {200, 403, 403},
		olga: {200, 403, 403},
		adam: {200, 200, 403},
		eve:  {403, 403, 403},
	} {
		require.Equal(t, want, [3]int{
			w.as(who, http.MethodGet, read, nil).status, w.as(who, http.MethodPost, cancel, nil).status, w.as(who, http.MethodPost, collect, nil).status,
		}, who)
	}
	run := w.as(olga, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "x"}})
	require.Equal(t, http.StatusForbidden, run.status)
}

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
	require.Equal(t, http.StatusMethodNotAllowed, w.as(rosa, http.MethodDelete, "/api/gildway/v1/approvals", nil).status)
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
