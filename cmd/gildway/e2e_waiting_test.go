//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const waits = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: waits, title: Wait for a Person}
spec:
  owner: group:default/platform-team
  type: service
  parameters: {title: Name, required: [name], properties: {name: {type: string}}}
  steps:
    - {id: before, name: Before, action: "debug:log", input: {message: "${{ parameters.name }} asks"}}
    - {id: wait, name: Wait, action: "approval:request", input: {approvers: ["group:default/ml-platform-team"], reason: Just wait}}
    - {id: after, name: After, action: "debug:log", input: {message: "${{ parameters.name }} has it"}}
`

const fewWait = 60 // in the tests of every day; `make waiting` lets 10,000 wait

// Many runs wait for people. The worker dies and comes back, the whole stack does, and all are approved and complete.
func TestWaiting_ManyRuns_NoneIsLostAndWaitingCostsNothing(t *testing.T) {
	many, err := strconv.Atoi(os.Getenv("GILDWAY_WAITING"))
	if err != nil {
		many = fewWait
	}
	within := factWithin + time.Duration(many)*50*time.Millisecond
	for _, quota := range []string{"USERS", "TEAMS", "TEMPLATES"} {
		t.Setenv("GILDWAY_LIMITS_"+quota+"_RUNNING", "-1")
		t.Setenv("GILDWAY_LIMITS_"+quota+"_PERMINUTE", "-1")
	}
	s := newStack(filepath.Join(t.TempDir(), "waiting"))
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	require.NoError(t, s.start(ctx, binary(t)))
	t.Cleanup(func() {
		if t.Failed() {
			s.printLogs(os.Stderr)
		}
		require.NoError(t, s.stop())
	})
	s.registerTemplate(t, "waits", waits)
	count := func(query string) (n int) {
		conn, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
		if err != nil {
			return -1 // on its way up
		}
		defer conn.Close(t.Context())
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			return -1
		}
		return n
	}
	await := func(what, query string, want int) {
		t.Helper()
		require.Eventually(t, func() bool { return count(query) == want }, within, 10*lookEvery, "waited in vain for %s; there are %d of %d", what, count(query), want)
	}
	const pending, completed = "select count(*) from approvals where state = 'pending'", "select count(*) from tasks where status = 'completed'"

	before := s.uses(t, "worker")
	began := time.Now()
	var asking errgroup.Group
	asking.SetLimit(16)
	asker := s.newcomer(t, "wendy")
	for n := range many {
		asking.Go(func() error {
			_, err := asker.SubmitTask(t.Context(), "template:default/waits", json.RawMessage(fmt.Sprintf(`{"name":"run %d"}`, n)))
			return err
		})
	}
	require.NoError(t, asking.Wait())
	await("all to wait", pending, many)
	waiting := s.uses(t, "worker")
	t.Logf("%d runs wait after %s; the worker held %s before and %s now, and used %s of CPU a run", many, time.Since(began).Round(time.Second),
		mebibytes(before.memory), mebibytes(waiting.memory), (waiting.cpu-before.cpu)/time.Duration(many))
	if many > fewWait {
		idle := time.Minute
		time.Sleep(idle) // what is measured is a time in which nothing happens
		still := s.uses(t, "worker")
		t.Logf("in a minute of waiting the worker used %s of CPU, and held %s", still.cpu-waiting.cpu, mebibytes(still.memory))
	}

	s.kill(t, "worker")
	s.crash(t)
	ctx, cancel = context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	require.NoError(t, s.start(ctx, binary(t)))
	require.Equal(t, many, count(pending))
	restarted := s.uses(t, "worker")
	t.Logf("started again, the worker holds %s", mebibytes(restarted.memory))

	conn, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "select id from approvals where state = 'pending'")
	require.NoError(t, err)
	gates, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	began = time.Now()
	var deciding errgroup.Group
	deciding.SetLimit(16)
	approver := s.role("approver")
	for _, gate := range gates {
		deciding.Go(func() error { return approver.Decide(t.Context(), gate, "approve", "go") })
	}
	require.NoError(t, deciding.Wait())
	await("all to complete", completed, many)
	after := s.uses(t, "worker")
	t.Logf("all are approved and complete after %s; the worker holds %s and used %s of CPU a run", time.Since(began).Round(time.Second),
		mebibytes(after.memory), (after.cpu-restarted.cpu)/time.Duration(many))
	require.Equal(t, many, count("select count(*) from task_events where body->>'message' = 'Finished step After'"), "each run went on once")
}

// usage is what a process has taken.
type usage struct {
	memory int64 // resident bytes
	cpu    time.Duration
}

func (s *localStack) uses(t *testing.T, name string) usage {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", s.pid(name))
	raw, err := os.ReadFile(proc + "statm")
	require.NoError(t, err)
	var size, pages, user, system int64
	_, err = fmt.Sscan(string(raw), &size, &pages)
	require.NoError(t, err)
	raw, err = os.ReadFile(proc + "stat")
	require.NoError(t, err)
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:])) // from the third field on
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	require.NoError(t, err)
	const tick = time.Second / 100
	return usage{pages * int64(os.Getpagesize()), time.Duration(user+system) * tick}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
