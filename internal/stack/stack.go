package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// MainDatabase is the database that Start creates on a server of its own.
const MainDatabase = "gildway"

// Options describe where a stack keeps its state and which ports it takes.
type Options struct {
	// StateDir is created when missing, for its owner only. It belongs to one
	// running stack at a time; what is in it survives restarts.
	StateDir string
	// Ports: a zero field means any free one, the same again after a restart
	// as long as it is free.
	Ports Ports
	// PostgresURL names a database server to use instead of starting one, and
	// on it the main database; Temporal's databases are named after that. The
	// user must be allowed to create databases.
	PostgresURL string
	// Progress is told what is being found, built and started. It must not block.
	Progress func(Progress)
	// Log gets what happens while the stack runs; discarded when nil.
	Log *slog.Logger
	// SearchAttributes that Temporal shall know: name → type, e.g. Keyword.
	SearchAttributes map[string]string
	// CodecEndpoint, called with the ports that were chosen, names the codec
	// server for Temporal's Web UI; nil for none.
	CodecEndpoint func(Ports) string
	VaultSetup    VaultSetup
	// Announcement names a file in the state directory that its owner writes
	// once everything runs. One that a killed stack left is removed before
	// anything starts, and Stop removes it first of all; "" for none.
	Announcement string
}

// Stack is a running local stack.
type Stack struct {
	// Ports that were chosen, API and Sandbox included.
	Ports Ports
	// PostgresURL is the main database's URL, with the password.
	PostgresURL string
	// TemporalAddress is the frontend's host:port, TemporalUI its Web UI's URL.
	TemporalAddress string
	TemporalUI      string
	// TemporalNamespace is registered and knows the search attributes.
	TemporalNamespace string
	VaultAddress      string
	VaultRootToken    string
	// VaultTokens are the tokens of VaultSetup.Tokens by name. They are
	// periodic and are renewed while the stack runs.
	VaultTokens map[string]string

	dir       *stateDir
	log       *slog.Logger
	progress  func(Progress)
	announced string
	ctx       context.Context // the caller's
	lost      chan error      // something irrecoverable
	stopping  chan struct{}
	renewal   sync.WaitGroup

	mu       sync.Mutex
	children []*Child
	stopped  bool
}

// Start returns when Postgres, Temporal and Vault answer and are set up. On
// error everything that it started is stopped. ctx bounds the start and ends
// Wait; the servers run until Stop.
//
// Errors to expect: *BusyError, *PortTakenError (one or several joined), and
// texts that say what to install.
func Start(ctx context.Context, o Options) (*Stack, error) {
	dir, err := openStateDir(o.StateDir)
	if err != nil {
		return nil, err
	}
	s := newStack(ctx, dir, o)
	if err := s.start(ctx, o); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopCtx))
	}
	return s, nil
}

func newStack(ctx context.Context, dir *stateDir, o Options) *Stack {
	s := &Stack{
		dir: dir, log: o.Log, progress: o.Progress, ctx: ctx, announced: o.Announcement,
		lost: make(chan error, 1), stopping: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

func (s *Stack) start(ctx context.Context, o Options) error {
	if err := s.withdraw(); err != nil {
		return err
	}
	if err := stopLeftovers(ctx, s.dir.file("run"), s.log); err != nil {
		return err
	}
	var err error
	if o.PostgresURL != "" {
		o.Ports.Postgres = 0 // reserved in vain, but never in anyone's way
	}
	if s.Ports, err = resolvePorts(o.Ports, s.dir.file("ports.json")); err != nil {
		return err
	}
	binaries := make(map[string]string)
	for _, name := range Servers() {
		if binaries[name], err = Build(ctx, name, o.Progress); err != nil {
			return err
		}
	}
	db := database{url: o.PostgresURL}
	if o.PostgresURL == "" {
		if db, err = s.startPostgres(ctx); err != nil {
			return err
		}
	}
	if s.PostgresURL, err = db.create(ctx, db.name()); err != nil {
		return err
	}
	// Temporal and Vault don't need each other.
	results := make(chan error, 2)
	go func() { results <- s.startTemporal(binaries["temporal"], db, o) }()
	go func() { results <- s.startVault(ctx, binaries["vault"], o.VaultSetup) }()
	return errors.Join(<-results, <-results)
}

// Database returns the URL of a database on the stack's server and creates it
// when it is missing.
func (s *Stack) Database(ctx context.Context, name string) (url string, err error) {
	return database{url: s.PostgresURL}.create(ctx, name)
}

// Run starts a child process and returns when it is ready. From then on it is
// started again whenever it ends, until the stack stops. A child that does not
// become ready the first time is an error that ends with what its log says.
func (s *Stack) Run(name string, cmd Command) (*Child, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	c := newChild(s, name, cmd)
	c.stop = cancel
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		cancel()
		return nil, errStopped
	}
	if slices.ContainsFunc(s.children, func(o *Child) bool { return o.name == name }) {
		s.mu.Unlock()
		cancel()
		return nil, fmt.Errorf("stack: a child %q runs already", name)
	}
	s.children = append(s.children, c)
	s.mu.Unlock()

	r := report(name, s.progress)
	r.doing("starting %s", name)
	go c.run(ctx)
	var err error
	select {
	case err = <-c.first:
	case <-s.ctx.Done():
		err = s.ctx.Err()
	}
	if err != nil {
		cancel()
		<-c.ended
		s.mu.Lock()
		s.children = slices.DeleteFunc(s.children, func(o *Child) bool { return o == c })
		s.mu.Unlock()
		return nil, err
	}
	r.finished("%s is ready", name)
	return c, nil
}

// Children reports how all children are, in the order in which they were started.
func (s *Stack) Children() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.children))
	for _, c := range s.children {
		all = append(all, c.Status())
	}
	return all
}

// Wait returns nil when the context of Start is done or Stop was called, and
// an error when a child can't be brought back.
func (s *Stack) Wait() error {
	select {
	case <-s.ctx.Done():
		return nil
	case <-s.stopping:
		return nil
	case err := <-s.lost:
		return err
	}
}

func (s *Stack) giveUp(err error) {
	select {
	case s.lost <- err:
	default: // the first reason counts
	}
}

// Stop ends all children, the youngest first, and lets the next stack have the
// state directory. When ctx is done before, what is left is killed. Stopping
// twice is fine.
func (s *Stack) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	s.stopped = true
	children := slices.Clone(s.children)
	s.mu.Unlock()
	withdrawn := s.withdraw()
	close(s.stopping)
	s.renewal.Wait()
	for _, c := range slices.Backward(children) {
		c.stop()
		select {
		case <-c.ended:
		case <-ctx.Done():
			if pid := c.Status().PID; pid > 0 {
				_ = killGroup(pid) // it may have ended meanwhile
			}
			<-c.ended
		}
	}
	return errors.Join(withdrawn, s.dir.close())
}

// withdraw removes the announcement.
func (s *Stack) withdraw() error {
	if s.announced == "" {
		return nil
	}
	if err := os.Remove(s.dir.file(s.announced)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove deletes the state of a stack that is not running, also what it had
// to keep elsewhere.
func Remove(stateDir string) error {
	dir, err := openStateDir(stateDir)
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		err = os.RemoveAll(dir.away())
	}
	return errors.Join(err, os.RemoveAll(dir.path), dir.close())
}
