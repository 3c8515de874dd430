//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/sandbox/faults"
)

// mishap is a way in which one call of a provider goes wrong.
type mishap struct {
	name  string
	kind  faults.Kind
	final bool // the provider refuses for good: the run fails
}

var (
	lostAnswer    = mishap{"answer lost", faults.DropAfter, false}
	lostCall      = mishap{"call lost", faults.DropBefore, false}
	refused       = mishap{"refused", faults.Status, true}
	refusedAfter  = mishap{"done, and refused", faults.StatusAfter, true}
	everyDay      = []mishap{lostAnswer, refusedAfter}
	allFaults     = []mishap{lostCall, lostAnswer, refused, refusedAfter}
	vaultProvider = "vault"
)

// effectCall is a call of a provider in a golden path. NAME in it stands for what the run is called.
type effectCall struct {
	step, provider, method, path, contains string
	often                                  bool // it is tried in CI, too
	dispensable                            bool // refused, the action warns and goes on, as Backstage's does
}

var serviceCalls = []effectCall{
	{"publish", "github", "POST", "/orgs/acme-org/repos", "NAME", true, false},
	{"publish", "github", "POST", "/acme-org/NAME.git/git-receive-pack", "", true, false},
	{"publish", "github", "PUT", "/repos/acme-org/NAME/branches/main/protection", "", false, true},
	{"register-catalog", "catalog", "POST", "/locations", "NAME", true, false},
	{"provision-ai-access", "okta", "PUT", "/api/v1/groups/*/users/*", "", true, false},
	{"provision-ai-access", vaultProvider, "PUT", "/v1/team-keys/data/", "", false, false},
	{"provision-ai-access", vaultProvider, "POST", "/v1/auth/token/create/", "", true, false},
}

var pipelineCalls = []effectCall{
	{"publish", "github", "POST", "/orgs/acme-org/repos", "NAME", false, false},
	{"publish", "github", "PUT", "/repos/acme-org/NAME/topics", "", true, true},
	{"publish", "github", "POST", "/acme-org/NAME.git/git-receive-pack", "", false, false},
	{"publish", "github", "PUT", "/repos/acme-org/NAME/branches/main/protection", "", true, true},
	{"register", "catalog", "POST", "/locations", "NAME", true, false},
}

var accessCalls = []effectCall{
	{"model", "catalog", "GET", "/entities/by-name/aimodel/default/acme-llm-gateway", "", false, false},
	{"ticket", "servicenow", "POST", "/api/now/**", "", true, false},
	{"membership", "okta", "PUT", "/api/v1/groups/*/users/*", "", true, false},
	{"key", vaultProvider, "PUT", "/v1/team-keys/data/", "", false, false},
	{"key", vaultProvider, "PUT", "/v1/sys/policies/acl/", "", false, false},
	{"key", vaultProvider, "POST", "/v1/auth/token/create/", "", true, false},
	{"close", "servicenow", "PATCH", "/api/now/**", "", true, false},
}

// A fault at every call of a provider in turn, in every golden path: the run completes with every effect made once, or
// fails with every effect undone. The providers' own counts say so. `make faults` tries all ways, CI the worst two of the
// calls that make something.
func TestFaults_AtEveryStep_CompleteOrUndone(t *testing.T) {
	kinds, all := everyDay, os.Getenv("GILDWAY_FAULTS") == "all"
	if all {
		kinds = allFaults
	}
	s := newStack(filepath.Join(t.TempDir(), "faulty"))
	proxy := &faultyVault{dir: s.dir}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	t.Setenv("GILDWAY_VAULT_ADDRESS", front.URL)
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	require.NoError(t, s.start(ctx, binary(t)))
	t.Cleanup(func() {
		if t.Failed() {
			s.printLogs(os.Stderr)
		}
		require.NoError(t, s.stop())
	})
	for template, calls := range map[string][]effectCall{servicePath: serviceCalls, pipelinePath: pipelineCalls, accessPath: accessCalls} {
		for i, call := range calls {
			if !all && !call.often {
				continue
			}
			for j, f := range kinds {
				name := string(rune('a'+i)) + string(rune('a'+j)) + template[:3]
				t.Run(strings.Join([]string{template, call.step, call.method + " " + call.provider + strings.ReplaceAll(call.path, "/", " "), f.name}, "/"), func(t *testing.T) {
					s.tryFault(t, proxy, template, "fault-"+name, call, f)
				})
			}
		}
	}
}

func (s *localStack) tryFault(t *testing.T, proxy *faultyVault, template, name string, call effectCall, f mishap) {
	p := s.newcomer(t, name)
	rule := faults.Rule{
		Provider: call.provider, Method: call.method, Path: strings.ReplaceAll(call.path, "NAME", name), Kind: f.kind, Times: 1,
		Contains: strings.ReplaceAll(call.contains, "NAME", name),
	}
	if f.final {
		rule.Status = http.StatusForbidden
	}
	if call.provider == vaultProvider {
		proxy.arm(rule)
	} else {
		s.arm(t, rule)
	}
	var r run
	switch template {
	case servicePath:
		r = p.submitService(t, name)
	case pipelinePath:
		r = p.submit(t, pipelinePath, map[string]any{"name": name, "owner": p.team, "description": "Who leaves", "framework": "xgboost"})
	default:
		r = p.submitAccess(t, fewTokens)
	}
	events := r.follow(t)
	require.True(t, s.struck(t, proxy, rule), "the fault never struck")
	failure := events[len(events)-1].Body.Error
	effects := s.effects(t, name, p.login(), r.id)
	if !f.final || call.dispensable {
		require.Nil(t, failure, "%+v", failure)
		for effect, n := range effects {
			if strings.Contains(effect, "created") || strings.Contains(effect, "added") {
				require.EqualValues(t, 1, n, effect)
			}
		}
		if template != pipelinePath {
			requireOneKey(t, r, call.keyStep(template))
		}
		return
	}
	require.NotNil(t, failure, "a refusal for good fails the run")
	for _, e := range events {
		require.NotContains(t, e.Body.Message, "could not be undone")
	}
	left := maps.Clone(effects)
	for _, pair := range [][2]string{{"created", "deleted"}, {"added", "removed"}} {
		for effect, n := range effects {
			if undo := strings.Replace(effect, pair[0], pair[1], 1); undo != effect && effects[undo] == n {
				delete(left, effect)
				delete(left, undo)
			}
		}
	}
	for effect := range left {
		switch kind, about, _ := strings.Cut(effect, " "); {
		case kind == "servicenow.sc_task.created" || kind == "servicenow.sc_task.updated": // a record stays, cancelled
			require.Positive(t, effects["servicenow.sc_task.updated "+about], "the ticket was left open")
			delete(left, effect)
		case strings.HasPrefix(kind, "github.") && effects["github.repo.created acme-org/"+name] == effects["github.repo.deleted acme-org/"+name]:
			delete(left, effect) // gone with its repository
		}
	}
	require.Empty(t, left, "what is left of %v", effects)
	require.NotContains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	require.NotContains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login())
	if template != pipelinePath {
		require.Zero(t, tokensOf(t, r, call.keyStep(template)), "tokens for the key")
		_, err := s.vault(t, s.endpoints.VaultToken).KVv2(keyMount).GetMetadata(t.Context(), r.keyPath())
		require.Error(t, err, "the key is left")
	}
	for _, l := range r.grants(t, -1) {
		require.NotEqual(t, "active", l.State, l.ID)
	}
}

func (effectCall) keyStep(template string) string {
	if template == servicePath {
		return "provision-ai-access"
	}
	return "key"
}

func (s *localStack) arm(t *testing.T, rule faults.Rule) {
	t.Helper()
	raw, err := json.Marshal(rule)
	require.NoError(t, err)
	answer, err := http.Post(s.endpoints.Sandbox["faults"]+"/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}

// struck reports whether the one rule that was armed was used up.
func (s *localStack) struck(t *testing.T, proxy *faultyVault, rule faults.Rule) bool {
	t.Helper()
	if rule.Provider == vaultProvider {
		proxy.mu.Lock()
		defer proxy.mu.Unlock()
		return proxy.rule == nil
	}
	var open []faults.Rule
	getJSON(t, s.endpoints.Sandbox["faults"]+"/rules", "", &open)
	return len(open) == 0
}

// faultyVault stands before the stack's Vault, which has no double.
type faultyVault struct {
	dir string // the stack's state

	mu   sync.Mutex
	rule *faults.Rule // a path is a prefix
	real http.Handler
}

func (v *faultyVault) arm(rule faults.Rule) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rule = &rule
}

// next uses the rule up if it fits.
func (v *faultyVault) next(r *http.Request) (real http.Handler, rule *faults.Rule) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.real == nil {
		var configured struct{ Vault struct{ Address string } }
		raw, err := os.ReadFile(filepath.Join(v.dir, "worker.yaml"))
		if err != nil || yaml.Unmarshal(raw, &configured) != nil {
			return nil, nil
		}
		address, err := url.Parse(configured.Vault.Address)
		if err != nil {
			return nil, nil
		}
		v.real = httputil.NewSingleHostReverseProxy(address)
	}
	if v.rule == nil || v.rule.Method != r.Method || !strings.HasPrefix(r.URL.Path, v.rule.Path) {
		return v.real, nil
	}
	rule, v.rule = v.rule, nil
	return v.real, rule
}

func (v *faultyVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	real, rule := v.next(r)
	if real == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if rule == nil {
		real.ServeHTTP(w, r)
		return
	}
	if rule.Kind == faults.DropAfter || rule.Kind == faults.StatusAfter {
		real.ServeHTTP(httptest.NewRecorder(), r)
	}
	if rule.Kind == faults.DropAfter || rule.Kind == faults.DropBefore {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rule.Status)
	_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
}
