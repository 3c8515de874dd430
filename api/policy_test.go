package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// shelf holds a public template and one of the payments team, with a page and steps for some eyes only.
func shelf(t *testing.T) fakeLibrary {
	t.Helper()
	template := func(name, owner, tags, pages, steps string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(fmt.Sprintf(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: %s, tags: [%s]}
spec:
  owner: %s
  type: service
  parameters: %s
  steps:
%s`, name, tags, owner, pages, steps))}
	}
	files := fstest.MapFS{
		"public/template.yaml": template("public", "group:default/platform", "public", `{properties: {name: {type: string}}, "backstage:permissions": {tags: [beta]}}`,
			"    - {action: debug:log, input: {message: hello}}\n"),
		"payout/template.yaml": template("payout", "group:default/payments", "money", `
    - {title: Amount, required: [amount], properties: {amount: {type: number}}}
    - {title: Override, required: [reason], properties: {reason: {type: string}}, "backstage:permissions": {tags: [override]}}
`, `    - {action: debug:log, input: {message: "pay"}}
    - {action: debug:log, name: Override, input: {message: "override"}, "backstage:permissions": {tags: [override, money]}}
    - {id: last, action: debug:log, name: Last, input: {message: "done"}}
`),
	}
	actions := templates.Actions{}
	for _, a := range testActions() {
		actions[a.ID] = a
	}
	versions, problems := templates.LoadFS(files, func(string) string { return "" }, actions)
	require.Empty(t, problems)
	return fakeLibrary(versions)
}

// ruled is a world with the shelf and a policy as an operator writes it.
func ruled(t *testing.T, text string) *world {
	t.Helper()
	rules, problems := identity.ParseRules("policy.yaml", []byte(text))
	require.Empty(t, problems)
	return newWorld(t, func(s *Server) { s.Templates, s.Policy = shelf(t), policy(rules...) })
}

const schemaOf = "/api/scaffolder/v2/templates/default/template/%s/parameter-schema"

func TestPolicy_TemplateOutOfSight_IsNotThere(t *testing.T) {
	t.Parallel()
	w := ruled(t, `
rules:
  - {who: [everyone], may: [see], on: {tags: [public]}}
  - {who: ["group:default/leads"], may: [see, run, dry-run], on: {templates: ["pay*"]}, parts: ["*"]}
`)
	listed := func(who string) (refs []string) {
		for _, item := range w.as(who, http.MethodGet, "/api/gildway/v1/templates", nil).json(t)["items"].([]any) {
			refs = append(refs, item.(map[string]any)["ref"].(string))
		}
		return refs
	}
	require.Equal(t, []string{"template:default/public"}, listed(eve))
	require.Equal(t, []string{"template:default/payout", "template:default/public"}, listed(ben))
	require.Equal(t, []string{"template:default/payout", "template:default/public"}, listed(olga), "auditors see all")

	submit := func(who, template string) answer {
		return w.as(who, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": template, "values": map[string]any{"amount": 1, "reason": "x"}})
	}
	preview := func(who, template string) int {
		return w.as(who, http.MethodPost, "/api/gildway/v1/dry-run", map[string]any{"templateRef": template, "values": map[string]any{}}).status
	}
	hidden := w.as(eve, http.MethodGet, fmt.Sprintf(schemaOf, "payout"), nil)
	none := w.as(eve, http.MethodGet, fmt.Sprintf(schemaOf, "nothing"), nil)
	require.Equal(t, http.StatusNotFound, hidden.status)
	require.Equal(t, strings.ReplaceAll(none.text, "nothing", "payout"), hidden.text, "it looks like one that isn't there")
	require.Equal(t, http.StatusOK, w.as(ben, http.MethodGet, fmt.Sprintf(schemaOf, "payout"), nil).status)

	require.Equal(t, http.StatusForbidden, submit(eve, "payout").status, "who runs nothing is told so")
	require.Equal(t, http.StatusNotFound, w.as(adam, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "nothing", "values": map[string]any{}}).status)
	require.Equal(t, http.StatusForbidden, submit(ben, "public").status, "seen and not run")
	require.Equal(t, http.StatusCreated, submit(ben, "payout").status)
	require.Equal(t, http.StatusCreated, submit(adam, "public").status)
	require.Equal(t, http.StatusForbidden, preview(ben, "public"))
	require.Equal(t, http.StatusForbidden, w.as(ben, http.MethodPost, "/api/scaffolder/v2/dry-run",
		map[string]any{"template": map[string]any{}, "values": map[string]any{}, "directoryContents": []any{}}).status, "a template of one's own is none of those in the rule")
}

func TestPolicy_RunnersOfOneTemplate_OthersAreNotThere(t *testing.T) {
	t.Parallel()
	w := ruled(t, `rules: [{who: everyone, may: run, on: {templates: public}}]`)
	got := w.as(eve, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "payout", "values": map[string]any{}})
	require.Equal(t, http.StatusNotFound, got.status)
	require.Contains(t, got.text, "Template template:default/payout not found")
}

func TestPolicy_TaggedPagesAndSteps_LeftOut(t *testing.T) {
	t.Parallel()
	w := ruled(t, `
rules:
  - {who: [everyone], may: [run]}
  - {who: ["group:default/leads"], parts: [override, money]}
`)
	pages := func(who, template string) (titles []string) {
		for _, page := range w.as(who, http.MethodGet, fmt.Sprintf(schemaOf, template), nil).json(t)["steps"].([]any) {
			titles = append(titles, page.(map[string]any)["title"].(string))
		}
		return titles
	}
	require.Equal(t, []string{"Amount"}, pages(eve, "payout"))
	require.Equal(t, []string{"Amount", "Override"}, pages(ben, "payout"))
	require.Empty(t, pages(eve, "public"), "the only page is refused")
	require.Len(t, pages(adam, "public"), 1)

	steps := func(who string, values map[string]any) (names []string) {
		made := w.as(who, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "payout", "values": values})
		require.Equal(t, http.StatusCreated, made.status, made.text)
		task, err := w.store.Task(t.Context(), made.json(t)["id"].(string))
		require.NoError(t, err)
		run, err := runOf(task)
		require.NoError(t, err)
		var ran []string
		for _, s := range run.Plan.Steps {
			ran = append(ran, s.ID)
		}
		shown := w.as(who, http.MethodGet, "/api/scaffolder/v2/tasks/"+task.ID, nil).json(t)["spec"].(map[string]any)["steps"].([]any)
		for _, s := range shown {
			names = append(names, s.(map[string]any)["id"].(string))
		}
		require.Equal(t, names, ran, "what is shown is what runs")
		return names
	}
	require.Equal(t, []string{"step-1", "last"}, steps(eve, map[string]any{"amount": 1}), "a page that isn't theirs asks nothing of them")
	require.Equal(t, []string{"step-1", "step-2", "last"}, steps(ben, map[string]any{"amount": 1, "reason": "x"}))
	refused := w.as(ben, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "payout", "values": map[string]any{"amount": 1}})
	require.Equal(t, http.StatusBadRequest, refused.status)
}

func TestPolicy_ListOfTasks_HoldsWhatMayBeRead_WithRightTotals(t *testing.T) {
	t.Parallel()
	w := ruled(t, `
rules:
  - {who: ["group:default/leads"], may: [read], on: {templates: ["pay_out*"]}}
  - {who: [owner-of-template], may: [cancel]}
  - {who: ["user:default/kim"], may: [read], on: {tags: [public], owners: [platform]}}
  - {who: ["user:default/lee"], may: [audit]}
`)
	const kim, lee, guest = "user:default/kim", "user:default/lee", "user:default/new"
	tasks := map[string]string{}
	add := func(name, template, owner, by string, tags ...string) {
		tasks[name] = newID()
		_, err := w.store.CreateTask(t.Context(), store.NewTask{
			ID: tasks[name], TemplateRef: "template:default/" + template, Owner: owner, CreatedBy: by, Tags: tags, Spec: []byte(`{"steps":[]}`), Run: []byte("{}"), Digest: "d",
		})
		require.NoError(t, err)
	}
	add("rosas", "a", "group:default/platform", rosa, "public")
	add("eves", "a", "group:default/everybody", eve, "public")
	add("pay", "pay_out", "group:default/payments", eve)
	add("payx", "payxout", "group:default/payments", eve)
	add("kims", "b", "user:default/eve", kim)
	gate := "gate"
	require.NoError(t, w.store.OpenApproval(t.Context(), store.Approval{ID: gate, Task: tasks["payx"], Step: "ask", Title: "t", Reason: "r", Digest: "d", Requester: eve, Template: "template:default/payxout", Approvers: []string{rosa, lee}, Required: 1}))
	for who, want := range map[string][]string{
		rosa:  {"rosas", "pay", "payx"},        // her own, as a lead, as an approver
		ben:   {"eves", "pay"},                 // everybody owns eves; as a lead
		eve:   {"eves", "pay", "payx", "kims"}, // her own, and what she owns herself
		kim:   {"rosas", "kims"},               // public ones of the platform team
		lee:   {"payx"},                        // an approver; audit is about approvals and leases
		guest: {},
		olga:  {"rosas", "eves", "pay", "payx", "kims"},
		adam:  {"rosas", "eves", "pay", "payx", "kims"},
	} {
		t.Run(who, func(t *testing.T) {
			var got []string
			list := w.as(who, http.MethodGet, "/api/scaffolder/v2/tasks?order=asc:created_at", nil).json(t)
			for _, item := range list["tasks"].([]any) {
				got = append(got, item.(map[string]any)["id"].(string))
			}
			var ids []string
			for _, name := range want {
				ids = append(ids, tasks[name])
			}
			require.ElementsMatch(t, ids, got)
			require.EqualValues(t, len(want), list["totalTasks"])
			page := w.as(who, http.MethodGet, "/api/scaffolder/v2/tasks?limit=1&offset=1&createdBy="+eve+"&createdBy="+kim, nil).json(t)
			total := 0
			for _, name := range want {
				if name != "rosas" {
					total++
				}
			}
			require.EqualValues(t, total, page["totalTasks"], "before paging, after filters")
			require.Len(t, page["tasks"], min(1, max(0, total-1)))
			for name, id := range tasks {
				read := w.as(who, http.MethodGet, "/api/scaffolder/v2/tasks/"+id, nil).status
				require.Equal(t, slices.Contains(want, name), read == http.StatusOK, "%s: the list and the task agree", name)
			}
		})
	}
	require.Equal(t, http.StatusOK, w.as(ben, http.MethodPost, "/api/scaffolder/v2/tasks/"+tasks["eves"]+"/cancel", nil).status, "a rule gives owners that")
	require.Equal(t, http.StatusForbidden, w.as(ben, http.MethodPost, "/api/scaffolder/v2/tasks/"+tasks["pay"]+"/cancel", nil).status)
	approvals := func(who string) int {
		return len(w.as(who, http.MethodGet, "/api/gildway/v1/approvals", nil).json(t)["items"].([]any))
	}
	require.Equal(t, []int{1, 0, 1, 1}, []int{approvals(lee), approvals(ben), approvals(rosa), approvals(olga)})
}

func TestPolicy_Auditor_ChangesNothing_WhateverTheRulesSay(t *testing.T) {
	t.Parallel()
	w := ruled(t, `
rules:
  - {who: [everyone, "user:default/olga"], may: [see, run, dry-run, read, cancel, retry, audit, manage-templates], parts: ["*"]}
`)
	submit := func(who string) answer {
		return w.as(who, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "public", "values": map[string]any{}})
	}
	made := submit(eve)
	require.Equal(t, http.StatusCreated, made.status, made.text)
	id := made.json(t)["id"].(string)
	require.NoError(t, w.store.OpenApproval(t.Context(), store.Approval{ID: "g", Task: id, Step: "ask", Title: "t", Reason: "r", Digest: "d", Requester: eve, Template: "template:default/public", Approvers: []string{olga}, Required: 1}))
	require.Equal(t, http.StatusForbidden, submit(olga).status)
	require.Equal(t, http.StatusOK, w.as(olga, http.MethodGet, "/api/scaffolder/v2/tasks/"+id, nil).status)
	require.Equal(t, http.StatusForbidden, w.as(olga, http.MethodPost, "/api/scaffolder/v2/tasks/"+id+"/cancel", nil).status)
	require.Equal(t, http.StatusForbidden, w.as(olga, http.MethodPost, "/api/gildway/v1/approvals/g/decision", map[string]any{"decision": "approve"}).status)
}

func TestPolicy_WhatIsLeftOfATemplateCantRun_Denied(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"graph/template.yaml": {Data: []byte(`apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: graph}
spec:
  owner: group:default/platform
  type: service
  steps:
    - {id: first, action: debug:log, name: First, input: {message: a}, "backstage:permissions": {tags: [secret]}}
    - {id: second, action: debug:log, name: Second, needs: [first], input: {message: b}}
`)}}
	actions := templates.Actions{}
	for _, a := range testActions() {
		actions[a.ID] = a
	}
	versions, problems := templates.LoadFS(files, func(string) string { return "" }, actions)
	require.Empty(t, problems)
	w := newWorld(t, func(s *Server) {
		s.Templates = fakeLibrary(versions)
		s.Policy = policy(identity.Rule{Who: []string{identity.Everyone}, May: []identity.Action{identity.Run}})
	})
	got := w.as(eve, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "graph", "values": map[string]any{}})
	require.Equal(t, fault.Denied.Status(), got.status, got.text)
	require.Equal(t, http.StatusCreated, w.as(adam, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "graph", "values": map[string]any{}}).status)
}

func TestPolicy_WhoMayNotRunATemplateAnyMore_MayNotRetry(t *testing.T) {
	t.Parallel()
	w := ruled(t, `
rules:
  - {who: [everyone], may: [see]}
  - {who: [owner-of-template], may: [run, retry]}
`)
	retry := func(who, by, template string) int {
		id := newID()
		run := plan.Run{Task: id}
		if v, there := w.server.Templates.Get("template:default/" + template); there {
			run.Plan = *v.Plan
		}
		raw, err := json.Marshal(run)
		require.NoError(t, err)
		_, err = w.store.CreateTask(t.Context(), store.NewTask{
			ID: id, TemplateRef: "template:default/" + template, Owner: "group:default/leads", CreatedBy: by, Spec: []byte("{}"), Run: raw, Digest: "d",
		})
		require.NoError(t, err)
		require.Equal(t, http.StatusConflict, w.as(adam, http.MethodPost, "/api/scaffolder/v2/tasks/"+id+"/retry", nil).status, "it has not ended")
		require.NoError(t, w.store.Complete(t.Context(), id, 0, store.StatusFailed, "", nil, nil))
		return w.as(who, http.MethodPost, "/api/scaffolder/v2/tasks/"+id+"/retry", nil).status
	}
	require.Equal(t, http.StatusForbidden, retry(eve, eve, "public"))
	require.Equal(t, http.StatusForbidden, retry(eve, rosa, "public"))
	require.Equal(t, http.StatusForbidden, retry(ben, rosa, "public"), "he owns the run's template as it was, and not as it is")
	require.Equal(t, http.StatusCreated, retry(adam, rosa, "public"))
	require.Equal(t, http.StatusNotFound, retry(adam, rosa, "withdrawn"))
}
