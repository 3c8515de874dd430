package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// composed is the library with a template that runs noop, and one that says at run time what it runs.
func composed(t *testing.T) fakeLibrary {
	t.Helper()
	actions := templates.Actions{}
	for _, a := range append(testActions(), plan.Action{
		ID: activities.RunTemplate, Kind: plan.ChildStep, Undoable: true, Queue: activities.MainQueue,
		Input: json.RawMessage(`{"type":"object"}`), Output: json.RawMessage(`{"type":"object"}`),
	}) {
		actions[a.ID] = a
	}
	parent := func(name, ref string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: ` + name + `}
spec:
  type: service
  steps:
    - {id: c, action: "template:run", input: {template: "` + ref + `", values: {name: one}}}
`)}
	}
	versions, problems := templates.LoadFS(fstest.MapFS{
		"parent/template.yaml": parent("parent", "noop"), "grand/template.yaml": parent("grand", "parent"),
		"loose/template.yaml": parent("loose", "${{ user.ref }}"), "lost/template.yaml": parent("lost", "nowhere"),
	}, func(name string) string { return "file:///templates/" + name + "/template.yaml" }, actions)
	require.Empty(t, problems)
	return append(library(t), versions...)
}

func newComposedWorld(t *testing.T, change ...func(*Server)) *world {
	return newWorld(t, append([]func(*Server){func(s *Server) { s.Templates = composed(t) }}, change...)...)
}

func (w *world) submitted(template string) plan.Run {
	w.t.Helper()
	got := w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": template, "values": map[string]any{}})
	require.Equal(w.t, http.StatusCreated, got.status, got.text)
	task, err := w.store.Task(w.t.Context(), got.json(w.t)["id"].(string))
	require.NoError(w.t, err)
	run, err := runOf(task)
	require.NoError(w.t, err)
	return run
}

// ask is what the step c of a run asks for.
func ask(of plan.Run, template string) activities.AskedRun {
	return activities.AskedRun{
		Parent: plan.Parent{Task: of.Task, Attempt: of.Attempt, Step: "c"}, Task: activities.ChildTask(of.Task + "/c"),
		Template: "template:default/" + template, Values: json.RawMessage(`{"name":"one"}`),
	}
}

func TestAccept_OneTaskInTheRequestersName_WhoeverAsksTwice(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t)
	parent := w.submitted("parent")
	require.Len(t, parent.Plan.Children, 1)
	first, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	again, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, parent.Requester, first.Requester)
	require.Equal(t, &plan.Parent{Task: parent.Task, Step: "c"}, first.Parent)

	task, err := w.store.Task(t.Context(), first.Task)
	require.NoError(t, err)
	require.Equal(t, rosa, task.CreatedBy)
	require.NotNil(t, task.StartedAt, "its parent starts it, and nobody else")
	path := "/api/gildway/v1/tasks/"
	child := w.as(rosa, http.MethodGet, path+first.Task, nil).json(t)
	require.Equal(t, map[string]any{"task": parent.Task, "step": "c"}, child["parent"])
	children := w.as(rosa, http.MethodGet, path+parent.Task, nil).json(t)["children"].([]any)
	require.Len(t, children, 1)
	require.Equal(t, first.Task, children[0].(map[string]any)["id"])
	require.Equal(t, "c", children[0].(map[string]any)["step"])
}

func TestAccept_ParentIsRetried_AnotherAttemptAtTheSameTask(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t)
	parent := w.submitted("parent")
	child, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	require.NoError(t, w.store.Complete(t.Context(), parent.Task, 0, store.StatusFailed, "", nil, nil))
	require.Equal(t, http.StatusCreated, w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks/"+parent.Task+"/retry", map[string]any{}).status)
	parent.Attempt = 1
	_, err = w.server.Accept(t.Context(), ask(parent, "noop"))
	require.Equal(t, fault.Conflict, fault.Unseal(err).Kind, "the child of the first attempt goes on")
	require.NoError(t, w.store.Complete(t.Context(), child.Task, 0, store.StatusFailed, "", nil, nil))
	for range 2 {
		again, err := w.server.Accept(t.Context(), ask(parent, "noop"))
		require.NoError(t, err)
		require.Equal(t, 1, again.Attempt)
		require.Equal(t, child.Task, again.Task)
	}
}

// staff is a directory in which somebody can come and go.
type staff struct {
	mu     sync.Mutex
	groups map[string][]string
}

func (p *staff) Groups(_ context.Context, user string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if groups, there := p.groups[user]; there {
		return groups, nil
	}
	return nil, fault.New(fault.NotFound, "unknown")
}

func (*staff) Email(context.Context, string) (string, error) {
	return "", fault.New(fault.NotFound, "unknown")
}

func (p *staff) set(user string, groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups = map[string][]string{user: groups}
}

// retried ends a parent and its child, and opens the parent again.
func (w *world) retried(parent, child *plan.Run) {
	w.t.Helper()
	for _, run := range []*plan.Run{parent, child} {
		w.fail(run.Task, run.Attempt)
	}
	again := w.as(rosa, http.MethodPost, retryPath(parent.Task), map[string]any{})
	require.Equal(w.t, http.StatusCreated, again.status, again.text)
	parent.Attempt++
}

func TestAccept_ParentIsRetried_AsksForSomethingElse_GetsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*activities.AskedRun)
		ref    string
		values string
	}{
		"values": {func(a *activities.AskedRun) { a.Values = json.RawMessage(`{"name":"two"}`) }, "template:default/noop", `{"name":"two"}`},
		"template": {func(a *activities.AskedRun) {
			a.Template = "template:default/payout"
			a.Values = json.RawMessage(`{"amount":1,"reason":"x"}`)
		}, "template:default/payout", `{"amount":1,"reason":"x"}`},
		"nothing": {func(a *activities.AskedRun) { a.Values = json.RawMessage(` { "name" : "one" } `) }, "template:default/noop", `{"name":"one"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newComposedWorld(t, func(s *Server) { s.Templates = append(s.Templates.(fakeLibrary), shelf(t)...) })
			parent := w.submitted("loose")
			child, err := w.server.Accept(t.Context(), ask(parent, "noop"))
			require.NoError(t, err)
			w.retried(&parent, &child)
			asked := ask(parent, "noop")
			c.change(&asked)
			for range 2 {
				again, err := w.server.Accept(t.Context(), asked)
				require.NoError(t, err)
				require.Equal(t, 1, again.Attempt)
				require.Equal(t, c.ref, again.Plan.Template.Ref)
				require.JSONEq(t, c.values, string(again.Values))
				require.Equal(t, parent.Task, again.Parent.Task)
				task, err := w.store.Task(t.Context(), child.Task)
				require.NoError(t, err)
				require.Equal(t, c.ref, task.TemplateRef)
				require.Equal(t, again.Plan.Template.Digest, task.TemplateDigest)
				require.Equal(t, again.Digest(), task.Digest)
				require.Equal(t, name == "nothing", task.Digest == child.Digest())
				require.Equal(t, again.Plan.Template.Owner, task.Owner)
				var spec taskSpec
				require.NoError(t, json.Unmarshal(task.Spec, &spec))
				require.JSONEq(t, c.values, string(spec.Parameters))
			}
		})
	}
}

func TestAccept_ParentIsRetried_AsksForSomethingElse_Refused(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t, func(s *Server) {
		s.Policy = policy(identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.See}, Parts: []string{"*"}},
			identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.Run}, On: identity.Selector{Templates: []string{"*/loose", "*/noop"}}})
	})
	parent := w.submitted("loose")
	child, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	key := child.Task + "/key"
	require.NoError(t, w.store.EffectBegins(t.Context(), store.Effect{Key: key, Task: child.Task, Step: "key", Action: "vault:mint-key", Call: json.RawMessage(`{}`)}))
	w.retried(&parent, &child)
	refused := func(kind fault.Kind, says string, asked activities.AskedRun) {
		_, err := w.server.Accept(t.Context(), asked)
		require.Equal(t, kind, fault.Unseal(err).Kind)
		require.Contains(t, fault.Unseal(err).Public, says)
	}
	other := ask(parent, "noop")
	other.Values = json.RawMessage(`{"name":"two"}`)
	refused(fault.Conflict, "step key of task "+child.Task+" has done something already; roll that task back first", other)
	require.NoError(t, w.store.EffectUndone(t.Context(), key, false))
	refused(fault.Denied, "may not run template:default/parent", ask(parent, "parent"))
	wrong := ask(parent, "noop")
	wrong.Values = json.RawMessage(`{"name":7}`)
	refused(fault.Invalid, "the values don't fit", wrong)
	again, err := w.server.Accept(t.Context(), other)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"two"}`, string(again.Values))
}

func TestAccept_ParentIsRetried_StepsThatAreTheirsNoMore_Denied(t *testing.T) {
	t.Parallel()
	who := &staff{}
	who.set(rosa, leads)
	w := newComposedWorld(t, func(s *Server) {
		s.Templates, s.Directory = append(s.Templates.(fakeLibrary), shelf(t)...), who
		s.Policy = policy(identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.Run}},
			identity.Rule{Who: []string{leads}, Parts: []string{"override", "money"}})
	})
	in := func(parent plan.Run) activities.AskedRun {
		asked := ask(parent, "payout")
		asked.Values = json.RawMessage(`{"amount":1,"reason":"x"}`)
		return asked
	}
	parent := w.submitted("loose")
	child, err := w.server.Accept(t.Context(), in(parent))
	require.NoError(t, err)
	w.retried(&parent, &child)
	who.set(rosa)
	_, err = w.server.Accept(t.Context(), in(parent))
	require.Equal(t, fault.Denied, fault.Unseal(err).Kind)
	require.Contains(t, fault.Unseal(err).Public, "not its steps step-2")
	who.set(rosa, leads)
	again, err := w.server.Accept(t.Context(), in(parent))
	require.NoError(t, err)
	require.Equal(t, 1, again.Attempt)
}

// A parent may wait for months; who has left meanwhile begins nothing more.
func TestAccept_RequesterHasLeft_Denied(t *testing.T) {
	t.Parallel()
	who := &staff{}
	who.set(rosa)
	w := newComposedWorld(t, func(s *Server) { s.Directory = who })
	parent := w.submitted("parent")
	who.set(ben)
	_, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.Equal(t, fault.Denied, fault.Unseal(err).Kind)
	require.Contains(t, fault.Unseal(err).Public, "user:default/rosa, who asked for this, is not in the directory")
	who.set(rosa)
	_, err = w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
}

func TestAccept_Refused(t *testing.T) {
	t.Parallel()
	nobody := func(s *Server) {
		s.Policy = policy(identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.See}, Parts: []string{"*"}},
			identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.Run}, On: identity.Selector{Templates: []string{"template:default/parent"}}})
	}
	for name, c := range map[string]struct {
		change []func(*Server)
		asked  func(*activities.AskedRun)
		kind   fault.Kind
		says   string
	}{
		"not allowed":   {change: []func(*Server){nobody}, kind: fault.Denied, says: "may not run template:default/noop"},
		"wrong values":  {asked: func(a *activities.AskedRun) { a.Values = json.RawMessage(`{}`) }, kind: fault.Invalid, says: "the values don't fit"},
		"not there":     {asked: func(a *activities.AskedRun) { a.Template = "template:default/gone" }, kind: fault.NotFound, says: "not found"},
		"ended":         {asked: func(a *activities.AskedRun) { a.Parent.Attempt = 3 }, kind: fault.Conflict, says: "has ended"},
		"another's key": {asked: func(a *activities.AskedRun) { a.Task = a.Parent.Task }, kind: fault.Internal, says: "another parent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newComposedWorld(t, c.change...)
			in := ask(w.submitted("parent"), "noop")
			if c.asked != nil {
				c.asked(&in)
			}
			_, err := w.server.Accept(t.Context(), in)
			require.Equal(t, c.kind, fault.Unseal(err).Kind)
			require.Contains(t, fault.Unseal(err).Public, c.says)
		})
	}
}

func TestAccept_TemplateThatRunsItself_EndsWithAClearError(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t)
	run, err := w.submitted("loose"), error(nil)
	for depth := 1; depth < deepest; depth++ {
		run, err = w.server.Accept(t.Context(), ask(run, "loose"))
		require.NoError(t, err)
		require.Len(t, run.Lineage(), depth)
	}
	_, err = w.server.Accept(t.Context(), ask(run, "loose"))
	require.Equal(t, fault.Invalid, fault.Unseal(err).Kind)
	require.Contains(t, fault.Unseal(err).Public, "does one run itself?")
}

func TestSubmit_PinsWhatItRuns(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t)
	run := w.submitted("grand")
	var refs []string
	for _, c := range run.Plan.Children {
		require.NotEmpty(t, c.Digest)
		refs = append(refs, c.Ref)
	}
	require.Equal(t, []string{"template:default/noop", "template:default/parent"}, refs)
	require.Empty(t, w.submitted("loose").Plan.Children)
	got := w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "lost", "values": map[string]any{}})
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.text, "template:default/nowhere, which isn't there")

	// A version that comes later changes nothing for a run under way.
	lib := w.server.Templates.(fakeLibrary)
	old, _ := lib.Get("template:default/noop")
	source := []byte("apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: noop}\nspec: {type: x, steps: [{id: old, action: \"debug:log\"}]}\n")
	require.NoError(t, w.store.SaveTemplate(t.Context(), store.NewTemplate{Ref: old.Ref, Digest: "sha256:old", Source: string(source)}))
	p := plan.Plan{Children: []plan.Child{{Ref: old.Ref, Digest: "sha256:old", File: "template.yaml"}}}
	ctx, err := w.server.inNameOf(t.Context(), rosa)
	require.NoError(t, err)
	version, err := w.server.childVersion(ctx, old.Ref, p)
	require.NoError(t, err)
	require.Equal(t, "old", version.Plan.Steps[0].ID)
	require.Equal(t, "sha256:old", version.Plan.Template.Digest)
}

// A task that another one waits for doesn't wait for that one: whoever may run one task at once can run one with children.
func TestAccept_QuotaOfOne_CountsSiblingsAndNotAncestors(t *testing.T) {
	t.Parallel()
	w := newComposedWorld(t, func(s *Server) {
		s.Limits.Quotas = func(who string, _ []string, _ string) []store.Quota {
			return []store.Quota{{Of: store.OfRequester, Ref: who, Running: 1}}
		}
	})
	parent := w.submitted("parent")
	child, err := w.server.Accept(t.Context(), ask(parent, "noop"))
	require.NoError(t, err)
	sibling := ask(parent, "noop")
	sibling.Parent.Step, sibling.Task = "d", activities.ChildTask(parent.Task+"/d")
	_, err = w.server.Accept(t.Context(), sibling)
	require.Equal(t, fault.RateLimited, fault.Unseal(err).Kind)
	require.NoError(t, w.store.Complete(t.Context(), child.Task, 0, store.StatusCompleted, "", nil, nil))
	_, err = w.server.Accept(t.Context(), sibling)
	require.NoError(t, err)
}
