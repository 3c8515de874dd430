//go:build linux

package main_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	vault "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// TestCrash breaks a stack of its own.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := newStack(filepath.Join(t.TempDir(), "broken"))
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	require.NoError(t, s.start(ctx, binary(t)))
	stopped := false
	t.Cleanup(func() {
		if t.Failed() {
			s.printLogs(os.Stderr)
		}
		if !stopped {
			_ = s.stop() // the test has failed already
		}
	})
	for _, crash := range []struct {
		name string
		test func(*testing.T, *localStack)
	}{
		{"WorkerAndAPI_InTheMiddleOfEverything", crashWorkerAndAPI},
		{"Worker_InTheMiddleOfAKey", crashKey},
		{"Temporal_AwayWhileATaskIsAccepted", crashTemporal},
		{"Worker_AwayWhenAccessEnds", crashLease},
		{"Worker_InTheMiddleOfAMessage", crashMessages},
		{"TheWholeStack_StartedAgain", crashStack},
	} {
		if !t.Run(crash.name, func(t *testing.T) { crash.test(t, s) }) {
			return
		}
	}
	stopped = true
	require.NoError(t, s.stop())
}

// Each run stands at another moment when both processes are killed at once.
func crashWorkerAndAPI(t *testing.T, s *localStack) {
	named := func(name string) person { return s.newcomer(t, name) }

	beforeRepo := s.hold(t, "github", "GET", "/repos/acme-org/before-repo")
	serviceBeforeRepo := named("anna").submitService(t, "before-repo")

	beforePush := s.hold(t, "github", "GET", "/acme-org/before-push.git/info/refs")
	serviceBeforePush := named("bela").submitService(t, "before-push")

	celia := named("celia")
	beforeGrant := s.hold(t, "okta", "PUT", s.membership(t, "ai-coding-assistants", celia))
	serviceBeforeGrant := celia.submitService(t, "before-grant")

	atGate := named("doris").submitAccess(t, manyTokens)
	atGate.gate(t)

	atKey := named("frida").submitAccess(t, manyTokens)
	atKey.gate(t)

	// Held twice, so that the membership is there and nobody has been told.
	emil := named("emil")
	grant := s.delay(t, "okta", "PUT", s.membership(t, "llm-gateway-users", emil), 1000)
	afterGrant := emil.submitAccess(t, fewTokens)
	grant.arrives(t)
	told := s.hold(t, "okta", "GET", "/api/v1/groups/"+s.oktaGroup(t, "llm-gateway-users")+"/users")
	told.arrives(t)
	require.Len(t, s.effects(t, emil.login()), 1, "the membership is there")

	for _, h := range []heldRequest{beforeRepo, beforePush, beforeGrant} {
		h.arrives(t)
	}
	require.Equal(t, map[string]int64{"github.repo.created acme-org/before-push": 1}, s.effects(t, "acme-org/before-push"))
	require.Empty(t, s.effects(t, "acme-org/before-repo"))
	require.Empty(t, s.effects(t, celia.login()))

	accepted := named("gina").submitService(t, "just-accepted")
	atKey.approve(t)
	s.awaitVault(t, holding(keyMount+"/metadata/"+atKey.keyPath()))
	s.kill(t, "worker", "server")

	require.Equal(t, "processing", atGate.states(t)["approval"])
	atGate.approve(t)
	requireService(t, serviceBeforeRepo, "before-repo")
	requireInterrupted(t, serviceBeforeRepo, "publish:github")
	requireService(t, serviceBeforePush, "before-push")
	requireInterrupted(t, serviceBeforePush, "publish:github")
	requireService(t, serviceBeforeGrant, "before-grant")
	requireInterrupted(t, serviceBeforeGrant, "toolchain:provision-ai-access")
	requireService(t, accepted, "just-accepted")
	for _, r := range []run{atGate, atKey, afterGrant} {
		r.completes(t)
		requireAccess(t, r)
	}
	requireInterrupted(t, afterGrant, "okta:group:add-member")
}

// Making a key is several calls to Vault; here the worker dies before the token is made and right after.
func crashKey(t *testing.T, s *localStack) {
	for name, stage := range map[string]func(r run) sight{
		"role":  func(r run) sight { return holding("auth/token/roles/gildway-key-" + r.id + "-key") },
		"token": func(run) sight { return moreTokens(s.tokens(t)) },
	} {
		r := s.newcomer(t, "nina-"+name).submitAccess(t, manyTokens)
		r.gate(t)
		reached := stage(r)
		r.approve(t)
		s.awaitVault(t, reached)
		s.kill(t, "worker")
		r.completes(t)
		requireAccess(t, r)
	}
}

// A 201 is a promise, even if the engine is away and then dies.
func crashTemporal(t *testing.T, s *localStack) {
	p := s.newcomer(t, "hugo")
	s.signal(t, "temporal", syscall.SIGSTOP)
	r := p.submitService(t, "patient-service")
	task, err := p.Task(t.Context(), r.id)
	require.NoError(t, err)
	require.Equal(t, "open", task.Status)
	require.Empty(t, s.effects(t, "acme-org/patient-service"))
	s.kill(t, "temporal")
	requireService(t, r, "patient-service")
}

const shortLease = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: short-lease, title: For a Moment}
spec:
  owner: group:default/platform-team
  type: service
  steps:
    - {id: group, name: Join, action: "okta:group:add-member", input: {group: ai-coding-assistants}, lease: {ttl: 5s}}
`

// Access ends although nobody was there to end it, as soon as somebody is.
func crashLease(t *testing.T, s *localStack) {
	s.registerTemplate(t, "short-lease", shortLease)
	p := s.newcomer(t, "mona")
	r := p.submit(t, "short-lease", map[string]any{})
	r.completes(t)
	granted := r.grants(t, 1)[0]
	s.signal(t, "worker", syscall.SIGSTOP)
	eventually(t, "the end of the lease", func() bool { return time.Now().After(granted.ExpiresAt.Add(time.Second)) })
	require.Contains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login(), "nobody is there to end it")
	s.signal(t, "worker", syscall.SIGCONT)
	eventually(t, "the access to end", func() bool { return r.grants(t, 1)[0].State == "expired" })
	require.NotContains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login())
	require.EqualValues(t, 1, s.effects(t, p.login())["okta.membership.removed ai-coding-assistants/"+p.login()])
}

func crashStack(t *testing.T, s *localStack) {
	ines, jan := s.newcomer(t, "ines"), s.newcomer(t, "jan")
	atGate := s.newcomer(t, "karl").submitAccess(t, manyTokens)
	atGate.gate(t)
	atHandover := s.newcomer(t, "lotte").submitAccess(t, manyTokens)
	atHandover.gate(t)
	for _, r := range []run{atGate, atHandover} { // the gate doesn't wait for the ticket, which must not be the one that is held
		eventually(t, "the ticket of "+r.by.name, func() bool { return r.states(t)["ticket"] == "completed" })
	}
	beforeTicket := s.hold(t, "servicenow", "POST", "/api/now/table/sc_task")
	access := ines.submitAccess(t, fewTokens)
	beforeTicket.arrives(t)
	require.Empty(t, s.effects(t, access.id))
	afterRepo := s.hold(t, "github", "POST", "/acme-org/interrupted.git/git-receive-pack")
	service := jan.submitService(t, "interrupted")
	afterRepo.arrives(t)
	atHandover.approve(t)
	s.awaitVault(t, holding("gildway-handover/metadata/"+atHandover.id+"/key"))
	s.crash(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, s.start(ctx, binary(t)))
	atGate.approve(t)
	requireService(t, service, "interrupted")
	requireInterrupted(t, service, "publish:github")
	for _, r := range []run{atGate, atHandover, access} {
		r.completes(t)
		requireAccess(t, r)
	}
	requireInterrupted(t, access, "itsm:ticket:open")
}

// requireInterrupted checks that the crash came while a step was at work: it needed another attempt.
func requireInterrupted(t *testing.T, r run, action string) {
	t.Helper()
	var step int64
	for _, e := range r.by.stack.history(t, r.id) {
		if e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == action {
			step = e.GetEventId()
		}
		if started := e.GetActivityTaskStartedEventAttributes(); started != nil && started.GetScheduledEventId() == step {
			require.GreaterOrEqual(t, started.GetAttempt(), int32(2), "attempts of %s", action)
			return
		}
	}
	t.Fatalf("%s was never started", action)
}

// requireService checks that a new service was made, once.
func requireService(t *testing.T, r run, name string) {
	t.Helper()
	r.completes(t)
	require.Contains(t, r.by.stack.clone(t, "acme-org/"+name), "catalog-info.yaml")
	requireOneKey(t, r, "provision-ai-access")
	require.Equal(t, serviceEffects(name, r.by), r.by.stack.effects(t, "/"+name, ":default/"+name, r.by.login(), r.id))
}

// sight tells whether Vault shows something.
type sight func(context.Context, *vault.Client) (bool, error)

// awaitVault returns as soon as Vault shows it.
func (s *localStack) awaitVault(t *testing.T, shows sight) {
	t.Helper()
	operator := s.vault(t, s.endpoints.VaultToken)
	ctx, cancel := context.WithTimeout(t.Context(), factWithin)
	defer cancel()
	for {
		there, err := shows(ctx, operator)
		require.NoError(t, err)
		if there {
			return
		}
	}
}

func holding(path string) sight {
	return func(ctx context.Context, v *vault.Client) (bool, error) {
		found, err := v.Logical().ReadWithContext(ctx, path)
		return found != nil, err
	}
}

func moreTokens(than int) sight {
	return func(ctx context.Context, v *vault.Client) (bool, error) {
		n, err := countTokens(ctx, v)
		return n > than, err
	}
}

func (s *localStack) tokens(t *testing.T) int {
	t.Helper()
	n, err := countTokens(t.Context(), s.vault(t, s.endpoints.VaultToken))
	require.NoError(t, err)
	return n
}

func countTokens(ctx context.Context, v *vault.Client) (int, error) {
	list, err := v.Logical().ListWithContext(ctx, "auth/token/accessors")
	if err != nil {
		return 0, err
	}
	return len(list.Data["keys"].([]any)), nil
}
