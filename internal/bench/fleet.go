package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// stream is one reader of a task's events. It is opened by hand, so that what an idle one holds in this process is
// the server's and next to nothing of a client's.
type stream struct {
	task string
	conn net.Conn
	seen []int64
}

func openStream(ctx context.Context, address, task string) (*stream, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("opening a stream: %w", err)
	}
	_, err = fmt.Fprintf(conn, "GET /api/scaffolder/v2/tasks/%s/eventstream HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n", task)
	return &stream{task: task, conn: conn}, err
}

// streamed is an event as far as it matters here.
type streamed struct {
	ID   int64  `json:"id"`
	Type string `json:"type"`
	Body struct {
		Message string `json:"message"`
	} `json:"body"`
}

// read follows the stream to its completion, and tells every event when it has come.
func (s *stream) read(ctx context.Context, came func(streamed)) error {
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	answer, err := http.ReadResponse(bufio.NewReader(s.conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("a stream was answered %s", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, is := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !is {
			continue
		}
		var e streamed
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		s.seen = append(s.seen, e.ID)
		came(e)
		if e.Type == "completion" {
			return nil
		}
	}
	return fmt.Errorf("a stream ended before the completion, after %d events: %w", len(s.seen), lines.Err())
}

// fleet is all streams of the measurement.
type fleet struct {
	streams []*stream
	reading errgroup.Group

	mu    sync.Mutex
	delay []time.Duration // from before an event was written to when it came
	came  map[string]int  // by message: how many streams have it
}

// at begins the message of an event that tells when it was written.
const at = "written at "

func stamped() string { return at + strconv.FormatInt(time.Now().UnixNano(), 10) }

func (f *fleet) follow(ctx context.Context, s *stream) {
	f.reading.Go(func() error {
		return s.read(ctx, func(e streamed) {
			text, is := strings.CutPrefix(e.Body.Message, at)
			if !is {
				return
			}
			now := time.Now()
			nanos, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.delay = append(f.delay, now.Sub(time.Unix(0, nanos)))
			f.came[e.Body.Message]++
		})
	})
}

// open opens streams of the tasks, so many a task.
func (f *fleet) open(ctx context.Context, address string, tasks []string, each int) error {
	f.streams = make([]*stream, len(tasks)*each)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range f.streams {
		group.Go(func() (err error) {
			f.streams[i], err = openStream(ctx, address, tasks[i/each])
			return err
		})
	}
	return group.Wait()
}

// heard reports whether every one of the messages has come to so many streams.
func (f *fleet) heard(messages []string, by int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(messages, func(m string) bool { return f.came[m] < by })
}

// delays gives the delays so far, sorted, and begins anew.
func (f *fleet) delays() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	sorted := slices.Sorted(slices.Values(f.delay))
	f.delay = nil
	return sorted
}

// percentile of sorted durations.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
