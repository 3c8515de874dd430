//go:build linux

package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/store"
)

// replica is a `gildway server` beside the stack's own, over the same database.
type replica struct {
	url, listen string
	env         []string // more than it has
	process     *exec.Cmd
}

func (s *localStack) newReplica(t *testing.T) *replica {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &replica{listen: l.Addr().String(), url: "http://" + l.Addr().String()}
	require.NoError(t, l.Close())
	t.Cleanup(func() {
		if r.process != nil {
			r.kill(t)
		}
	})
	return r
}

// start returns when the replica is ready.
func (r *replica) start(t *testing.T, s *localStack) {
	t.Helper()
	r.process = exec.Command(binary(t), "server", "--config", filepath.Join(s.dir, "server.yaml"))
	r.process.Env = append(append(os.Environ(), "GILDWAY_LISTEN="+r.listen), r.env...)
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, r.process.Start())
	eventually(t, "the replica to be ready", func() bool {
		answer, err := http.Get(r.url + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (r *replica) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, r.process.Process.Kill())
	_ = r.process.Wait() // it says that it was killed
	r.process = nil
}

// watcher follows a task as Backstage's client does: whenever its stream is lost it comes back with the last id it saw.
type watcher struct {
	task, token string
	replicas    []*replica
	seen        []int64
	lost        int
	sofar       *atomic.Int64
}

func (w *watcher) follow(ctx context.Context, first int) error {
	for turn := first; ; turn++ {
		ended, err := w.once(ctx, w.replicas[turn%len(w.replicas)])
		if ended {
			return nil
		}
		w.lost++
		select {
		case <-time.After(50 * time.Millisecond): // a client waits 15 seconds
		case <-ctx.Done():
			return fmt.Errorf("after %d events and %d losses: %w (%w)", len(w.seen), w.lost, ctx.Err(), err)
		}
	}
}

func (w *watcher) once(ctx context.Context, r *replica) (ended bool, err error) {
	url := r.url + "/api/scaffolder/v2/tasks/" + w.task + "/eventstream"
	if len(w.seen) > 0 {
		url += fmt.Sprint("?after=", w.seen[len(w.seen)-1])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d", answer.StatusCode)
	}
	lines := bufio.NewScanner(answer.Body)
	var event client.Event
	for lines.Scan() {
		switch data, is := strings.CutPrefix(lines.Text(), "data: "); {
		case is:
			event = client.Event{}
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				return false, nil // torn off; it comes again
			}
		case lines.Text() == "" && event.ID != 0: // an event is whole with its blank line
			w.seen = append(w.seen, event.ID)
			w.sofar.Add(1)
			if event.Type == "completion" {
				return true, nil
			}
			event.ID = 0
		}
	}
	return false, lines.Err()
}

// Every replica dies in the middle of fifty streams, one after the other and then both at once.
func TestReplicas_AllRestarted_EachStreamEndsWithTheWholeLog(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "stella")
	replicas := []*replica{s.newReplica(t), s.newReplica(t)}
	for _, r := range replicas {
		r.start(t, s)
	}
	db, err := store.Open(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close()
	conn, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer conn.Close(context.Background())

	const streams, stages, each = 50, 4, 15
	var sofar atomic.Int64
	var watching errgroup.Group
	watchers := make([]*watcher, streams)
	ctx, cancel := context.WithTimeout(t.Context(), factWithin)
	defer cancel()
	for i := range watchers {
		task := uuid.NewString()
		_, err := conn.Exec(ctx, `insert into tasks (id, template_ref, template_digest, spec, run, digest, status, created_by, started_at)
			values ($1, 'template:default/by-hand', '', '{}', '{}', '', 'processing', $2, now())`, task, p.ref())
		require.NoError(t, err)
		w := &watcher{task: task, token: p.token, replicas: replicas, sofar: &sofar}
		watchers[i] = w
		watching.Go(func() error { return w.follow(ctx, i) })
	}
	write := func(stage int) func() error {
		return func() error {
			for n := range each {
				for _, w := range watchers {
					if err := db.Log(ctx, w.task, fmt.Sprintf("%d/%d", stage, n), "step", "", "line"); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	// stage lets replicas die while lines are written and read, and come back.
	stage := func(number int, dying ...*replica) {
		var writing errgroup.Group
		writing.Go(write(number))
		eventually(t, "the middle of the streams", func() bool { return sofar.Load() >= int64(streams*(number*each+each/3)) })
		for _, r := range dying {
			r.kill(t)
		}
		require.NoError(t, writing.Wait())
		for _, r := range dying {
			r.start(t, s)
		}
	}
	stage(0, replicas[0])
	stage(1, replicas[1])
	stage(2, replicas...)
	stage(3)
	for _, w := range watchers {
		require.NoError(t, db.Complete(ctx, w.task, 0, store.StatusCompleted, "", nil, nil))
	}
	require.NoError(t, watching.Wait())
	for _, w := range watchers {
		var all []int64
		events, err := db.Events(ctx, w.task, 0, false, 1000)
		require.NoError(t, err)
		for _, e := range events {
			all = append(all, e.ID)
		}
		require.Len(t, all, stages*each+1)
		require.Equal(t, all, w.seen, "no gap and no repeat, after %d losses", w.lost)
		require.GreaterOrEqual(t, w.lost, 2)
	}
}

// What a gate waits for, and what it was told, stands in the log of its step, which goes on.
func TestGate_InTheLog_LinkAndDecision(t *testing.T) {
	t.Parallel()
	s := shared(t)
	r := s.newcomer(t, "gustav").submitAccess(t, manyTokens)
	r.gate(t)
	require.Equal(t, "processing", r.states(t)["approval"])
	r.approve(t)
	var waits, decided bool
	for _, e := range r.completes(t) {
		require.Contains(t, []string{"log", "completion"}, e.Type)
		if e.Body.StepID != "approval" {
			continue
		}
		if before, link, found := strings.Cut(e.Body.Message, " (0 of 1): "); found && strings.HasPrefix(before, "Waiting for approval by ") {
			waits = true
			path, here := strings.CutPrefix(link, s.endpoints.API)
			require.True(t, here, link)
			status, body := r.by.ask(t, http.MethodGet, path, "")
			require.Equal(t, http.StatusOK, status, string(body))
		}
		decided = decided || strings.Contains(e.Body.Message, " approved (1 of 1)")
	}
	require.True(t, waits)
	require.True(t, decided)
}
