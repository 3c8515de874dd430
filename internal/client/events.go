package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Event is one line of a run's log.
type Event struct {
	ID        int64     `json:"id"`
	TaskID    string    `json:"taskId"`
	Type      string    `json:"type"` // log, completion, cancelled or recovered
	CreatedAt time.Time `json:"createdAt"`
	JSON      []byte    `json:"-"` // as it came
	Body      struct {
		Message string          `json:"message"`
		StepID  string          `json:"stepId,omitempty"`
		Status  string          `json:"status,omitempty"` // on a change of the step's state
		Output  json.RawMessage `json:"output,omitempty"`
		Error   *struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		} `json:"error,omitempty"`
	} `json:"body"`
}

const (
	// hopelessAfter attempts in a row that brought nothing, about a minute, Watch gives up.
	hopelessAfter = 20
	pause         = 500 * time.Millisecond
	longestPause  = 4 * time.Second
	// silence on a stream for longer than this means that its other end is gone: a living one pings every 20 seconds.
	silence = 70 * time.Second
)

// Watch calls each for every event of a task from its first one on, until the run has ended; it
// connects again where a broken stream left off. It gives the completion event. A *Problem that is the
// caller's fault (no such task, no right to see it) is not tried again.
func (c *Client) Watch(ctx context.Context, task string, each func(Event)) (Event, error) {
	var last Event
	for failures := 0; ; {
		before := last.ID
		done, err := c.follow(ctx, task, &last, each)
		if done {
			return last, nil
		}
		if ctx.Err() != nil {
			return last, ctx.Err()
		}
		var refused *Problem
		if errors.As(err, &refused) && refused.final() {
			return last, err
		}
		if failures++; err == nil || last.ID != before {
			failures = 0
		}
		if failures >= hopelessAfter {
			return last, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(pause*time.Duration(failures+1), longestPause)):
		}
	}
}

func (c *Client) follow(ctx context.Context, task string, last *Event, each func(Event)) (done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	answer, err := c.send(ctx, http.MethodGet, fmt.Sprintf("%s/eventstream?after=%d", taskPath(task), last.ID), nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		watchdog.Reset(silence)
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return false, fmt.Errorf("reading the event stream: %w", err)
		}
		e.JSON = bytes.Clone(data)
		*last = e
		each(e)
		if e.Type == "completion" {
			return true, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("the event stream broke: %w", err)
	}
	return false, nil
}
