package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyWithin is how long a child may take to answer where its command doesn't say.
	readyWithin = 2 * time.Minute
	graceTime   = 10 * time.Second
	// A child that dies is started again after a pause that doubles from
	// minBackoff to maxBackoff and starts over once it ran for steadyAfter.
	minBackoff  = 200 * time.Millisecond
	maxBackoff  = 10 * time.Second
	steadyAfter = 30 * time.Second
	// hopelessAfter starts in a row that never became ready the stack gives up.
	hopelessAfter = 10
	logLimit      = 10 << 20
)

// Command says how to run a child process.
type Command struct {
	Path string
	Args []string
	// Env is added to the environment of this process, unless CleanEnv.
	Env      []string
	CleanEnv bool
	Dir      string
	// Stdin is given to every start of the child.
	Stdin []byte
	// Ready is polled until it returns nil; without it a child that was
	// started is ready. It is asked again after every restart.
	Ready func(context.Context) error
	// ReadyWithin is the longest wait for Ready; two minutes when zero.
	ReadyWithin time.Duration
	// StopSignal asks the child to end; SIGTERM when zero. Grace (ten seconds
	// when zero) later it is killed.
	StopSignal syscall.Signal
	Grace      time.Duration

	// prepare runs before every start.
	prepare func(context.Context) error
	attr    func(*syscall.SysProcAttr)
	// onParentDeath is what the child gets when this process is killed.
	onParentDeath syscall.Signal
	// readyOutput is a prefix of the line on standard output that says ready.
	readyOutput string
}

// ReadyHTTP is a probe that is content with a 200 on the URL.
func ReadyHTTP(url string) func(context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// State of a child.
type State string

// The states of a child.
const (
	StateStarting State = "starting"
	StateReady    State = "ready"
	// StateWaiting is the pause before a dead child is started again.
	StateWaiting State = "waiting"
	StateStopped State = "stopped"
	StateFailed  State = "failed"
)

// Status is what is known of a child.
type Status struct {
	Name     string
	PID      int // 0 while there is no process
	State    State
	Restarts int
	// Error is why it last ended or wasn't ready.
	Error string
	Log   string // path of its log file
}

// Child is a process that is kept running until the stack stops.
type Child struct {
	name  string
	cmd   Command
	stack *Stack
	stop  context.CancelFunc
	ended chan struct{}
	first chan error // the outcome of the first start

	mu     sync.Mutex
	status Status
}

// Status reports how the child is.
func (c *Child) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *Child) set(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.status)
}

func newChild(s *Stack, name string, cmd Command) *Child {
	if cmd.StopSignal == 0 {
		cmd.StopSignal = syscall.SIGTERM
	}
	if cmd.Grace == 0 {
		cmd.Grace = graceTime
	}
	if cmd.ReadyWithin == 0 {
		cmd.ReadyWithin = readyWithin
	}
	if cmd.onParentDeath == 0 {
		cmd.onParentDeath = syscall.SIGKILL
	}
	return &Child{
		name: name, cmd: cmd, stack: s, ended: make(chan struct{}), first: make(chan error, 1),
		status: Status{Name: name, State: StateStarting, Log: s.dir.file("logs", name+".log")},
	}
}

// run starts the child again and again until ctx is done.
func (c *Child) run(ctx context.Context) {
	defer close(c.ended)
	backoff, failures := minBackoff, 0
	for first := true; ; first = false {
		began := time.Now()
		wasReady, err := c.once(ctx, func() {
			if first {
				c.first <- nil
			}
		})
		if ctx.Err() != nil {
			if first && !wasReady {
				c.first <- ctx.Err()
			}
			c.set(func(s *Status) { s.State, s.PID = StateStopped, 0 })
			return
		}
		if first && !wasReady {
			c.set(func(s *Status) { s.State, s.PID, s.Error = StateFailed, 0, err.Error() })
			c.first <- err
			return
		}
		if time.Since(began) > steadyAfter {
			backoff = minBackoff
		}
		if failures++; wasReady {
			failures = 0
		}
		if failures >= hopelessAfter {
			err = fmt.Errorf("%s does not come back after %d starts: %w", c.name, failures, err)
			c.set(func(s *Status) { s.State, s.PID, s.Error = StateFailed, 0, err.Error() })
			c.stack.giveUp(err)
			return
		}
		c.stack.log.Warn("child ended, starting it again", "child", c.name, "after", backoff, "error", err)
		c.set(func(s *Status) { s.State, s.PID, s.Error = StateWaiting, 0, err.Error(); s.Restarts++ })
		select {
		case <-ctx.Done():
			c.set(func(s *Status) { s.State = StateStopped })
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// once runs the child from start to end. The error says why it ended.
func (c *Child) once(ctx context.Context, ready func()) (wasReady bool, err error) {
	c.set(func(s *Status) { s.State = StateStarting })
	if c.cmd.prepare != nil {
		if err := c.cmd.prepare(ctx); err != nil {
			return false, err
		}
	}
	log, err := openLog(c.status.Log)
	if err != nil {
		return false, err
	}
	defer log.Close()
	mark, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	output := &readyWriter{to: log, prefix: []byte(c.cmd.readyOutput), seen: make(chan struct{})}
	cmd := exec.Command(c.cmd.Path, c.cmd.Args...)
	cmd.Dir, cmd.Env = c.cmd.Dir, c.cmd.Env
	if !c.cmd.CleanEnv {
		cmd.Env = append(os.Environ(), c.cmd.Env...)
	}
	cmd.Stdout, cmd.Stderr = io.Writer(log), log
	if c.cmd.readyOutput != "" {
		cmd.Stdout = output
	}
	if c.cmd.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.cmd.Stdin)
	}
	cmd.WaitDelay = time.Second // for pipes that a grandchild holds
	cmd.SysProcAttr = processAttr(c.cmd.onParentDeath)
	if c.cmd.attr != nil {
		c.cmd.attr(cmd.SysProcAttr)
	}

	exited, err := c.start(cmd)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.name, err)
	}
	c.set(func(s *Status) { s.PID = cmd.Process.Pid })
	recordFile := c.stack.dir.file("run", c.name+".json")
	if r, err := newRecord(c.name, cmd.Process.Pid, c.cmd.StopSignal); err == nil {
		if err := r.write(recordFile); err != nil {
			c.stack.log.Warn("child not written down", "child", c.name, "error", err)
		}
	}
	defer os.Remove(recordFile)

	probeCtx, cancelProbe := context.WithTimeout(ctx, c.cmd.ReadyWithin)
	defer cancelProbe()
	probed := make(chan error, 1)
	go func() { probed <- c.probe(probeCtx, output.seen) }()
	for {
		select {
		case err := <-exited:
			return wasReady, c.died(err, mark)
		case err := <-probed:
			if err == nil {
				wasReady = true
				c.set(func(s *Status) { s.State = StateReady })
				ready()
				probed = nil
				continue
			}
			c.end(cmd.Process, exited)
			return false, fmt.Errorf("%s is not ready: %w%s", c.name, err, logTail(c.status.Log, mark))
		case <-ctx.Done():
			c.end(cmd.Process, exited)
			return wasReady, ctx.Err()
		}
	}
}

// start runs the command on an operating system thread that lives as long as
// the child: Linux sends the parent-death signal when that thread ends.
func (c *Child) start(cmd *exec.Cmd) (exited <-chan error, err error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

func (c *Child) probe(ctx context.Context, output <-chan struct{}) error {
	if c.cmd.readyOutput != "" {
		select {
		case <-output:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.cmd.Ready == nil {
		return nil
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.cmd.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// end asks the process to stop, and kills it and its group after the grace time.
func (c *Child) end(p *os.Process, exited <-chan error) {
	if err := p.Signal(c.cmd.StopSignal); err == nil {
		select {
		case <-exited:
			return
		case <-time.After(c.cmd.Grace):
			c.stack.log.Warn("child does not stop, killing it", "child", c.name)
		}
	}
	if err := killGroup(p.Pid); err != nil {
		p.Kill()
	}
	<-exited
}

func (c *Child) died(err error, mark int64) error {
	why := "ended"
	if err != nil {
		why = err.Error()
	}
	return fmt.Errorf("%s: %s%s", c.name, why, logTail(c.status.Log, mark))
}

// readyWriter passes the child's output on and watches for the line that says ready.
type readyWriter struct {
	to     io.Writer
	prefix []byte
	seen   chan struct{}
	line   []byte
	done   bool
}

func (w *readyWriter) Write(text []byte) (int, error) {
	for rest := text; !w.done && len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		w.line, rest = append(w.line, line...), after
		if !whole {
			break
		}
		if bytes.HasPrefix(w.line, w.prefix) {
			w.done = true
			close(w.seen)
		}
		w.line = nil
	}
	return w.to.Write(text)
}

// openLog opens the file for appending; a large one is kept under .1 first.
func openLog(file string) (*os.File, error) {
	if info, err := os.Stat(file); err == nil && info.Size() > logLimit {
		if err := os.Rename(file, file+".1"); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
}

// logTail is what the log says last since the mark, to be put behind an error.
func logTail(file string, mark int64) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(mark, io.SeekStart); err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, logLimit))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	const most = 12
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	if tail := strings.Join(lines, "\n  "); tail != "" {
		return "; its log " + file + " says:\n  " + tail
	}
	return ""
}

var errStopped = errors.New("stack: stopped")
