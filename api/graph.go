package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

func (h handlers) GetTaskGraph(ctx context.Context, r GetTaskGraphRequestObject) (GetTaskGraphResponseObject, error) {
	task := askedIn(ctx).task
	run, err := runOf(task)
	if err != nil {
		return nil, err
	}
	switch r.Params.Format {
	case "dot":
		text := templates.Dot(&run.Plan)
		return GetTaskGraph200TextvndGraphvizResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	case "mermaid":
		text := templates.Mermaid(&run.Plan)
		return GetTaskGraph200TextvndMermaidResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	}
	progress := map[string]*stepProgress{}
	for after, more := int64(0), true; more; {
		found, err := h.Store.Events(ctx, task.ID, after, false, batch)
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
	return GetTaskGraph200JSONResponse(graphOf(task, run.Plan, progress)), nil
}

// stepProgress is how far the events say that a step has come.
type stepProgress struct {
	state        string
	begun, ended *time.Time
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
		case "completed", "failed", "cancelled":
			p.ended = &at
		}
	}
}

func graphOf(task store.Task, p plan.Plan, progress map[string]*stepProgress) Graph {
	g := Graph{
		Task: task.ID, Template: task.TemplateRef, Status: task.Status, Execution: string(p.Execution), Parallel: p.Parallel,
		Steps: []GraphStep{}, Edges: []GraphEdge{},
	}
	for _, s := range p.Steps {
		step := GraphStep{Id: s.ID, Name: s.Name, Action: s.Action, Kind: string(s.Kind), Needs: append([]string{}, s.Needs...), State: "open"}
		if done := progress[s.ID]; done != nil {
			step.State, step.StartedAt, step.EndedAt = done.state, momentOf(done.begun), momentOf(done.ended)
			if done.begun != nil && done.ended != nil {
				step.TookMs = done.ended.Sub(*done.begun).Milliseconds()
			}
		}
		g.Steps = append(g.Steps, step)
	}
	for _, e := range p.Edges {
		g.Edges = append(g.Edges, GraphEdge{From: e.From, To: e.To, Reason: string(e.Reason), Detail: e.Detail})
	}
	return g
}
