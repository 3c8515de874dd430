//go:build linux

// The end-to-end tests run the program as a user does and look at the result from outside: over HTTP,
// with git, in Temporal, Vault and Postgres.
package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// workDir holds the program and the state of the shared stack.
var workDir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if workDir, err = os.MkdirTemp("", "gildway-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(workDir)
	code := m.Run()
	if !sharedStarted {
		return code
	}
	s, err := sharedStack()
	if code != 0 || err != nil {
		s.printLogs(os.Stderr)
	}
	if err == nil {
		err = s.stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the stack:", err)
		return 1
	}
	return code
}

var built = sync.OnceValues(func() (string, error) {
	program := filepath.Join(workDir, "gildway")
	if said, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, said)
	}
	return program, nil
})

// binary is the program under test.
func binary(t *testing.T) string {
	t.Helper()
	program, err := built()
	require.NoError(t, err)
	return program
}

var (
	sharedStarted bool // read when all tests have ended
	sharedStack   = sync.OnceValues(func() (*localStack, error) {
		sharedStarted = true
		s := newStack(filepath.Join(workDir, "shared"))
		program, err := built()
		if err != nil {
			return s, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), startWithin)
		defer cancel()
		return s, s.start(ctx, program)
	})
)

// shared is the stack of all tests that don't break it.
func shared(t *testing.T) *localStack {
	t.Helper()
	s, err := sharedStack()
	require.NoError(t, err)
	return s
}
