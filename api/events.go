package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gildway/gildway/internal/store"
)

const (
	pingEvery = 20 * time.Second // below the idle timeouts of common load balancers
	pollTime  = 30 * time.Second
	batch     = 500
	// slowReader is how long a client may take to make room for what is written to it.
	slowReader = 20 * time.Second
)

type eventStore interface {
	// Events lists events with a greater id, oldest first; completion events always if withCompletion.
	Events(ctx context.Context, task string, after int64, withCompletion bool, limit int) ([]store.Event, error)
}

// Wakeups tells when a task may have new events. *store.Listener implements it.
type Wakeups interface {
	Subscribe(task string) (wake <-chan struct{}, stop func())
}

// log reads a task's events from where a client has come to. A client that is past the completion gets
// it once more, as in Backstage: it wants to know that there is nothing to wait for.
type log struct {
	store       eventStore
	task        string
	recoverable bool
	after       int64
	begun       bool
}

func (s *Server) logOf(t store.Task, after int64) *log {
	return &log{store: s.Store, task: t.ID, recoverable: recoverStrategy(t) == "startOver", after: after}
}

func (l *log) next(ctx context.Context) ([]Event, error) {
	found, err := l.store.Events(ctx, l.task, l.after, !l.begun, batch)
	if err != nil {
		return nil, err
	}
	l.begun = true
	events := make([]Event, 0, len(found))
	for _, e := range found {
		l.after = max(l.after, e.ID)
		events = append(events, Event{
			Id: e.ID, IsTaskRecoverable: l.recoverable, TaskId: e.Task, Body: e.Body, Type: e.Type, CreatedAt: moment(e.CreatedAt),
		})
	}
	return events, nil
}

func (h handlers) PollTaskEvents(ctx context.Context, r PollTaskEventsRequestObject) (PollTaskEventsResponseObject, error) {
	a := askedIn(ctx)
	wake, stop := h.Events.Subscribe(a.task.ID)
	defer stop()
	l := h.logOf(a.task, r.Params.After)
	timeout := time.After(pollTime)
	for {
		events, err := l.next(ctx)
		if err != nil || len(events) > 0 {
			return PollTaskEvents200JSONResponse(events), err
		}
		select {
		case <-wake:
		case <-timeout:
			return PollTaskEvents200JSONResponse{}, nil
		case <-h.closing:
			return PollTaskEvents200JSONResponse{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h handlers) StreamTaskEvents(ctx context.Context, r StreamTaskEventsRequestObject) (StreamTaskEventsResponseObject, error) {
	return eventStream{h.Server, ctx, h.logOf(askedIn(ctx).task, r.Params.After)}, nil
}

// eventStream is the answer that writes events until the task has ended, the client has gone or the
// server stops.
type eventStream struct {
	server *Server
	ctx    context.Context
	log    *log
}

// VisitStreamTaskEventsResponse writes the stream. Events are read from the store whenever the
// listener says so and at every ping, so that even a lost wake-up loses nothing.
func (e eventStream) VisitStreamTaskEventsResponse(w http.ResponseWriter) error {
	s := e.server
	wake, stop := s.Events.Subscribe(e.log.task)
	defer stop()
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()

	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not supported by every writer of a test; a server's own supports it
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	if err := s.send(w, control, nil); err != nil {
		return err
	}
	for {
		events, err := e.log.next(e.ctx)
		if err != nil {
			return err // the client comes back with the last id it saw
		}
		text, ended := encodeStream(events)
		if err := s.send(w, control, text); err != nil || ended {
			return err
		}
		if len(events) >= batch {
			continue
		}
		select {
		case <-wake:
		case <-ping.C:
			if err := s.send(w, control, []byte(": ping\n\n")); err != nil {
				return err
			}
		case <-s.closing:
			return nil
		case <-e.ctx.Done():
			return nil
		}
	}
}

// encodeStream writes events as Backstage does: no id lines, JSON on one line. A completion ends the
// stream unless the task can be started over.
func encodeStream(events []Event) (text []byte, ended bool) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, event := range events {
		fmt.Fprintf(&b, "event: %s\ndata: ", event.Type)
		_ = enc.Encode(event) // its body was JSON in the database; adds the first line end
		b.WriteByte('\n')
		if event.Type == "completion" && !event.IsTaskRecoverable {
			return b.Bytes(), true
		}
	}
	return b.Bytes(), false
}

func (s *Server) send(w http.ResponseWriter, control *http.ResponseController, text []byte) error {
	_ = control.SetWriteDeadline(time.Now().Add(s.patience))
	if len(text) > 0 {
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return control.Flush()
}
