package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/api"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
)

// crowd is how many people look at one replica, and what they do meanwhile.
type crowd struct {
	streams     int // of tasks that say little: a page opens three of each
	submissions int // each with a stream of its own
	events      int // whose way to the streams is timed
}

const streamsAPage = 3

// crowdReport is what a crowd met.
type crowdReport struct {
	streams      int
	memory       int64           // bytes a stream while it is idle, its end of the connection in this process included
	resident     int64           // the same as the system counts it
	quiet, busy  []time.Duration // from before an event was written to a client; alone, and beside the submissions
	accepted     []time.Duration // from the request to the 201
	all          time.Duration   // until the last submission had ended
	eventsToRead int             // that came, to all streams together
}

// streaming measures a replica under a crowd, with real runs.
func streaming(ctx context.Context, actions templates.Actions, out io.Writer) (rows []row, err error) {
	err = install(ctx, out, func(ctx context.Context, on *installation) error {
		r, err := crowd{streams: 2001, submissions: 200, events: 600}.meet(ctx, on.db, on.engine, actions)
		rows = r.rows()
		return err
	})
	return rows, err
}

func (r crowdReport) rows() []row {
	open := fmt.Sprintf(", %d streams open", r.streams)
	single := func(what, measured string, samples int) row {
		return row{what: what, measured: measured, against: "-", samples: samples}
	}
	return []row{
		single("event to its readers, median"+open, shown(percentile(r.quiet, 50)), len(r.quiet)),
		single("event to its readers, 99 of 100"+open, shown(percentile(r.quiet, 99)), len(r.quiet)),
		single("event to its readers, 99 of 100, beside the runs", shown(percentile(r.busy, 99)), len(r.busy)),
		single("memory an idle stream, Go's own count", fmt.Sprintf("%.1f KiB", float64(r.memory)/1024), r.streams),
		single("memory an idle stream, resident", fmt.Sprintf("%.1f KiB", float64(r.resident)/1024), r.streams),
		single("submission to its 201, 99 of 100"+open, shown(percentile(r.accepted, 99)), len(r.accepted)),
		single(fmt.Sprintf("%d runs submitted at once, until the last has ended", len(r.accepted)), shown(r.all), 1),
	}
}

// meet lets the crowd loose on a replica over an empty database. It fails unless every stream has its task's whole log,
// each event once.
func (c crowd) meet(ctx context.Context, db *store.Store, engine api.Engine, actions templates.Actions) (r crowdReport, err error) {
	var tasks []string
	for range c.streams / streamsAPage {
		id, err := idleTask(ctx, db)
		if err != nil {
			return r, err
		}
		tasks = append(tasks, id)
	}
	address, stop, err := serve(ctx, db, engine, actions)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	f := &fleet{came: map[string]int{}}
	defer func() {
		for _, s := range f.streams {
			if s != nil {
				s.conn.Close()
			}
		}
	}()

	heap, resident := memory()
	if err := f.open(ctx, address, tasks, streamsAPage); err != nil {
		return r, err
	}
	if err := until(ctx, func() bool { return openStreams(address) == len(f.streams) }); err != nil {
		return r, fmt.Errorf("%d of %d streams are open: %w", openStreams(address), len(f.streams), err)
	}
	heapAfter, residentAfter := memory()
	r.streams = len(f.streams)
	r.memory, r.resident = (heapAfter-heap)/int64(r.streams), (residentAfter-resident)/int64(r.streams)

	for _, s := range f.streams {
		f.follow(ctx, s)
	}
	if err := f.write(ctx, db, tasks, "quiet", c.events); err != nil {
		return r, err
	}
	r.quiet = f.delays()
	if err := c.submit(ctx, address, f, db, tasks, &r); err != nil {
		return r, err
	}
	r.busy = f.delays()
	for _, task := range tasks {
		if err := db.Complete(ctx, task, 0, store.StatusCompleted, "", nil, nil); err != nil {
			return r, err
		}
	}
	if err := f.reading.Wait(); err != nil {
		return r, err
	}
	r.eventsToRead, err = f.whole(ctx, db)
	return r, err
}

// write adds events to the tasks, a steady trickle, and waits until every one has come to a page of streams.
func (f *fleet) write(ctx context.Context, db *store.Store, tasks []string, key string, events int) error {
	var messages []string
	for n := range events {
		message := stamped()
		if err := db.Log(ctx, tasks[n*7%len(tasks)], fmt.Sprint(key, n), "", "", message); err != nil {
			return err
		}
		messages = append(messages, message)
	}
	if err := until(ctx, func() bool { return f.heard(messages, streamsAPage) }); err != nil {
		return fmt.Errorf("not every event has come: %w", err)
	}
	return nil
}

// submit runs tasks over HTTP, each with a reader, while the others go on hearing of theirs.
func (c crowd) submit(ctx context.Context, address string, f *fleet, db *store.Store, tasks []string, r *crowdReport) error {
	began := time.Now()
	group, submitting := errgroup.WithContext(ctx)
	group.SetLimit(20)
	own := make([]*stream, c.submissions)
	took := make([]time.Duration, c.submissions)
	writing := make(chan error, 1)
	go func() { writing <- f.write(ctx, db, tasks, "busy", c.events/4) }()
	for n := range c.submissions {
		group.Go(func() (err error) {
			asked := time.Now()
			id, err := accept(submitting, address)
			if err != nil {
				return err
			}
			took[n] = time.Since(asked)
			if own[n], err = openStream(submitting, address, id); err != nil {
				return err
			}
			return own[n].read(submitting, func(streamed) {})
		})
	}
	err := errors.Join(group.Wait(), <-writing)
	r.all, r.accepted = time.Since(began), slices.Sorted(slices.Values(took))
	f.streams = append(f.streams, slices.DeleteFunc(own, func(s *stream) bool { return s == nil })...)
	return err
}

// whole checks that every stream saw all events of its task, once and in order.
func (f *fleet) whole(ctx context.Context, db *store.Store) (events int, err error) {
	for _, s := range f.streams {
		log, err := db.Events(ctx, s.task, 0, false, 10_000)
		if err != nil {
			return 0, err
		}
		var ids []int64
		for _, e := range log {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, s.seen) {
			return 0, fmt.Errorf("task %s has the events %v, a stream saw %v", s.task, ids, s.seen)
		}
		events += len(ids)
	}
	return events, nil
}

// idleTask is a task that nobody runs.
func idleTask(ctx context.Context, db *store.Store) (string, error) {
	id, err := db.CreateTask(ctx, store.NewTask{
		ID: uuid.NewString(), TemplateRef: "template:default/idle", CreatedBy: identity.Guest.Ref,
		Spec: json.RawMessage(`{}`), Run: json.RawMessage(`{}`),
	})
	if err != nil {
		return "", err
	}
	if err := db.MarkStarted(ctx, id, 0); err != nil {
		return "", err
	}
	return id, db.Log(ctx, id, "begin", "", "", "Beginning")
}

// serve starts a replica in this process, on which everybody is the guest.
func serve(ctx context.Context, db *store.Store, engine api.Engine, actions templates.Actions) (address string, stop func() error, err error) {
	source := sameSteps{name: crowdTemplate, action: "debug:log", input: "{ message: hello }", steps: 3, chained: true}.source()
	files := fstest.MapFS{crowdTemplate + "/template.yaml": {Data: []byte(source)}}
	quiet := slog.New(slog.DiscardHandler)
	library, err := templatesource.Open(ctx, templatesource.Options{
		Store: db, Sources: []templatesource.Source{templatesource.Golden(files)}, Actions: actions, Log: quiet,
	})
	if err != nil {
		return "", nil, err
	}
	listener := db.NewListener(quiet)
	server, err := api.New(api.Config{
		Store: db, Events: listener, Templates: library, Engine: engine, OpenDoors: true,
		Policy: identity.NewPolicy(nil, nil, identity.OpenToEveryone()), Directory: strangers{}, Log: quiet,
	})
	if err != nil {
		return "", nil, err
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	serving, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { listener.Run(serving); return nil })
	group.Go(func() error { return server.Serve(serving, port) })
	return port.Addr().String(), func() error { cancel(); return group.Wait() }, nil
}

const crowdTemplate = "hello"

// strangers is a directory that knows nobody.
type strangers struct{}

func (strangers) Groups(context.Context, string) ([]string, error) { return []string{}, nil }

func (strangers) Email(context.Context, string) (string, error) {
	return "", fault.New(fault.NotFound, "nobody is known")
}

// accept submits a task and gives its id.
func accept(ctx context.Context, address string) (string, error) {
	body := fmt.Sprintf(`{"templateRef":%q,"values":{}}`, plan.EntityRef{Kind: "template", Namespace: "default", Name: crowdTemplate})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/scaffolder/v2/tasks", bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if answer.StatusCode != http.StatusCreated || json.Unmarshal(raw, &made) != nil {
		return "", fmt.Errorf("a submission was answered %s: %s", answer.Status, raw)
	}
	return made.ID, nil
}

// openStreams asks the replica; -1 if it does not answer.
func openStreams(address string) int {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	_, after, found := strings.Cut(string(raw), "\ngildway_event_streams ")
	n := -1
	if err == nil && found {
		_, _ = fmt.Sscan(after, &n)
	}
	return n
}

// memory is what Go's runtime uses for data and stacks, and what the system has given to the process.
func memory() (used, resident int64) {
	runtime.GC()
	runtime.GC() // what the first one has only found
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	var size, pages int64
	if raw, err := os.ReadFile("/proc/self/statm"); err == nil {
		_, _ = fmt.Sscan(string(raw), &size, &pages)
	}
	return int64(stats.HeapAlloc + stats.StackInuse), pages * int64(os.Getpagesize())
}

// until waits for a fact.
func until(ctx context.Context, fact func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !fact() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
