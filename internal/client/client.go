// Package client speaks to Gildway's HTTP API, for the command line and for checks from outside.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Client calls one Gildway as one person.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New makes a client for the API at base, e.g. http://127.0.0.1:7780.
func New(base, token string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{}}
}

// Problem is an answer that says no.
type Problem struct {
	Status     int
	Title      string
	Detail     []string // everything that is wrong
	Path       string   // that was asked
	Request    string   // its id in the API's log
	RetryAfter int      // seconds; 0 = not said
}

// NoAnswer is an API that can't be reached, or doesn't answer in time.
type NoAnswer struct {
	From  string // the API's address
	Cause error
}

func (n *NoAnswer) Error() string {
	return fmt.Sprintf("no answer from %s; is Gildway running there? %s", n.From, n.Cause)
}

// Unwrap gives the cause.
func (n *NoAnswer) Unwrap() error { return n.Cause }

func (p *Problem) Error() string {
	s := cmp.Or(p.Title, http.StatusText(p.Status))
	for _, d := range p.Detail {
		s += "\n  " + d
	}
	return s
}

// final reports whether asking again would bring the same answer.
func (p *Problem) final() bool {
	return p.Status/100 == 4 && p.Status != http.StatusRequestTimeout && p.Status != http.StatusTooManyRequests
}

// callTimeout bounds every call but the event stream and dry runs, which the API gives a minute.
const (
	callTimeout    = 30 * time.Second
	previewTimeout = 75 * time.Second
)

// call sends body as JSON, if there is one, and decodes the answer into `into`, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	return c.callWithin(ctx, callTimeout, method, path, body, into)
}

func (c *Client) callWithin(ctx context.Context, timeout time.Duration, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch into := into.(type) {
	case nil:
		return nil
	case *string:
		raw, err := io.ReadAll(answer.Body)
		*into = string(raw)
		return err
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the answer of %s %s: %w", method, path, err)
	}
	return nil
}

// header is one more line of a request's head.
type header struct{ name, value string }

// send gives an answer of the 2xx range or an error; the caller closes the body.
func (c *Client) send(ctx context.Context, method, path string, body any, more ...header) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, fmt.Errorf("the API's address: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range more {
		req.Header.Set(h.name, h.value)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, &NoAnswer{c.base, err}
	}
	if answer.StatusCode/100 != 2 {
		defer answer.Body.Close()
		p := readProblem(answer)
		p.Path, p.Request = req.URL.Path, answer.Header.Get("X-Request-Id")
		p.RetryAfter, _ = strconv.Atoi(answer.Header.Get("Retry-After")) // a date is as good as nothing
		return nil, p
	}
	return answer, nil
}

// readProblem understands the three shapes of errors: problem+json, Backstage's error, and
// Backstage's list of validation errors.
func readProblem(answer *http.Response) *Problem {
	raw, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20)) // what could be read is enough
	type problem struct{ Path, Message, Fix string }
	var shape struct {
		Title, Detail string
		Problems      []problem
		Error         struct {
			Message  string
			Problems []problem
		}
		Errors []struct{ Stack string }
	}
	p := &Problem{Status: answer.StatusCode}
	if json.Unmarshal(raw, &shape) != nil {
		p.Title = answer.Status
		return p
	}
	p.Title = cmp.Or(shape.Detail, shape.Error.Message, shape.Title)
	if len(shape.Errors) > 0 {
		p.Title = "the values don't fit the template"
	}
	for _, e := range shape.Errors {
		p.Detail = append(p.Detail, strings.TrimPrefix(e.Stack, "instance."))
	}
	for _, e := range append(shape.Problems, shape.Error.Problems...) {
		text := strings.TrimPrefix(e.Path+": "+e.Message, ": ")
		if e.Fix != "" {
			text += "; try: " + e.Fix
		}
		p.Detail = append(p.Detail, text)
	}
	return p
}

// SubmitTask asks for a run of a template without secrets, as Submit does.
func (c *Client) SubmitTask(ctx context.Context, templateRef string, values json.RawMessage) (string, error) {
	return c.Submit(ctx, templateRef, values, nil, uuid.NewString())
}

// submitTries is how often a submission is sent before the caller hears of it.
const submitTries = 4

// Submit asks for a run of a template and gives the task's id. What was accepted will run. The same key with the same
// request gives the same task, so it is sent again if the answer was lost.
func (c *Client) Submit(ctx context.Context, templateRef string, values json.RawMessage, secrets map[string]string, key string) (string, error) {
	if secrets == nil {
		secrets = map[string]string{}
	}
	body := map[string]any{"templateRef": templateRef, "values": values, "secrets": secrets}
	for try := 1; ; try++ {
		id, err := c.submit(ctx, body, key)
		if err == nil || try == submitTries || !lost(err) || ctx.Err() != nil {
			return id, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// lost reports whether nobody knows if the request was heard.
func lost(err error) bool {
	var refused *Problem
	return !errors.As(err, &refused) || refused.Status/100 == 5 && refused.Status != http.StatusNotImplemented
}

func (c *Client) submit(ctx context.Context, body any, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.send(ctx, http.MethodPost, "/api/scaffolder/v2/tasks", body, header{"Idempotency-Key", key})
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var created struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&created); err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return created.ID, nil
}

// Task is a run as Backstage's API shows it.
type Task struct {
	ID        string          `json:"id"`
	Spec      json.RawMessage `json:"spec"`
	Status    string          `json:"status"`
	CreatedAt time.Time       `json:"createdAt"`
	CreatedBy string          `json:"createdBy,omitempty"`
}

// TemplateRef names the template of the task.
func (t Task) TemplateRef() string {
	var spec struct {
		TemplateInfo struct{ EntityRef string }
	}
	if json.Unmarshal(t.Spec, &spec) != nil {
		return ""
	}
	return spec.TemplateInfo.EntityRef
}

// Task finds one task.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	var t Task
	return t, c.call(ctx, http.MethodGet, taskPath(id), nil, &t)
}

// Tasks lists tasks, newest first.
func (c *Client) Tasks(ctx context.Context, createdBy string, limit int) ([]Task, error) {
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	if createdBy != "" {
		query.Set("createdBy", createdBy)
	}
	var list struct{ Tasks []Task }
	return list.Tasks, c.call(ctx, http.MethodGet, "/api/scaffolder/v2/tasks?"+query.Encode(), nil, &list)
}

// CancelTask asks a run to stop at its next safe point.
func (c *Client) CancelTask(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, taskPath(id)+"/cancel", nil, nil)
}

// StopTask is CancelTask with a reason, which undoes what the run has done if asked.
func (c *Client) StopTask(ctx context.Context, id, reason string, undo bool) error {
	return c.call(ctx, http.MethodPost, v1+"tasks/"+url.PathEscape(id)+"/cancel", map[string]any{"reason": reason, "undo": undo}, nil)
}

// PauseTask holds a run: no more steps begin.
func (c *Client) PauseTask(ctx context.Context, id, reason string) error {
	return c.call(ctx, http.MethodPost, v1+"tasks/"+url.PathEscape(id)+"/pause", map[string]any{"reason": reason}, nil)
}

// ResumeTask lets a run go on after a pause.
func (c *Client) ResumeTask(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, v1+"tasks/"+url.PathEscape(id)+"/resume", nil, nil)
}

// CancelStep asks for something else of a step than what it is at: retry, skip or abort. Without an iteration all items of
// a loop that are under way are meant.
func (c *Client) CancelStep(ctx context.Context, task, step, action, iteration, reason string) error {
	path := v1 + "tasks/" + url.PathEscape(task) + "/steps/" + url.PathEscape(step) + "/" + action
	return c.call(ctx, http.MethodPost, path, map[string]any{"iteration": iteration, "reason": reason}, nil)
}

// RetryTask runs a task that has ended again, with secrets if it needs any.
func (c *Client) RetryTask(ctx context.Context, id string, secrets map[string]string) error {
	body := map[string]any{}
	if len(secrets) > 0 {
		body["secrets"] = secrets
	}
	return c.call(ctx, http.MethodPost, taskPath(id)+"/retry", body, nil)
}

// Retry is what a task that has ended is run again with.
type Retry struct {
	From    string            `json:"from"`             // failed or start
	Values  json.RawMessage   `json:"values,omitempty"` // the parameters to correct
	Secrets map[string]string `json:"secrets,omitempty"`
}

// Retried is what becomes of that.
type Retried struct {
	ID      string
	Attempt int
	Kept    []string // steps that are not run again
}

// Retry is RetryTask with a choice of what is kept.
func (c *Client) Retry(ctx context.Context, id string, r Retry) (a Answer[Retried], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"tasks/"+url.PathEscape(id)+"/retry", r, &a)
}

func taskPath(id string) string { return "/api/scaffolder/v2/tasks/" + url.PathEscape(id) }
