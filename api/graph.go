package api

import (
	"context"
	"fmt"
	"slices"
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
	progress, err := h.progressOf(ctx, task)
	if err != nil {
		return nil, err
	}
	stumbles, err := h.Store.Stumbles(ctx, task.ID, task.Attempt)
	if err != nil {
		return nil, err
	}
	open, err := h.Store.Approvals(ctx, store.ApprovalFilter{Task: task.ID, State: string(plan.Pending), Limit: mostShown})
	if err != nil {
		return nil, err
	}
	waits, err := h.Store.Waits(ctx, task.ID, task.Attempt)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if task.EndedAt != nil {
		now = *task.EndedAt
	}
	g := graphing{task: task, plan: run.Plan, progress: progress, stumbles: stumbles, open: open, waits: waits, now: now}.graph()
	switch r.Params.Format {
	case "dot":
		text := templates.DotRun(&run.Plan, notesOf(g))
		return GetTaskGraph200TextvndGraphvizResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	case "mermaid":
		text := templates.MermaidRun(&run.Plan, notesOf(g))
		return GetTaskGraph200TextvndMermaidResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	default:
		return GetTaskGraph200JSONResponse(g), nil
	}
}

// graphing is what the graph of a run is made from.
type graphing struct {
	task     store.Task
	plan     plan.Plan
	progress map[string]*stepProgress
	stumbles map[string]int
	open     []store.Approval
	waits    []store.Wait
	now      time.Time // or when the run ended
}

func (in graphing) graph() Graph {
	task, p := in.task, in.plan
	g := Graph{
		Task: task.ID, Template: task.TemplateRef, Status: task.Status, Attempt: task.Attempt, Execution: string(p.Execution), Parallel: p.Parallel,
		StartedAt: momentOf(task.StartedAt), EndedAt: momentOf(task.EndedAt), CriticalPath: criticalPath(p, in.progress), Steps: []GraphStep{}, Edges: []GraphEdge{},
	}
	g.TookMs = stepProgress{begun: task.StartedAt, ended: task.EndedAt}.took(in.now).Milliseconds()
	for _, s := range p.Steps {
		step := GraphStep{
			Id: s.ID, Name: s.Name, Action: s.Action, Kind: string(s.Kind), Needs: append([]string{}, s.Needs...), State: "open",
			Critical: slices.Contains(g.CriticalPath, s.ID),
		}
		if done := in.progress[s.ID]; done != nil {
			step.State, step.StartedAt, step.EndedAt = done.state, momentOf(done.begun), momentOf(done.ended)
			step.TookMs = done.took(in.now).Milliseconds()
			if done.state != "skipped" {
				step.Attempts = in.stumbles[s.ID] + 1
			}
		}
		if !task.Ended() {
			step.WaitingFor = in.waitingFor(s, step.State)
			if step.State == "processing" {
				step.Waits = in.waitsOf(s.ID)
			}
		}
		g.Steps = append(g.Steps, step)
	}
	for _, e := range p.Edges {
		g.Edges = append(g.Edges, GraphEdge{From: e.From, To: e.To, Reason: string(e.Reason), Detail: e.Detail})
	}
	return g
}

// waitingFor says why a step does not go on; nothing if it is at work or over.
func (in graphing) waitingFor(s plan.Step, state string) (reasons []WaitingFor) {
	if state == "processing" {
		for _, a := range in.open {
			if a.Step == s.ID {
				says := fmt.Sprintf("%d of %s", a.Required, strings.Join(a.Approvers, ", "))
				reasons = append(reasons, WaitingFor{Kind: "approval", Id: a.ID, Says: says})
			}
		}
		if provider := in.providerOf(s.ID); provider != nil {
			reasons = append(reasons, *provider)
		}
		return reasons
	}
	if state != "open" {
		return nil
	}
	if in.task.StartedAt == nil {
		return []WaitingFor{{Kind: "start", Says: "the run to be started"}}
	}
	for _, need := range s.Needs {
		if p := in.progress[need]; p == nil || !p.over() {
			reasons = append(reasons, WaitingFor{Kind: "step", Id: need, Says: "step " + need})
		}
	}
	if reasons == nil && in.task.Paused {
		return []WaitingFor{{Kind: "pause", Says: "the run to be resumed"}}
	}
	if reasons == nil {
		reasons = append(reasons, WaitingFor{Kind: "place", Says: fmt.Sprintf("its turn; at most %d steps run at once", max(in.plan.Parallel, 1))})
	}
	return reasons
}

// notesOf is what a drawing of a run says of its steps.
func notesOf(g Graph) map[string]templates.Note {
	notes := map[string]templates.Note{}
	for _, s := range g.Steps {
		n := templates.Note{State: s.State, Critical: s.Critical}
		if s.StartedAt != "" {
			n.Text = (time.Duration(s.TookMs) * time.Millisecond).String()
		}
		if s.Attempts > 1 {
			n.Text += fmt.Sprintf(", %d attempts", s.Attempts)
		}
		for _, w := range s.WaitingFor {
			if w.Kind == "approval" {
				n.Text += ", waiting for " + w.Says
			}
		}
		notes[s.Id] = n
	}
	return notes
}
