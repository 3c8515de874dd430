package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

// Config is what the API works with. Everything but Entities and Secrets is needed.
type Config struct {
	Store     Store
	Events    Wakeups
	Templates TemplateLibrary
	Actions   []plan.Action
	Engine    Engine
	Directory Directory
	Keys      Keys
	Signer    Signer
	Tokens    Tokens
	OpenDoors bool // nobody signs in: whatever token comes, everybody is the guest; Tokens is not needed then
	Policy    identity.Policy
	Entities  Entities    // nil: `user.entity` stays empty in runs
	Secrets   SecretVault // nil: runs with secrets are refused
	DryRuns   DryRunner
	// Uploads tries templates that come with a request: anybody may have written them, so it has no credential to read with
	// what its caller may not. Who manages templates has theirs tried by DryRuns.
	Uploads   DryRunner
	Suggest   map[string]Suggester // by the name of a provider; may be empty
	Limits    Limits
	RunLink   func(task string) string // a page that shows a run to operators; nil: there is none
	PublicURL string                   // where people reach this API; without it links are paths
	Links     bool                     // people may decide by personal links, without signing in
	Origins   []string                 // of web pages that may call the scaffolder API from elsewhere
	Rounds    []activities.RoundsInput // what is done again and again
	Log       *slog.Logger
	// Notice is how long requests are still taken after the server has begun to say that it is not ready,
	// so that a load balancer can find out.
	Notice time.Duration
}

// Store is the read model and the promise of acceptance. *store.Store implements it.
type Store interface {
	taskStore
	taskPageStore
	eventStore
	approvalStore
	leaseStore
	scheduleStore
	effectStore
	noticeStore
	driftStore
	reviewStore
	claimStore
	lentStore
	startStore
	lostStore
	waitStore
	versionStore
	Ping(ctx context.Context) error
}

// Tokens says who a bearer token names. *identity.Verifier implements it.
type Tokens interface {
	Verify(ctx context.Context, token string) (identity.Principal, error)
}

// Directory knows which groups a user is in at this moment, their parents included: canonical refs; and their e-mail address. A
// user it doesn't know, or whose address, is a NotFound fault.
type Directory interface {
	Groups(ctx context.Context, userRef string) ([]string, error)
	Email(ctx context.Context, userRef string) (string, error)
}

// Server answers requests and starts what was accepted.
type Server struct {
	Config
	echo       *echo.Echo
	operations map[string]*operation // by method and route
	minting    map[string]bool       // ids of the actions that leave a key to collect
	document   []byte
	metrics    *metrics
	starter    *starter
	revoker    *revoker
	rounder    *rounder
	scheduler  *scheduler
	finder     *finder
	feeds      *feeds
	tryouts    tryouts
	leaving    atomic.Bool   // the process was asked to stop
	closing    chan struct{} // closed when streams shall end
	patience   time.Duration // with readers of streams
	pingEvery  time.Duration
	goodbye    time.Duration
}

// New makes a server. It refuses a document with an operation whose permission nobody enforces.
func New(config Config) (*Server, error) {
	if config.Tokens == nil && !config.OpenDoors {
		return nil, errors.New("without a check of tokens nobody can sign in")
	}
	s := &Server{
		Config: config, minting: mintingActions(config.Actions),
		starter: newStarter(config.Store, config.Engine, config.Log), revoker: newRevoker(config.Store, config.Engine, config.Log),
		rounder: newRounder(config.Rounds, config.Engine, config.Log), closing: make(chan struct{}), patience: slowReader, pingEvery: pingEvery, goodbye: goodbye,
		feeds: newFeeds(config.Store, config.Events), tryouts: tryouts{by: map[string]int{}},
	}
	s.scheduler = newScheduler(config.Store, config.Engine, config.Log)
	s.finder = newFinder(config.Store, config.Engine, config.Secrets, config.Log)
	s.metrics = newMetrics(templateMetrics{s}, noticeMetrics{s})
	document, err := GetSpec()
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	if s.document, err = document.MarshalJSON(); err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	if s.operations, err = operationsOf(document); err != nil {
		return nil, err
	}
	if s.OpenDoors {
		s.Log.Warn(openDoors)
	}
	s.echo = echo.New()
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(append(s.middleware(), s.guard)...)
	RegisterHandlers(s.echo, NewStrictHandler(handlers{s}, nil))
	return s, nil
}

// handlers are the operations; kept apart so that they are no methods of Server for others to call.
type handlers struct{ *Server }

// Handler serves the API.
func (s *Server) Handler() http.Handler { return s.echo }

// How long the parts of a request may take. Streams prolong their own write time with every event.
const (
	readTimeout  = time.Minute
	writeTimeout = 90 * time.Second
	goodbye      = 15 * time.Second
)

// Serve answers on the listener and starts accepted tasks until ctx ends. Then it says that it is not
// ready, for Notice; then it takes no more connections, ends streams and long polls, and finishes the
// other requests, for 15 seconds at most. It returns nil when it was asked to stop.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.echo, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(func() { close(s.closing) }) // after the port is closed: a client comes back to another replica
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var starting sync.WaitGroup
	starting.Go(func() { s.starter.Run(working) })
	starting.Go(func() { s.revoker.Run(working) })
	starting.Go(func() { s.finder.Run(working) })
	if s.Secrets != nil {
		reclaimer := newReclaimer(s.Store, s.Secrets, acceptanceLimit, s.Log)
		starting.Go(func() { reclaimer.Run(working) })
	}
	starting.Go(func() { s.rounder.Run(working) })
	starting.Go(func() { s.scheduler.Run(working) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()

	select {
	case err := <-ended:
		stop()
		starting.Wait()
		return err
	case <-ctx.Done():
	}
	s.leaving.Store(true)
	if s.Notice > 0 {
		server.SetKeepAlivesEnabled(false) // so that nobody keeps asking here
		<-time.After(s.Notice)
	}
	late, cancel := context.WithTimeout(working, s.goodbye)
	defer cancel()
	err := server.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	stop() // only now: what was accepted meanwhile is started here, if there is time
	starting.Wait()
	return err
}
