package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/sandbox/issuer"
	"github.com/gildway/gildway/internal/store"
)

// backstage is a Backstage backend whose auth plugin signs for people and whose permission plugin calls us.
type backstage struct {
	t      *testing.T
	url    string
	people *issuer.Issuer // its keys sign the limited tokens, too
	dir    string
	plugin jose.Signer
}

// newBackstage is trusted by the world's server from now on.
func newBackstage(t *testing.T, services ...identity.ServiceToken) (*backstage, func(*Server)) {
	t.Helper()
	b := &backstage{t: t, dir: t.TempDir()}
	keys, err := issuer.Open(t.TempDir(), "")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/api/auth/", http.StripPrefix("/api/auth", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.people.ServeHTTP(w, r) })))
	mux.HandleFunc("/api/permission/.backstage/auth/v1/jwks.json", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/.well-known/jwks.json"
		keys.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	b.url = server.URL + "/api"
	b.people, err = issuer.Open(b.dir, b.url+"/auth")
	require.NoError(t, err)
	b.plugin = signerOf(t, keys, "vnd.backstage.plugin")
	tokens, err := identity.NewVerifier(server.Client(), identity.Trust{
		Issuers: []identity.Issuer{{URL: b.url + "/auth", Audience: "backstage"}},
		Plugins: identity.Plugins{URL: b.url, Accept: []string{"permission"}}, Services: services,
	})
	require.NoError(t, err)
	return b, func(s *Server) { s.Tokens = tokens }
}

func (b *backstage) user(ref string) string {
	b.t.Helper()
	token, err := b.people.Token(issuer.Claims{Sub: ref})
	require.NoError(b.t, err)
	return token
}

func (b *backstage) limited(ref string) string {
	return signed(b.t, signerOf(b.t, b.people, "vnd.backstage.limited-user"), map[string]any{"sub": ref})
}

// call is the token of the permission plugin, on behalf of a user unless that is "".
func (b *backstage) call(audience, user string) string {
	claims := map[string]any{"sub": "permission", "aud": audience}
	if user != "" {
		claims["obo"] = b.limited(user)
	}
	return signed(b.t, b.plugin, claims)
}

func signed(t *testing.T, s jose.Signer, claims map[string]any) string {
	t.Helper()
	claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func TestPermissionEndpoints_AnswerAsBackstageDoes(t *testing.T) {
	t.Parallel()
	b, trusted := newBackstage(t)
	w := newWorld(t, trusted)
	for id, by := range map[string]string{"11111111-1111-4111-8111-111111111111": rosa, "22222222-2222-4222-8222-222222222222": ben} {
		_, err := w.store.CreateTask(t.Context(), store.NewTask{ID: id, TemplateRef: "template:default/x", Spec: []byte("{}"), Run: []byte("{}"), CreatedBy: by})
		require.NoError(t, err)
	}
	raw, err := os.ReadFile("testdata/backstage-permissions.json")
	require.NoError(t, err)
	var recorded []struct {
		Name    string
		Request struct {
			Method, Path, As string
			Body             json.RawMessage
		}
		Response struct {
			Status int
			Body   json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(raw, &recorded))
	for _, c := range recorded {
		t.Run(c.Name, func(t *testing.T) {
			token := b.call("scaffolder", "")
			if c.Request.As == "user" {
				token = b.user(rosa)
			}
			var body any
			if c.Request.Method == http.MethodPost {
				body = string(c.Request.Body)
			}
			got := w.call(c.Request.Method, c.Request.Path, body, "Authorization", "Bearer "+token)
			require.Equal(t, c.Response.Status, got.status, got.text)
			require.Equal(t, backstageJSON, got.header.Get("Content-Type"))
			want := string(c.Response.Body)
			switch {
			case c.Name == "metadata":
				require.JSONEq(t, want, withoutDescriptions(t, got.text))
			case strings.Contains(want, `\"code\"`): // its schema library's own words
				name := func(text string) string {
					var body struct{ Error struct{ Name string } }
					require.NoError(t, json.Unmarshal([]byte(text), &body))
					return body.Error.Name
				}
				require.Equal(t, name(want), name(got.text))
			default:
				require.JSONEq(t, want, got.text)
			}
		})
	}
}

// withoutDescriptions blanks what is in words of our own.
func withoutDescriptions(t *testing.T, text string) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	var blank func(any)
	blank = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if _, is := value.(string); is && key == "description" {
					v[key] = ""
				}
				blank(value)
			}
		case []any:
			for _, one := range v {
				blank(one)
			}
		}
	}
	blank(v)
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

func TestApplyConditions_WhoMayAsk(t *testing.T) {
	t.Parallel()
	const text = "service-token-of-a-program"
	sum, err := identity.HashToken(secret(text))
	require.NoError(t, err)
	program, err := identity.NewServiceToken("service:default/ci", sum, nil)
	require.NoError(t, err)
	b, trusted := newBackstage(t, program)
	w := newWorld(t, trusted)
	const path = "/api/scaffolder/.well-known/backstage/permissions/apply-conditions"
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"the plugin":                 {b.call("scaffolder", ""), 200},
		"the plugin, for a user":     {b.call("scaffolder", rosa), 200},
		"a user":                     {b.user(adam), 403},
		"a program":                  {text, 403},
		"the plugin, to the catalog": {b.call("catalog", ""), 401},
		"nobody":                     {"", 401},
	} {
		require.Equal(t, c.want, w.call(http.MethodPost, path, map[string]any{"items": []any{}}, "Authorization", "Bearer "+c.token).status, name)
	}
	odd := map[string]any{"items": []any{map[string]any{"id": "1", "resourceRef": "urn:uuid:11111111-1111-4111-8111-111111111111", "resourceType": "scaffolder-task",
		"conditions": map[string]any{"rule": "IS_TASK_OWNER", "resourceType": "scaffolder-task", "params": map[string]any{"createdBy": []string{rosa}}}}}}
	require.Equal(t, 404, w.call(http.MethodPost, path, odd, "Authorization", "Bearer "+b.call("scaffolder", "")).status)
}

func TestOwnKeys_VerifyDecisions_AndSignNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.as("", http.MethodGet, "/api/scaffolder/.backstage/auth/v1/jwks.json", nil)
	require.Equal(t, http.StatusOK, got.status)
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal([]byte(got.text), &set))
	require.Len(t, set.Keys, 1)
	require.True(t, set.Keys[0].IsPublic())
	statement, err := w.server.Signer.Sign(identity.Statement{Approver: ben, Task: newID(), Gate: "g", Digest: "d", Verdict: "approve"})
	require.NoError(t, err)
	parsed, err := jwt.ParseSigned(statement, []jose.SignatureAlgorithm{jose.EdDSA})
	require.NoError(t, err)
	require.NoError(t, parsed.Claims(set.Keys[0].Key, &map[string]any{}))
	require.Equal(t, http.StatusUnauthorized, w.call(http.MethodGet, "/api/scaffolder/v2/tasks", nil, "Authorization", "Bearer "+statement).status)
}
