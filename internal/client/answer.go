package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Answer is what the API said: what we know of it, and all of it as JSON.
type Answer[T any] struct {
	Value T
	JSON  json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Answer[T]) UnmarshalJSON(raw []byte) error {
	a.JSON = bytes.Clone(raw)
	return json.Unmarshal(raw, &a.Value)
}

// MarshalJSON writes the answer as it came.
func (a Answer[T]) MarshalJSON() ([]byte, error) { return a.JSON, nil }

// Page is a part of a list. Next is the cursor of the next one; empty if there is none.
type Page[T any] struct {
	Items []T
	Next  string
}

const v1 = "/api/gildway/v1/"

// List gives a page of tasks, approvals, access or templates. Empty values of the query are left out.
func List[T any](ctx context.Context, c *Client, what string, query url.Values) (Answer[Page[T]], error) {
	for name, values := range query {
		if len(values) == 0 || values[0] == "" {
			query.Del(name)
		}
	}
	var a Answer[Page[T]]
	return a, c.call(ctx, http.MethodGet, v1+what+"?"+query.Encode(), nil, &a)
}

// TaskLine is a task as a line of a list.
type TaskLine struct {
	ID        string
	Template  string
	Phase     string // accepted, running, waiting, paused, completed, failed or cancelled
	CreatedBy string
	CreatedAt time.Time
}

// TaskDetails is all that there is to know about a task but its steps.
type TaskDetails struct {
	TaskLine
	Title     string
	Values    json.RawMessage // that it was submitted with
	Attempt   int
	Approvals []Approval // those that are open
	Access    []Lease
	Links     struct{ Temporal string }
	Parent    struct{ Task, Step string } // "" if somebody has submitted it
	Children  []ChildLine
	Schedule  string // that ran it
}

// ChildLine is a task that a step of another one has run.
type ChildLine struct {
	TaskLine
	Step string // with the iteration of a loop
}

// Details gives a task as /api/gildway/v1 has it.
func (c *Client) Details(ctx context.Context, task string) (Answer[TaskDetails], error) {
	var a Answer[TaskDetails]
	return a, c.call(ctx, http.MethodGet, v1+"tasks/"+url.PathEscape(task), nil, &a)
}

// WholeGraph is Graph with all that the API says.
func (c *Client) WholeGraph(ctx context.Context, task string) (Answer[Graph], error) {
	var a Answer[Graph]
	return a, c.call(ctx, http.MethodGet, v1+"tasks/"+url.PathEscape(task)+"/graph?format=json", nil, &a)
}

// DrawnGraph gives the graph as a drawing; format is "dot" or "mermaid".
func (c *Client) DrawnGraph(ctx context.Context, task, format string) (string, error) {
	var text string
	return text, c.call(ctx, http.MethodGet, v1+"tasks/"+url.PathEscape(task)+"/graph?format="+format, nil, &text)
}
