package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gildway/gildway/internal/store"
)

const (
	pingEvery = 20 * time.Second // below the idle timeouts of common load balancers
	pollTime  = 30 * time.Second
	batch     = 500
	// slowReader is how long a client may take to make room for what is written to it at once.
	slowReader = 20 * time.Second
	atOnce     = 32 << 10
)

type eventStore interface {
	// Events lists events with a greater id, oldest first; completion events always if withCompletion. It
	// may end before the limit: store.MoreEvents tells.
	Events(ctx context.Context, task string, after int64, withCompletion bool, limit int) ([]store.Event, error)
	// LastEvent is the greatest id among a task's events; 0 if it has none.
	LastEvent(ctx context.Context, task string) (int64, error)
}

// Wakeups tells when a task may have new events, by a call that must not block. *store.Listener
// implements it.
type Wakeups interface {
	Subscribe(task string, wake func()) (stop func())
}

// recoverable reports whether a task's template lets it be started over.
func recoverable(t store.Task) bool { return recoverStrategy(t) == "startOver" }

// PollTaskEvents answers with the first events that there are, or with none when the time is up. A client
// that is past the completion gets it once more, as in Backstage: there is nothing to wait for.
func (h handlers) PollTaskEvents(ctx context.Context, r PollTaskEventsRequestObject) (PollTaskEventsResponseObject, error) {
	task := askedIn(ctx).task
	place := h.feeds.follow(task.ID, recoverable(task), r.Params.After)
	defer place.close()
	timeout := time.After(pollTime)
	for {
		lines, wait, err := place.take(ctx)
		if err != nil {
			return nil, err
		}
		if len(lines) > 0 {
			events := make(PollTaskEvents200JSONResponse, 0, len(lines))
			for _, l := range lines {
				events = append(events, l.event)
			}
			return events, nil
		}
		select {
		case <-wait:
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
	task := askedIn(ctx).task
	return eventStream{server: h.Server, ctx: ctx, task: task.ID, recoverable: recoverable(task), after: r.Params.After}, nil
}

// eventStream is the answer that writes events until the task has ended, the client has gone or the
// server stops. Whenever it ends before the completion, the client comes back with the last id it saw.
type eventStream struct {
	server      *Server
	ctx         context.Context
	task        string
	recoverable bool
	after       int64
}

// VisitStreamTaskEventsResponse writes the stream.
func (e eventStream) VisitStreamTaskEventsResponse(w http.ResponseWriter) error {
	s := e.server
	place := s.feeds.follow(e.task, e.recoverable, e.after)
	defer place.close()
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()

	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not supported by every writer of a test; a server's own supports it
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	ping := time.NewTicker(s.pingEvery)
	defer ping.Stop()
	if err := s.send(w, control); err != nil {
		return err
	}
	for {
		lines, wait, err := place.take(e.ctx)
		if err != nil {
			return err
		}
		if len(lines) > 0 {
			if ended, err := s.sendLines(w, control, lines); err != nil || ended {
				return err
			}
			continue
		}
		select {
		case <-wait:
		case <-ping.C:
			place.rest(s.pingEvery)
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

// sendLines writes events, and says if the last one ends the stream.
func (s *Server) sendLines(w http.ResponseWriter, control *http.ResponseController, lines []line) (ended bool, err error) {
	var texts [][]byte
	size := 0
	for _, l := range lines {
		texts, size, ended = append(texts, l.text), size+len(l.text), l.ends()
		if size >= atOnce || ended {
			if err := s.send(w, control, texts...); err != nil || ended {
				return ended, err
			}
			texts, size = texts[:0], 0
		}
	}
	return false, s.send(w, control, texts...)
}

// send writes at once, and gives up on a client that makes no room for it.
func (s *Server) send(w http.ResponseWriter, control *http.ResponseController, texts ...[]byte) error {
	_ = control.SetWriteDeadline(time.Now().Add(s.patience))
	for _, text := range texts {
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return control.Flush()
}
