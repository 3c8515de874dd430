package store

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// woken is a wake-up that can be waited for.
func woken(l *Listener, task string) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	return c, l.Subscribe(task, func() {
		select {
		case c <- struct{}{}:
		default:
		}
	})
}

func awaitWake(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		require.Fail(t, "not woken")
	}
}

func run(t *testing.T, l *Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func connect(t *testing.T, s *Store) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), s.pool.Config().ConnConfig.Copy())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

func TestListener_WakesItsOwn_AndSurvivesALostConnection(t *testing.T) {
	t.Parallel()
	s := open(t)
	task, other := create(t, s, "user:default/a"), create(t, s, "user:default/a")
	l := s.NewListener(slog.New(slog.DiscardHandler))
	mine, stop := woken(l, task)
	defer stop()
	theirs, stopTheirs := woken(l, other)
	run(t, l)
	awaitWake(t, mine) // it listens
	awaitWake(t, theirs)
	require.NoError(t, s.Log(t.Context(), task, "1", "", "", "x"))
	awaitWake(t, mine)
	require.Empty(t, theirs)

	conn := connect(t, s)
	const listening = ` from pg_stat_activity where query = 'listen gildway_events' and datname = current_database()`
	var connections int
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*)`+listening).Scan(&connections))
	require.Equal(t, 1, connections)
	_, err := conn.Exec(t.Context(), `select pg_terminate_backend(pid)`+listening)
	require.NoError(t, err)
	awaitWake(t, mine) // it is cut off, or listens again
	awaitWake(t, theirs)
	stopTheirs()
	require.NoError(t, s.Log(t.Context(), task, "2", "", "", "x"))
	awaitWake(t, mine)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.waiting, 1)
}

// A peer that vanished without a word leaves a connection that is only silent.
func TestListener_SilentConnection_IsAskedAndReplaced(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	direct := s.pool.Config().ConnConfig
	wall := newWall(t, direct.Host, direct.Port)
	through, err := Open(t.Context(), fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", direct.User, direct.Password, wall.Addr(), direct.Database))
	require.NoError(t, err)
	t.Cleanup(through.Close)
	t.Cleanup(wall.cut) // before: closing a silent connection takes its time
	l := through.NewListener(slog.New(slog.DiscardHandler))
	l.beat, l.beatWithin = 50*time.Millisecond, 100*time.Millisecond
	mine, stop := woken(l, task)
	defer stop()
	run(t, l)
	awaitWake(t, mine)
	wall.stall()
	awaitWake(t, mine) // it has given the connection up and looks by itself
	require.NoError(t, s.Log(t.Context(), task, "1", "", "", "x"))
	awaitWake(t, mine)
}

// wall is a way to Postgres on which connections can fall silent.
type wall struct {
	net.Listener
	mu     sync.Mutex
	silent []chan struct{}
	conns  []net.Conn
}

func newWall(t *testing.T, host string, port uint16) *wall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wall{Listener: l}
	var group errgroup.Group
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		w.stall()
		require.NoError(t, group.Wait())
	})
	network, address := "tcp", net.JoinHostPort(host, fmt.Sprint(port))
	if strings.HasPrefix(host, "/") {
		network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", host, port)
	}
	group.Go(func() error {
		for {
			near, err := l.Accept()
			if err != nil {
				return nil
			}
			far, err := net.Dial(network, address)
			if err != nil {
				return err
			}
			silent := make(chan struct{})
			w.mu.Lock()
			w.silent, w.conns = append(w.silent, silent), append(w.conns, near, far)
			w.mu.Unlock()
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				group.Go(func() error {
					pass(way[0], way[1], silent)
					return nil
				})
			}
		}
	})
	return w
}

// pass carries bytes from one end to the other until it is told to swallow them.
func pass(from, to net.Conn, silent <-chan struct{}) {
	defer to.Close()
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-silent:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// stall makes all connections that there are now silent.
func (w *wall) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.silent {
		close(c)
	}
	w.silent = nil
}

// cut closes all connections that there are now.
func (w *wall) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
}

// The id of an event is drawn before its transaction ends. If a greater one could become visible first,
// who has read up to that would never see the smaller.
func TestEvents_SmallerIDs_NeverBecomeVisibleLater(t *testing.T) {
	t.Parallel()
	s := open(t)
	task, other := create(t, s, "user:default/a"), create(t, s, "user:default/a")
	first, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, appendEvent(t.Context(), first, task, "first", "log", logBody{Message: "first"}))
	second := make(chan error, 1)
	go func() { second <- s.Log(context.Background(), task, "second", "", "", "second") }()
	require.NoError(t, s.Log(t.Context(), other, "other", "", "", "of another task: waits for nobody"))

	waiting := connect(t, s)
	require.Eventually(t, func() bool { // the second one, for the first
		var n int
		err := waiting.QueryRow(context.Background(), `select count(*) from pg_locks where not granted and locktype in ('transactionid', 'tuple')
			and pid in (select pid from pg_stat_activity where datname = current_database())`).Scan(&n)
		return err == nil && n > 0
	}, 20*time.Second, 5*time.Millisecond)
	seen, err := s.Events(t.Context(), task, 0, false, 10)
	require.NoError(t, err)
	require.Empty(t, seen)
	require.NoError(t, first.Commit(t.Context()))
	require.NoError(t, <-second)
	seen, err = s.Events(t.Context(), task, 0, false, 10)
	require.NoError(t, err)
	require.Len(t, seen, 2)
	require.Contains(t, string(seen[0].Body), "first")
}

// Readers that go on behind what they saw, while many write: each sees everything, in order.
func TestEvents_ManyWriters_ReadersMissNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	const writers, each = 8, 40
	var writing, reading errgroup.Group
	for w := range writers {
		writing.Go(func() error {
			for i := range each {
				if err := s.Log(context.Background(), task, fmt.Sprintf("%d/%d", w, i), "", "", "x"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 3 {
		reading.Go(func() error {
			seen, after := 0, int64(0)
			for seen < writers*each {
				page, err := s.Events(t.Context(), task, after, false, 7)
				if err != nil {
					return err
				}
				for _, e := range page {
					seen, after = seen+1, e.ID
				}
			}
			return nil
		})
	}
	require.NoError(t, writing.Wait())
	require.NoError(t, reading.Wait())
}

func TestEvents_LargeBodies_PageEndsEarlyAndSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/a")
	for i := range 3 {
		require.NoError(t, s.Log(t.Context(), task, fmt.Sprint(i), "", "", strings.Repeat("x", PageBytes*2/3)))
	}
	page, err := s.Events(t.Context(), task, 0, false, 10)
	require.NoError(t, err)
	require.Len(t, page, 2)
	require.True(t, MoreEvents(page, 10))
	last, err := s.LastEvent(t.Context(), task)
	require.NoError(t, err)
	page, err = s.Events(t.Context(), task, page[1].ID, false, 10)
	require.NoError(t, err)
	require.Len(t, page, 1)
	require.False(t, MoreEvents(page, 10))
	require.Equal(t, last, page[0].ID)
}
