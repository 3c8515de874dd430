package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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

// Watch calls each for every event of a task from its first one on, until the run has ended; it
// connects again where a broken stream left off. It gives the completion event.
func (c *Client) Watch(ctx context.Context, task string, each func(Event)) (Event, error) {
	var last Event
	failures := 0
	for {
		done, err := c.follow(ctx, task, &last, each)
		if done || ctx.Err() != nil {
			return last, ctx.Err()
		}
		if err == nil {
			failures = 0
		}
		if failures++; failures > 20 {
			return last, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (c *Client) follow(ctx context.Context, task string, last *Event, each func(Event)) (done bool, err error) {
	answer, err := c.send(ctx, http.MethodGet, fmt.Sprintf("%s/eventstream?after=%d", taskPath(task), last.ID), nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return false, fmt.Errorf("reading the event stream: %w", err)
		}
		*last = e
		each(e)
		if e.Type == "completion" {
			return true, nil
		}
	}
	return false, lines.Err()
}
