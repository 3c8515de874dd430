package api

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// stepProgress is how far the events say that a step has come.
type stepProgress struct {
	state        string
	begun, ended *time.Time
}

func (p stepProgress) over() bool { return p.state != "processing" }

// took is how long the step has been at it until now.
func (p stepProgress) took(now time.Time) time.Duration {
	switch {
	case p.begun == nil:
		return 0
	case p.ended != nil:
		return p.ended.Sub(*p.begun)
	default:
		return max(now.Sub(*p.begun), 0)
	}
}

// progressOf reads the whole log of a task.
func (s *Server) progressOf(ctx context.Context, task store.Task) (map[string]*stepProgress, error) {
	progress := map[string]*stepProgress{}
	for after, more := int64(0), true; more; {
		found, err := s.Store.Events(ctx, task.ID, after, false, batch)
		if err != nil {
			return nil, err
		}
		events := make([]Event, 0, len(found))
		for _, e := range found {
			after, events = e.ID, append(events, lineOf(e, false).event)
		}
		follow(progress, events)
		more = store.MoreEvents(found, batch)
	}
	return progress, nil
}

// follow goes the way of the frontend: a status in an event is the step's new state.
func follow(progress map[string]*stepProgress, events []Event) {
	for _, e := range events {
		if e.Type == "recovered" { // the task runs again
			clear(progress)
			continue
		}
		var body struct {
			Step   string `json:"stepId"`
			Status string `json:"status"`
		}
		if json.Unmarshal(e.Body, &body) != nil || body.Step == "" || body.Status == "" {
			continue
		}
		p := progress[body.Step]
		if p == nil {
			p = &stepProgress{}
			progress[body.Step] = p
		}
		p.state = body.Status
		at, err := time.Parse(time.RFC3339, e.CreatedAt)
		if err != nil {
			continue
		}
		switch body.Status {
		case "processing":
			if p.begun == nil {
				p.begun = &at
			}
		case "completed", "failed", "cancelled", "skipped":
			p.ended = &at
		}
	}
}

// criticalPath gives the steps that the run's time is made of, first to last: back from the step that ended last, or
// that has been at it for longest, each time to the one that kept it waiting to the end. Which of them ended last is
// what the log says; nobody is kept waiting by a step that was skipped before its turn.
func criticalPath(p plan.Plan, progress map[string]*stepProgress) []string {
	ranUntil := func(id string) (end time.Time, going, ran bool) {
		s := progress[id]
		switch {
		case s == nil || s.begun == nil:
			return end, false, false
		case s.ended == nil:
			return *s.begun, true, true
		default:
			return *s.ended, false, true
		}
	}
	// last is the one that ended last; who is still at it ends after all others, and who began first is at it for longest.
	last := func(ids []string) string {
		best := ""
		for _, id := range ids {
			end, going, ran := ranUntil(id)
			if !ran {
				continue
			}
			bestEnd, bestGoing, _ := ranUntil(best)
			switch {
			case best == "", going && !bestGoing, going && bestGoing && end.Before(bestEnd), !going && !bestGoing && end.After(bestEnd):
				best = id
			}
		}
		return best
	}
	needs := make(map[string][]string, len(p.Steps))
	all := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		all[i], needs[s.ID] = s.ID, s.Needs
	}
	path := []string{}
	for id := last(all); id != ""; id = last(needs[id]) {
		path = append(path, id)
	}
	slices.Reverse(path)
	return path
}
