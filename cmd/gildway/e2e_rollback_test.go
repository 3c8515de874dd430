//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A completed run is rolled back: all of it but what somebody has worked on, and by force that, too.
func TestRollback_CompletedRun_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "rolf")
	r := p.submitService(t, "taken-back")
	r.completes(t)
	said := p.types(t, "task", "effects", r.id)
	require.Zero(t, said.code, said.err)
	for _, action := range []string{"publish:github", "catalog:register", "toolchain:provision-ai-access"} {
		require.Contains(t, said.out, action)
	}
	require.Equal(t, 3, s.newcomer(t, "ralf").types(t, "task", "rollback", r.id).code)
	require.Equal(t, 3, p.types(t, "task", "leftovers").code)

	// Somebody has pushed to it.
	work := filepath.Join(t.TempDir(), "work")
	clone := exec.Command("git", "clone", "-q", strings.Replace(s.endpoints.Sandbox["github"], "://", "://x-access-token:"+s.endpoints.Providers["github"]+"@", 1)+"/acme-org/taken-back.git", work)
	out, err := clone.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(filepath.Join(work, "NEW.md"), []byte("work of a day\n"), 0o644))
	git(t, work, "add", "-A")
	git(t, work, "commit", "-q", "-m", "work")
	git(t, work, "push", "-q", "origin", "HEAD:refs/heads/feature")

	said = p.types(t, "task", "rollback", r.id, "--reason", "not needed", "--wait")
	require.Equal(t, 1, said.code, said.out)
	require.Contains(t, said.out, "has new work in refs/heads/feature, it stays")
	require.NotContains(t, said.out, "catalog:register", "the rest is undone")
	require.NotContains(t, s.oktaMembers(t, "ai-coding-assistants"), p.login())
	require.Zero(t, tokensOf(t, r, "provision-ai-access"))
	require.Contains(t, s.clone(t, "acme-org/taken-back"), "package.json")
	said = s.role("auditor").types(t, "task", "leftovers")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.out, r.id)
	ticket := func(what string) (n int64) {
		for effect, count := range s.effects(t, r.id) {
			if strings.HasPrefix(effect, "servicenow.sc_task."+what) {
				n += count
			}
		}
		return n
	}
	eventually(t, "a ticket about what stays", func() bool { return ticket("created") == 1 })

	said = p.types(t, "task", "rollback", r.id, "--force", "--wait")
	require.Zero(t, said.code, said.err+said.out)
	effects := s.effects(t, "taken-back", p.login())
	require.EqualValues(t, 1, effects["github.repo.deleted acme-org/taken-back"])
	require.EqualValues(t, 1, effects["okta.membership.removed ai-coding-assistants/"+p.login()])
	require.NotContains(t, s.role("auditor").types(t, "task", "leftovers").out, r.id)
	require.Equal(t, 2, s.audited(t, r.id, "rollback-asked"))
	require.EqualValues(t, 1, ticket("updated"), "the ticket is closed when nothing is left")
	said = p.types(t, "task", "rollback", r.id, "--wait")
	require.Zero(t, said.code, said.err)
	require.Contains(t, said.err, "nothing that is not undone")

	// What is granted until a day ends with its lease.
	granted := p.submitAccess(t, fewTokens)
	granted.completes(t)
	require.Zero(t, p.types(t, "task", "rollback", granted.id, "--wait").code)
	require.NotContains(t, s.oktaMembers(t, "llm-gateway-users"), p.login())
	for _, l := range granted.grants(t, 2) {
		require.Equal(t, "revoked", l.State)
	}
}
