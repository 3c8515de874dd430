//go:build unix

package stack

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sleeper(t *testing.T, dir string) (pid int, exited <-chan struct{}) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.Dir = dir
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd.Process.Pid, done
}

func TestStopLeftovers_EndsTheRecordedProcessOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine, mineExited := sleeper(t, dir)
	other, otherExited := sleeper(t, dir)
	r, err := newRecord("mine", mine, syscall.SIGTERM)
	require.NoError(t, err)
	require.NoError(t, r.write(filepath.Join(dir, "mine.json")))
	r, err = newRecord("reused", other, syscall.SIGTERM)
	require.NoError(t, err)
	r.Started = "1" // the id was another process's when it was written down
	require.NoError(t, r.write(filepath.Join(dir, "reused.json")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "torn.json"), []byte(`{"pid":`), 0o600))

	require.NoError(t, stopLeftovers(t.Context(), dir, slog.New(slog.DiscardHandler)))
	<-mineExited
	select {
	case <-otherExited:
		t.Fatal("a process that is not ours was stopped")
	default:
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestClearPostmaster_IDOfAnotherProgram_RemovesTheFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	pid, exited := sleeper(t, t.TempDir())
	file := filepath.Join(data, "postmaster.pid")
	require.NoError(t, os.WriteFile(file, []byte(strconv.Itoa(pid)+"\n"+data+"\n"), 0o600))
	require.NoError(t, clearPostmaster(t.Context(), data))
	require.NoFileExists(t, file)
	select {
	case <-exited:
		t.Fatal("a process that is not ours was stopped")
	default:
	}
}

func TestClearPostmaster_DeadID_IsLeftToPostgres(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	file := filepath.Join(data, "postmaster.pid")
	require.NoError(t, os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600))
	require.NoError(t, clearPostmaster(t.Context(), data))
	require.FileExists(t, file)
}

func TestResolvePorts_Auto_AreKeptWhileFree(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ports.json")
	first, err := resolvePorts(Ports{}, file)
	require.NoError(t, err)
	seen := make(map[int]bool)
	for _, p := range first.all() {
		require.NotZero(t, *p.port, p.name)
		require.False(t, seen[*p.port], p.name)
		seen[*p.port] = true
	}
	again, err := resolvePorts(Ports{}, file)
	require.NoError(t, err)
	require.Equal(t, first, again)

	l, err := net.Listen("tcp", address(first.Vault))
	require.NoError(t, err)
	defer l.Close()
	moved, err := resolvePorts(Ports{}, file)
	require.NoError(t, err)
	require.NotEqual(t, first.Vault, moved.Vault)
	require.Equal(t, first.Temporal, moved.Temporal)
}

func TestResolvePorts_AskedForAndTaken_NamesAllOfThem(t *testing.T) {
	t.Parallel()
	free, err := resolvePorts(Ports{}, filepath.Join(t.TempDir(), "ports.json"))
	require.NoError(t, err)
	for _, port := range []int{free.Temporal, free.Vault} {
		l, err := net.Listen("tcp", address(port))
		require.NoError(t, err)
		defer l.Close()
	}
	_, err = resolvePorts(Ports{Temporal: free.Temporal, Vault: free.Vault}, filepath.Join(t.TempDir(), "ports.json"))
	var taken *PortTakenError
	require.True(t, errors.As(err, &taken))
	require.ErrorContains(t, err, "port "+strconv.Itoa(free.Temporal)+" (Temporal) is taken")
	require.ErrorContains(t, err, "port "+strconv.Itoa(free.Vault)+" (Vault) is taken")
	require.ErrorContains(t, err, "--ports auto")
}

func TestPickPostgres_OldAndForeignMajors_AreLeftOut(t *testing.T) {
	t.Parallel()
	bins := []postgresBin{{"old", 14}, {"a", 15}, {"b", 17}}
	got, ok := pickPostgres(bins, 0, false)
	require.True(t, ok)
	require.Equal(t, "a", got.dir)
	got, _ = pickPostgres(bins, 0, true)
	require.Equal(t, "b", got.dir)
	_, ok = pickPostgres(bins, 16, true)
	require.False(t, ok)
}

// Where user namespaces are forbidden, root hands Postgres to another user.
func TestAccount_Fallback_CanMakeACluster(t *testing.T) {
	t.Parallel()
	home, err := os.MkdirTemp("/var/tmp", "gildway-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(home)) })
	a := account{home: home, uid: -1, gid: -1, apply: func(*syscall.SysProcAttr) {}}
	if os.Geteuid() == 0 {
		a, err = accountOf("nobody", home)
		require.NoError(t, err)
	}
	require.True(t, a.usable())
	bin, ok := findPostgres(t.Context(), 0)
	require.True(t, ok)
	data := filepath.Join(home, "data")
	require.NoError(t, initCluster(t.Context(), bin, a, data, "password"))
	major, err := dataVersion(data)
	require.NoError(t, err)
	require.Equal(t, bin.major, major)
}

func TestChild_KeepsDying_IsTriedAgainAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := emptyStack(t)
	flag := filepath.Join(t.TempDir(), "gone")
	child, err := s.Run("once", Command{
		Path: "/bin/sh", Args: []string{"-c", `test -e "$0" && exit 7; touch "$0"; echo up; exec sleep 1000`, flag},
		readyOutput: "up",
	})
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child.Status().PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return child.Status().Restarts >= 3 }, 20*time.Second, 10*time.Millisecond)
	require.Contains(t, child.Status().Error, "exit status 7")
}
