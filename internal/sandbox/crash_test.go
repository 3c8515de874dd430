package sandbox_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox"
)

// Set in the environment of a copy of the test program that only serves a sandbox, to be killed.
const (
	childDir  = "GILDWAY_SANDBOX_TEST_DIR"
	childAddr = "GILDWAY_SANDBOX_TEST_ADDR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, serve(dir, os.Getenv(childAddr)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serve(dir, addr string) error {
	s, err := sandbox.Open(sandbox.Options{Dir: dir, BaseURL: "http://" + addr, Tokens: tokens})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return http.Serve(l, s)
}

// child starts a sandbox in a process of its own and waits until it serves.
func child(t *testing.T, dir, addr string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childAddr+"="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd
}

func TestSandbox_KilledWhileBusy_LosesNothingAndCountsNothingTwice(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	b := &box{t: t, dir: t.TempDir(), url: "http://" + addr}
	running := child(t, b.dir, addr)

	const perRound = 40
	acknowledged := map[string]bool{}
	for round := range 3 {
		answers := make(chan string, perRound)
		var wg sync.WaitGroup
		for i := range perRound {
			wg.Go(func() {
				name := fmt.Sprintf("r%d-%d", round, i)
				a, err := b.try("POST", "/github/orgs/acme-org/repos", "Bearer "+tokens.GitHub, map[string]any{"name": name})
				if err == nil && a.status == http.StatusCreated {
					answers <- name
				}
			})
		}
		acknowledged[<-answers] = true // it is in the middle of it now
		require.NoError(t, running.Process.Kill())
		_ = running.Wait()
		wg.Wait()
		close(answers)
		for name := range answers {
			acknowledged[name] = true
		}
		running = child(t, b.dir, addr)
	}

	counts := b.call("GET", "/faults/counts", "", nil).json(t)
	by := counts["effects"].(map[string]any)["github.repo.created"].(map[string]any)["by"].(map[string]any)
	for round := range 3 {
		for i := range perRound {
			name := fmt.Sprintf("r%d-%d", round, i)
			status := b.call("GET", "/github/repos/acme-org/"+name, "Bearer "+tokens.GitHub, nil).status
			if acknowledged[name] {
				require.Equal(t, 200, status, name)
			}
			if status == 200 {
				require.EqualValues(t, 1, by["acme-org/"+name], name)
			} else {
				require.Nil(t, by["acme-org/"+name], name)
			}
		}
	}
	require.NoError(t, running.Process.Kill())
	_ = running.Wait()
}
