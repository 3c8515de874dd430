package exercise

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox"
)

// Tokens are what the doubles accept. They are canaries, too.
var Tokens = sandbox.Tokens{
	GitHub: "ghs_canary-b7e1", GitHubPerson: "ghu_canary-4d2f", Okta: "okta-canary-91ac", Catalog: "catalog-canary-0c2d",
	ServiceNow: "servicenow-canary-55f0", ServiceNowUser: "gildway", ServiceNowPassword: "servicenow-canary-77aa",
}

// Providers are doubles of all providers, listening, with empty counts.
type Providers struct {
	t   testing.TB
	URL string
	box *sandbox.Sandbox
}

// StartProviders starts doubles that end with the test.
func StartProviders(t testing.TB) *Providers {
	t.Helper()
	p := &Providers{t: t}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.box.ServeHTTP(w, r) }))
	p.URL = srv.URL
	box, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), BaseURL: srv.URL, Tokens: Tokens})
	require.NoError(t, err)
	p.box = box
	t.Cleanup(func() {
		srv.Close()
		require.NoError(t, box.Close())
	})
	return p
}

// Endpoint is the URL of a double: github, okta, servicenow or catalog.
func (p *Providers) Endpoint(name string) string { return p.box.Endpoints()[name] }

// Did is how often an effect really happened, to one resource or, with "", in all.
func (p *Providers) Did(effect, resource string) int64 {
	e := p.box.Counts().Effects[effect]
	if resource == "" {
		return e.Total
	}
	return e.By[resource]
}

// Lose makes a provider do the next matching request and lose its answer.
func (p *Providers) Lose(provider, method, path string) {
	p.rule(map[string]any{"provider": provider, "method": method, "path": path, "kind": "drop-after"})
}

// Pass lets the next matching request through, so that an order given later meets the one after it.
func (p *Providers) Pass(provider, method, path string) {
	p.rule(map[string]any{"provider": provider, "method": method, "path": path, "kind": "delay", "delayMs": 1})
}

// Fail makes a provider refuse the next matching request with a status.
func (p *Providers) Fail(provider, method, path string, status int) {
	p.rule(map[string]any{"provider": provider, "method": method, "path": path, "kind": "status", "status": status})
}

// Throttle makes a provider refuse the next request and ask to come back after a time.
func (p *Providers) Throttle(provider string) func(time.Duration) {
	return func(after time.Duration) {
		p.rule(map[string]any{"provider": provider, "kind": "rate-limit", "retryAfter": int(after.Seconds())})
	}
}

func (p *Providers) rule(rule map[string]any) {
	p.t.Helper()
	raw, err := json.Marshal(rule)
	require.NoError(p.t, err)
	answer, err := http.Post(p.Endpoint("faults")+"/rules", "application/json", bytes.NewReader(raw))
	require.NoError(p.t, err)
	require.NoError(p.t, answer.Body.Close())
	require.Equal(p.t, http.StatusCreated, answer.StatusCode)
}

// Call sends JSON to a provider as somebody else would, and reads the answer into `into` unless it is nil.
// It gives the status.
func (p *Providers) Call(method, url, authorization string, body, into any) int {
	p.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(raw))
	require.NoError(p.t, err)
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(p.t, err)
	defer answer.Body.Close()
	if into != nil {
		require.NoError(p.t, json.NewDecoder(answer.Body).Decode(into))
	}
	return answer.StatusCode
}
