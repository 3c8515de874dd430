package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// taskStore is what the scaffolder's routes need of the store.
type taskStore interface {
	CreateTask(ctx context.Context, n store.NewTask) (id string, err error)
	Task(ctx context.Context, id string) (store.Task, error)
	Tasks(ctx context.Context, f store.TaskFilter) (tasks []store.Task, total int, err error)
	RequestCancel(ctx context.Context, task string, attempt int, by string) error
	Retry(ctx context.Context, n store.NewAttempt, prepare func(context.Context) error) error
	// Creators gives who created tasks, by id; tasks that are not there are left out.
	Creators(ctx context.Context, tasks []string) (map[string]string, error)
}

// template finds a template by a reference as clients write it, as the caller gets it: one that they may not see is
// not there, and pages and steps that are not theirs are left out.
func (s *Server) template(ctx context.Context, ref string) (*templates.Version, error) {
	if kind, _, ok := strings.Cut(ref, ":"); ok && !strings.EqualFold(kind, "template") {
		return nil, fault.New(fault.Invalid, "Invalid kind, only 'Template' kind is supported")
	}
	parsed, err := plan.ParseEntityRef(ref, "template")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", err)
	}
	version, ok := s.Templates.Get(parsed.String())
	if !ok {
		return nil, fault.New(fault.NotFound, "Template %s not found", parsed)
	}
	return s.asSeen(ctx, version)
}

// asSeen is a version as the caller gets it.
func (s *Server) asSeen(ctx context.Context, version *templates.Version) (*templates.Version, error) {
	caller := callerOf(ctx)
	seen, err := s.sees(ctx, &caller, version)
	switch {
	case err != nil:
		return nil, err
	case !seen:
		return nil, fault.New(fault.NotFound, "Template %s not found", version.Ref)
	}
	return s.shown(ctx, caller, version)
}

// sees asks for the caller's groups only if it takes one to see the template: none can take that away.
func (s *Server) sees(ctx context.Context, caller *identity.Principal, v *templates.Version) (bool, error) {
	if s.Policy.Allows(*caller, identity.See, resourceOf(v)) {
		return true, nil
	}
	if err := s.learnGroups(ctx, caller); err != nil {
		return false, err
	}
	return s.Policy.Allows(*caller, identity.See, resourceOf(v)), nil
}

func resourceOf(v *templates.Version) identity.Resource {
	return identity.Resource{Template: v.Ref, Owner: v.Template.Owner, Tags: v.Template.Tags()}
}

// shown leaves out what of a template the caller doesn't get.
func (s *Server) shown(ctx context.Context, caller identity.Principal, whole *templates.Version) (*templates.Version, error) {
	of := resourceOf(whole)
	isShown := func(tags []string) bool { return s.Policy.Shows(caller, tags, of) }
	rest := whole.Template.Shown(isShown)
	if rest == whole.Template {
		return whole, nil
	}
	if caller.Kind == identity.User && caller.Groups == nil {
		if err := s.learnGroups(ctx, &caller); err != nil {
			return nil, err
		}
		if rest = whole.Template.Shown(isShown); rest == whole.Template {
			return whole, nil
		}
	}
	p, problems := templates.Compile(rest, s.registered(), templates.Context{
		BaseURL: whole.Plan.Template.BaseURL, Digest: whole.Digest, Stored: whole.Plan.Template.Stored,
	})
	if len(problems) > 0 || p == nil {
		return nil, fault.New(fault.Denied, "%s may not run the whole of %s, and what is left can't run by itself", caller.Ref, whole.Ref)
	}
	part := *whole
	part.Template, part.Plan = rest, p
	return &part, nil
}

// runnable is a template that the caller may do this to.
func (s *Server) runnable(ctx context.Context, ref string, do identity.Action) (*templates.Version, error) {
	version, err := s.template(ctx, ref)
	if err != nil {
		return nil, err
	}
	return version, s.mayDo(ctx, do, version)
}

func (s *Server) mayDo(ctx context.Context, do identity.Action, version *templates.Version) error {
	caller := callerOf(ctx)
	if err := s.learnGroups(ctx, &caller); err != nil {
		return err
	}
	if !s.Policy.Allows(caller, do, resourceOf(version)) {
		return fault.New(fault.Denied, "%s may not %s %s", caller.Ref, do, version.Ref)
	}
	return nil
}

func (h handlers) GetTemplateParameterSchema(ctx context.Context, r GetTemplateParameterSchemaRequestObject) (GetTemplateParameterSchemaResponseObject, error) {
	version, err := h.template(ctx, r.Kind+":"+r.Namespace+"/"+r.Name)
	if err != nil {
		return nil, err
	}
	t := version.Template
	form := GetTemplateParameterSchema200JSONResponse{
		Title: t.Title, Description: t.Description, Steps: []FormPage{},
		Presentation: t.Presentation(), UiOptions: t.UIOptions(), FormDecorators: t.FormDecorators(),
	}
	if form.Title == "" {
		form.Title = t.Name
	}
	for _, page := range t.Pages() {
		form.Steps = append(form.Steps, FormPage{Title: page.Title, Description: page.Description, Schema: page.Schema})
	}
	return form, nil
}

func (h handlers) ListActions(context.Context, ListActionsRequestObject) (ListActionsResponseObject, error) {
	list := make(ListActions200JSONResponse, 0, len(h.Actions))
	for _, a := range h.Actions {
		action := Action{Id: a.ID, Description: a.Description, Examples: []ActionExample{}, Schema: ActionSchema{Input: a.Input, Output: declared(a.Output)}}
		for _, e := range a.Examples {
			action.Examples = append(action.Examples, ActionExample{Description: e.Description, Example: e.YAML})
		}
		list = append(list, action)
	}
	slices.SortFunc(list, func(a, b Action) int { return strings.Compare(a.Id, b.Id) })
	return list, nil
}

// declared is the schema of an action's outputs, and nothing if it has none.
func declared(output json.RawMessage) json.RawMessage {
	var schema struct {
		Properties map[string]any
		Additional any `json:"additionalProperties"`
	}
	if json.Unmarshal(output, &schema) == nil && len(schema.Properties) == 0 && schema.Additional == false {
		return nil
	}
	return output
}

func (h handlers) GetTask(ctx context.Context, _ GetTaskRequestObject) (GetTaskResponseObject, error) {
	return GetTask200JSONResponse(shownTask(askedIn(ctx).task)), nil
}

func (h handlers) ListTasks(ctx context.Context, r ListTasksRequestObject) (ListTasksResponseObject, error) {
	filter := store.TaskFilter{CreatedBy: r.Params.CreatedBy, Status: r.Params.Status, Limit: r.Params.Limit, Offset: r.Params.Offset}
	for _, o := range r.Params.Order {
		direction, field, _ := strings.Cut(o, ":")
		order := store.TaskOrder{By: store.TaskField(field), Desc: direction == "desc"}
		switch {
		case direction != "asc" && direction != "desc" || field == "":
			return nil, fault.New(fault.Invalid, `Invalid order parameter "%s", expected "<asc or desc>:<field name>"`, o)
		case !order.By.Valid():
			return nil, fault.New(fault.Invalid, `Invalid order field "%s"`, field)
		}
		filter.Order = append(filter.Order, order)
	}
	list := ListTasks200JSONResponse{Tasks: []Task{}}
	caller := callerOf(ctx)
	if err := h.learnGroups(ctx, &caller); err != nil {
		return nil, err
	}
	filter.Within = within(h.Policy.Scopes(caller, identity.Read))
	tasks, total, err := h.Store.Tasks(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		list.Tasks = append(list.Tasks, shownTask(t))
	}
	list.TotalTasks = total
	return list, nil
}

// within says to the store what the policy says.
func within(scopes []identity.Scope) []store.TaskScope {
	tasks := make([]store.TaskScope, 0, len(scopes)) // none at all is not the same as nil
	for _, s := range scopes {
		tasks = append(tasks, store.TaskScope{
			Templates: s.On.Templates, Owners: [][]string{s.On.Owners, s.Owners}, Tags: s.On.Tags,
			CreatedBy: s.Requester, Approvers: s.Approvers, NotBy: s.NotBy,
		})
	}
	return tasks
}

// readsAll reports whether the caller sees everybody's approvals and leases.
func (s *Server) readsAll(ctx context.Context, caller *identity.Principal) (bool, error) {
	if err := s.learnGroups(ctx, caller); err != nil {
		return false, err
	}
	return s.Policy.Allows(*caller, identity.Audit, identity.Resource{}), nil
}

// CancelTask answers as Backstage does, whatever the task's state. A task that has not been started yet
// is started first: then the run itself sees to its end.
func (h handlers) CancelTask(ctx context.Context, _ CancelTaskRequestObject) (CancelTaskResponseObject, error) {
	a := askedIn(ctx)
	done := CancelTask200JSONResponse{Status: store.StatusCancelled}
	if a.task.Ended() {
		return done, nil
	}
	if a.task.StartedAt == nil {
		if err := h.starter.start(ctx, a.task); err != nil {
			return nil, err
		}
	}
	// Noted first: the event names the step that is under way now, and the run notes a cancellation that nobody has.
	if err := h.Store.RequestCancel(ctx, a.task.ID, a.task.Attempt, a.caller.Ref); err != nil {
		return nil, err
	}
	return done, h.Engine.Cancel(ctx, a.task.ID, "asked for by "+a.caller.Ref)
}

func shownTask(t store.Task) Task {
	shown := Task{Id: t.ID, Spec: t.Spec, Status: t.Status, CreatedAt: moment(t.CreatedAt), CreatedBy: t.CreatedBy}
	if t.LastHeartbeat != nil {
		at := moment(*t.LastHeartbeat)
		shown.LastHeartbeatAt = &at
	}
	return shown
}

// moment writes a time as JavaScript's toISOString does.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func momentOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}

// runOf reads the plan that a task runs.
func runOf(t store.Task) (run plan.Run, err error) {
	if err := json.Unmarshal(t.Run, &run); err != nil {
		return run, fault.Wrap(fault.Internal, err, "the plan of task %s can't be read", t.ID)
	}
	return run, nil
}
