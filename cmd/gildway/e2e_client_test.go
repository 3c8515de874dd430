//go:build linux

package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	installWithin = 5 * time.Minute
	driveWithin   = 3 * time.Minute
)

// Backstage's own client, of the exact version that is locked, drives every method of its interface.
func TestScaffolderClient_EveryMethod_WorksUnmodified(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(workDir, "scaffolder-client")
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/scaffolder-client")))
	run := func(within time.Duration, env []string, name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), env...), 5*time.Second
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s (Node with npm must be on the PATH): %s", name, said)
		t.Logf("%s", said)
	}
	run(installWithin, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")

	s := shared(t)
	p := s.newcomer(t, "clio")
	run(driveWithin, []string{
		"GILDWAY_API=" + s.endpoints.API, "GILDWAY_TOKEN=" + p.token, "GILDWAY_USER=" + p.ref(), "GILDWAY_TEAM=" + p.team,
		"GITHUB_TOKEN=" + s.endpoints.Providers["github"],
	}, "node", "drive.cjs")
}
