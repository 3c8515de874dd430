package view

import (
	"context"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/client"
)

// Runs is where a run can be watched. *client.Client implements it.
type Runs interface {
	Watch(ctx context.Context, task string, each func(client.Event)) (client.Event, error)
	Graph(ctx context.Context, task string) (client.Graph, error)
}

const (
	tick    = 200 * time.Millisecond
	refresh = 5 * time.Second // what no event tells, such as what a step waits for
	patient = 5 * time.Second // with the API; the picture stands still meanwhile
)

// Follow draws a run until it has ended or ctx does, and gives its completion event. A graph that can't be had for a
// while stands still; the events are what counts.
func Follow(ctx context.Context, runs Runs, task, title string, draw func(Picture) error) (client.Event, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type ending struct {
		event client.Event
		err   error
	}
	ended := make(chan ending, 1)
	events := make(chan client.Event)
	go func() {
		event, err := runs.Watch(ctx, task, func(e client.Event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
		ended <- ending{event, err}
	}()

	p := Picture{Title: title, Said: map[string]string{}}
	look := func() {
		asking, done := context.WithTimeout(ctx, patient)
		defer done()
		if g, err := runs.Graph(asking, task); err == nil {
			p.Graph, p.Taken = g, time.Now()
		}
	}
	look()
	if err := draw(p); err != nil {
		return client.Event{}, err
	}
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for changed := false; ; {
		select {
		case e := <-events:
			if e.Body.Status != "" || e.Type != "log" {
				changed = true
			}
			if e.Body.StepID != "" {
				p.Said[e.Body.StepID] = lastLine(e.Body.Message)
			}
		case <-clock.C:
			if changed || time.Since(p.Taken) > refresh {
				changed = false
				look()
			}
			if err := draw(p); err != nil {
				return client.Event{}, err
			}
		case end := <-ended:
			if end.err == nil {
				look()
			}
			if err := draw(p); err != nil {
				return end.event, err
			}
			return end.event, end.err
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
