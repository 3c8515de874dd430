package stack

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// progressEvery is how often a build says how far it is.
const progressEvery = 2 * time.Second

func (s server) build(ctx context.Context, source string, r *reporter) (string, error) {
	binary, err := s.cached()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", err
	}
	unlock, err := s.lockBuild(ctx, filepath.Dir(binary), r)
	if err != nil {
		return "", err
	}
	defer unlock()
	if s.current(binary) && s.fits(ctx, binary) { // built by whoever held the lock
		r.finished("found %s %s: %s", s.name, s.version, binary)
		return binary, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("%s %s has to be built, which needs Go in PATH: %w", s.name, s.version, err)
	}
	hash, err := hashSource(source)
	if err != nil {
		return "", err
	}
	tmp := fmt.Sprintf("%s.%d.tmp", binary, os.Getpid())
	defer os.Remove(tmp)
	if err := s.compile(ctx, source, tmp, r); err != nil {
		return "", cmp.Or(ctx.Err(), err) // what the compiler says when it is stopped explains nothing
	}
	if !s.fits(ctx, tmp) {
		return "", fmt.Errorf("%s was built but does not say that it is version %s", s.name, s.version)
	}
	if err := os.Rename(tmp, binary); err != nil {
		return "", err
	}
	if err := WriteFile(sourceMark(binary), []byte(hash+"\n")); err != nil {
		return "", err
	}
	r.finished("built %s %s: %s", s.name, s.version, binary)
	return binary, nil
}

func (s server) lockBuild(ctx context.Context, dir string, r *reporter) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "."+s.name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for said := (time.Time{}); ; {
		locked, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if locked {
			return func() { f.Close() }, nil
		}
		if time.Since(said) > progressEvery {
			said = time.Now()
			r.doing("waiting for another process that builds %s %s", s.name, s.version)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// compile builds the server. How much there is to do is counted beforehand,
// as packages that are not in Go's build cache yet.
func (s server) compile(ctx context.Context, source, output string, r *reporter) error {
	doing := fmt.Sprintf("preparing to build %s %s", s.name, s.version)
	var fetched, done, total atomic.Int64
	stop := every(progressEvery, func() {
		p := Progress{Doing: doing, Done: int(done.Load()), Total: int(total.Load())}
		if n := fetched.Load(); total.Load() == 0 && n > 0 {
			p.Doing += fmt.Sprintf(": %d modules fetched", n)
		}
		r.send(p)
	})
	list := s.goCommand(ctx, source, "list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}")
	var stale bytes.Buffer
	list.Stdout = &stale
	err := runCounted(list, func(line string) bool {
		if !strings.HasPrefix(line, "go: downloading ") {
			return false
		}
		fetched.Add(1)
		return true
	})
	stop()
	if err != nil {
		return fmt.Errorf("%s %s: listing its packages: %w", s.name, s.version, err)
	}
	total.Store(int64(countLines(stale.String())))
	doing = fmt.Sprintf("building %s %s", s.name, s.version)
	stop = every(progressEvery, func() {
		p := Progress{Doing: doing, Done: int(min(done.Load(), total.Load())), Total: int(total.Load())}
		if p.Done >= p.Total-1 { // what is left is the program itself
			p.Doing, p.Total = doing+": linking", 0
		}
		r.send(p)
	})
	defer stop()
	err = runCounted(s.goCommand(ctx, source, "build", "-v", "-o", output), func(line string) bool {
		if line == "" || strings.ContainsAny(line, " \t:") {
			return false // not a package's path
		}
		done.Add(1)
		return true
	})
	if err != nil {
		return fmt.Errorf("building %s %s in %s: %w", s.name, s.version, source, err)
	}
	return nil
}

// goCommand runs go in the module with the flags that decide over the binary.
func (s server) goCommand(ctx context.Context, source, verb string, args ...string) *exec.Cmd {
	args = append([]string{verb, "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"}, args...)
	if s.tags != "" {
		args = append(args, "-tags="+s.tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.target)...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.SysProcAttr = processAttr(syscall.SIGTERM)
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// runCounted runs cmd; lines on its standard error that counted doesn't take
// become part of the error.
func runCounted(cmd *exec.Cmd, counted func(line string) bool) error {
	runtime.LockOSThread() // the child dies with this thread
	defer runtime.UnlockOSThread()
	out, in := io.Pipe()
	cmd.Stderr = in
	rest := make(chan string, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if !counted(strings.TrimRight(line, "\r\n")) {
				text.WriteString(line)
			}
			if err != nil {
				rest <- text.String()
				return
			}
		}
	}()
	err := cmd.Run()
	in.Close()
	text := strings.TrimSpace(<-rest)
	if err == nil {
		return nil
	}
	const most = 4000
	if len(text) > most {
		text = "… " + text[len(text)-most:]
	}
	return errors.Join(err, errors.New(text))
}

func countLines(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// every calls f at once and then again and again until the returned function
// is called, which waits for the last call.
func every(interval time.Duration, f func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			f()
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(quit); <-ended }
}
