//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gildway/gildway/internal/dev"
	"github.com/gildway/gildway/internal/stack"
	"github.com/stretchr/testify/require"
)

const (
	startWithin  = 20 * time.Minute // with servers that have to be built first
	stopWithin   = time.Minute
	runWithin    = 4 * time.Minute // of a run, with a worker that dies in it, on a busy machine
	factWithin   = 90 * time.Second
	lookEvery    = 50 * time.Millisecond
	readyMessage = "Gildway is up."
)

// localStack is `gildway dev` in a process of its own.
type localStack struct {
	dir       string // the state folder
	endpoints dev.Endpoints

	output  string // what it printed, all starts one after the other
	process *os.Process
	exited  chan error

	newcomers sync.Map // the names that are taken
}

func newStack(dir string) *localStack { return &localStack{dir: dir, output: dir + ".output"} }

// start returns when the program says that it is up.
func (s *localStack) start(ctx context.Context, program string) error {
	out, err := os.OpenFile(s.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	mark, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "dev", "--ports", "auto", "--state-dir", s.dir)
	cmd.Stdout, cmd.Stderr = out, out
	// Should the tests be killed, the stack ends with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	s.exited = make(chan error, 1)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the parent-death signal comes when this thread ends
		err := cmd.Start()
		started <- err
		if err == nil {
			s.exited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process = cmd.Process
	for {
		said, err := os.ReadFile(s.output)
		if err != nil {
			return err
		}
		if bytes.Contains(said[mark:], []byte(readyMessage)) {
			s.endpoints, err = dev.ReadEndpoints(s.dir)
			return err
		}
		select {
		case err := <-s.exited:
			return fmt.Errorf("gildway dev ended: %w; it said:\n%s", err, said[mark:])
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.stop())
		case <-time.After(lookEvery):
		}
	}
}

// stop ends the stack as Ctrl-C would and removes its state. That nothing of it is left is part of the promise.
func (s *localStack) stop() error {
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		if err != nil {
			return fmt.Errorf("gildway dev ended with %w", err)
		}
	case <-time.After(stopWithin):
		return errors.Join(errors.New("gildway dev does not stop"), s.process.Kill())
	}
	if left := s.processes(); len(left) > 0 {
		return fmt.Errorf("the stack left behind:\n%s", strings.Join(left, "\n"))
	}
	if _, err := dev.ReadEndpoints(s.dir); err == nil {
		return errors.New("the stack left its endpoints.json behind")
	}
	return stack.Remove(s.dir)
}

// processes are the command lines of all processes that name the state folder or work in it.
func (s *localStack) processes() (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		line := strings.TrimSpace(strings.ReplaceAll(string(raw), "\x00", " "))
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(file), "cwd"))
		if strings.Contains(line, s.dir+"/") || strings.HasSuffix(line, s.dir) || strings.HasPrefix(cwd+"/", s.dir+"/") {
			found = append(found, filepath.Base(filepath.Dir(file))+" "+line)
		}
	}
	return found
}

// pid of a part of the stack; 0 while it has none.
func (s *localStack) pid(name string) int {
	var record struct{ PID int }
	raw, err := os.ReadFile(filepath.Join(s.dir, "run", name+".json"))
	if err != nil || json.Unmarshal(raw, &record) != nil {
		return 0
	}
	return record.PID
}

func (s *localStack) signal(t *testing.T, name string, signal syscall.Signal) {
	t.Helper()
	pid := s.pid(name)
	require.NotZero(t, pid, "%s has no process", name)
	require.NoError(t, syscall.Kill(pid, signal))
}

// kill ends parts of the stack at once and returns when the stack has brought them back.
func (s *localStack) kill(t *testing.T, names ...string) {
	t.Helper()
	before := make([]int, len(names))
	for i, name := range names {
		before[i] = s.pid(name)
		require.NotZero(t, before[i], "%s has no process", name)
	}
	for _, pid := range before {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	for i, name := range names {
		eventually(t, name+" to come back", func() bool { pid := s.pid(name); return pid != 0 && pid != before[i] })
	}
	s.awaitAPI(t)
}

func (s *localStack) awaitAPI(t *testing.T) {
	t.Helper()
	eventually(t, "the API to be ready", func() bool {
		answer, err := http.Get(s.endpoints.API + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// crash kills the stack itself, which takes everything it started with it.
func (s *localStack) crash(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Kill())
	<-s.exited
}

// printLogs says what may help to find out why a test failed.
func (s *localStack) printLogs(w io.Writer) {
	files, _ := filepath.Glob(filepath.Join(s.dir, "logs", "*.log"))
	for _, file := range append([]string{s.output}, files...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(w, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
		const most, longest = 25, 400
		fmt.Fprintf(w, "── %s (%s lines)\n", file, strconv.Itoa(len(lines)))
		for _, line := range lines[max(len(lines)-most, 0):] {
			fmt.Fprintln(w, line[:min(len(line), longest)])
		}
	}
}

// eventually waits for a fact.
func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	require.Eventually(t, fact, factWithin, lookEvery, "waited in vain for %s", what)
}
