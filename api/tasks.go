package api

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// taskPageStore is what /api/gildway/v1 needs of the store to show tasks.
type taskPageStore interface {
	TaskPage(ctx context.Context, f store.TaskPageFilter) ([]store.TaskLine, error)
	// Stumbles gives how many tries of a step went wrong and were followed by another, for each step that had some.
	Stumbles(ctx context.Context, task string, attempt int) (map[string]int, error)
}

func (h handlers) ListTaskSummaries(ctx context.Context, r ListTaskSummariesRequestObject) (ListTaskSummariesResponseObject, error) {
	filter, err := taskPage(r.Params)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	if err := h.learnGroups(ctx, &caller); err != nil {
		return nil, err
	}
	filter.Within = within(h.Policy.Scopes(caller, identity.Read))
	limit := filter.Limit
	filter.Limit++
	found, err := h.Store.TaskPage(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListTaskSummaries200JSONResponse{Items: []TaskSummary{}}
	for i, t := range found {
		if i == limit {
			list.Next = placeAfter(found[i-1])
			break
		}
		list.Items = append(list.Items, summary(t))
	}
	return list, nil
}

func taskPage(p ListTaskSummariesParams) (f store.TaskPageFilter, err error) {
	f = store.TaskPageFilter{Owner: p.Owner, CreatedBy: p.CreatedBy, Limit: p.Limit}
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if p.Status != "" {
		f.Status = []string{p.Status}
	}
	if p.Template != "" {
		ref, err := plan.ParseEntityRef(p.Template, "template")
		if err != nil {
			return f, fault.Wrap(fault.Invalid, err, "request/query/template: %s", err)
		}
		f.Template = ref.String()
	}
	if p.Since != "" {
		if f.Since, err = time.Parse(time.RFC3339, p.Since); err != nil {
			return f, fault.New(fault.Invalid, "request/query/since must be a time such as 2026-01-31T12:00:00Z")
		}
	}
	if p.Cursor != "" {
		f.Before, err = placeOf(p.Cursor)
	}
	return f, err
}

// placeAfter is the cursor behind a task.
func placeAfter(t store.TaskLine) string {
	return base64.RawURLEncoding.EncodeToString([]byte(t.CreatedAt.UTC().Format(time.RFC3339Nano) + " " + t.ID))
}

func placeOf(cursor string) (*store.TaskPlace, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	at, id, _ := strings.Cut(string(raw), " ")
	created, notATime := time.Parse(time.RFC3339Nano, at)
	if err != nil || notATime != nil || uuid.Validate(id) != nil {
		return nil, fault.New(fault.Invalid, "the cursor is not the `next` of a page")
	}
	return &store.TaskPlace{CreatedAt: created, ID: id}, nil
}

func summary(t store.TaskLine) TaskSummary {
	return TaskSummary{
		Id: t.ID, Template: t.TemplateRef, Digest: t.TemplateDigest, Status: t.Status, Phase: phaseOf(t), Attempt: t.Attempt,
		CreatedBy: t.CreatedBy, Owner: t.Owner, CreatedAt: moment(t.CreatedAt), StartedAt: momentOf(t.StartedAt), EndedAt: momentOf(t.EndedAt),
	}
}

func childOf(t store.TaskLine) TaskChild {
	line := summary(t)
	return TaskChild{
		Id: line.Id, Template: line.Template, Digest: line.Digest, Status: line.Status, Phase: line.Phase, Attempt: line.Attempt,
		CreatedBy: line.CreatedBy, Owner: line.Owner, CreatedAt: line.CreatedAt, StartedAt: line.StartedAt, EndedAt: line.EndedAt, Step: t.ParentStep,
	}
}

// phaseOf says more than the status, which Backstage's clients have to understand.
func phaseOf(t store.TaskLine) string {
	switch {
	case t.EndedAt != nil:
		return t.Status
	case t.Paused:
		return "paused"
	case t.Waiting:
		return "waiting"
	case t.StartedAt == nil:
		return "accepted"
	default:
		return "running"
	}
}

// mostShown bounds what is shown of one task.
const mostShown = 500

func (h handlers) GetTaskDetails(ctx context.Context, _ GetTaskDetailsRequestObject) (GetTaskDetailsResponseObject, error) {
	task := askedIn(ctx).task
	run, err := runOf(task)
	if err != nil {
		return nil, err
	}
	progress, err := h.progressOf(ctx, task)
	if err != nil {
		return nil, err
	}
	open, err := h.Store.Approvals(ctx, store.ApprovalFilter{Task: task.ID, State: string(plan.Pending), Limit: mostShown})
	if err != nil {
		return nil, err
	}
	granted, err := h.Store.Leases(ctx, store.LeaseFilter{Task: task.ID, Limit: mostShown})
	if err != nil {
		return nil, err
	}
	line := summary(store.TaskLine{
		ID: task.ID, TemplateRef: task.TemplateRef, TemplateDigest: task.TemplateDigest, Status: task.Status, Waiting: len(open) > 0, Paused: task.Paused, Attempt: task.Attempt,
		CreatedBy: task.CreatedBy, Owner: task.Owner, CreatedAt: task.CreatedAt, StartedAt: task.StartedAt, EndedAt: task.EndedAt,
	})
	shown := GetTaskDetails200JSONResponse{
		Id: line.Id, Template: line.Template, Digest: line.Digest, Status: line.Status, Phase: line.Phase, Attempt: line.Attempt,
		CreatedBy: line.CreatedBy, Owner: line.Owner, CreatedAt: line.CreatedAt, StartedAt: line.StartedAt, EndedAt: line.EndedAt,
		Title: titleOf(run.Plan.Template), Plan: task.Digest, Output: task.Output, Values: run.Values, Approvals: []Approval{}, Access: []Lease{}, Children: []TaskChild{},
		Steps: StepCounts{All: len(run.Plan.Steps)}, Links: h.linksOf(task), Schedule: task.Schedule,
	}
	if task.Parent != "" {
		shown.Parent = &TaskParent{Task: task.Parent, Step: task.ParentStep}
	}
	children, err := h.Store.TaskPage(ctx, store.TaskPageFilter{Parent: task.ID, Limit: mostShown})
	if err != nil {
		return nil, err
	}
	for _, c := range slices.Backward(children) {
		shown.Children = append(shown.Children, childOf(c))
	}
	for _, s := range run.Plan.Steps {
		if p := progress[s.ID]; p != nil && p.over() {
			shown.Steps.Ended++
		}
	}
	for _, a := range open {
		shown.Approvals = append([]Approval{shownApproval(a)}, shown.Approvals...)
	}
	for _, l := range granted {
		l.Output = nil // for whom it was granted to; others who may read the task have no use for it
		shown.Access = append([]Lease{shownLease(l)}, shown.Access...)
	}
	return shown, nil
}

func (s *Server) linksOf(t store.Task) TaskLinks {
	links := TaskLinks{Graph: "/api/gildway/v1/tasks/" + t.ID + "/graph", Events: scaffolderBase + "/v2/tasks/" + t.ID + "/eventstream"}
	if s.RunLink != nil {
		links.Temporal = s.RunLink(t.ID)
	}
	return links
}
