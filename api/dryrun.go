package api

import (
	"context"
	"encoding/json"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

// DryRunner tries runs. *dryrun.Engine implements it.
type DryRunner interface {
	Run(ctx context.Context, in dryrun.Request) (dryrun.Result, error)
}

// dryRunRef is the ref that an uploaded template has while it is tried, as in Backstage.
const dryRunRef = "template:default/dry-run"

func (h handlers) DryRun(ctx context.Context, r DryRunRequestObject) (DryRunResponseObject, error) {
	trial, err := h.uploaded(ctx, r.Body.Template, r.Body.Values, r.Body.Secrets, r.Body.DirectoryContents)
	if err != nil {
		return nil, err
	}
	trial.Exact = true
	result, err := h.try(ctx, trial)
	if err != nil {
		return nil, err
	}
	return dryRunAnswer{
		Log: shownLog(result.Log), DirectoryContents: shownFiles(result.Files), Output: result.Output, Steps: trial.steps,
	}, nil
}

func (h handlers) PreviewRun(ctx context.Context, r PreviewRunRequestObject) (PreviewRunResponseObject, error) {
	trial, err := h.previewed(ctx, r.Body)
	if err != nil {
		return nil, inProblems(err)
	}
	result, err := h.try(ctx, trial)
	if err != nil {
		return nil, err
	}
	answer := PreviewRun200JSONResponse{
		Log: shownLog(result.Log), DirectoryContents: shownFiles(result.Files), Output: result.Output, Steps: trial.steps,
		Effects: []Effect{}, Edges: []GraphEdge{},
	}
	for _, e := range result.Effects {
		answer.Effects = append(answer.Effects, Effect{Step: e.Step, Iteration: e.Iteration, Action: e.Action, Would: e.Would.Do, Fails: e.Would.Fails})
	}
	for _, e := range trial.Run.Plan.Edges {
		answer.Edges = append(answer.Edges, GraphEdge{From: e.From, To: e.To, Reason: string(e.Reason), Detail: e.Detail})
	}
	return answer, nil
}

// trial is a request for a dry run that was found good.
type trial struct {
	dryrun.Request
	steps   []json.RawMessage
	foreign bool // whoever wrote it may not have it read with the installation's credentials
}

func (s *Server) previewed(ctx context.Context, body *PreviewRun) (trial, error) {
	switch {
	case body.TemplateRef != "" && len(body.Template) > 0:
		return trial{}, fault.New(fault.Invalid, "give a template or a templateRef, not both")
	case len(body.Template) > 0:
		return s.uploaded(ctx, body.Template, body.Values, body.Secrets, body.DirectoryContents)
	case body.TemplateRef == "":
		return trial{}, fault.New(fault.Invalid, "give a template or a templateRef")
	}
	version, err := s.runnable(ctx, body.TemplateRef, identity.DryRun)
	if err != nil {
		return trial{}, err
	}
	if err := checkValues(version.Template, body.Values, body.Secrets); err != nil {
		return trial{}, err
	}
	made, err := s.trial(ctx, version.Template, version.Plan, body.Values, body.Secrets)
	made.Looks = true
	return made, err
}

// uploaded makes a trial of a template that came with the request.
func (s *Server) uploaded(ctx context.Context, template, values json.RawMessage, secrets map[string]string, files []UploadedFile) (trial, error) {
	if caller := callerOf(ctx); !s.Policy.Allows(caller, identity.DryRun, identity.Resource{}) {
		return trial{}, fault.New(fault.Denied, "%s may not dry-run templates of their own", caller.Ref)
	}
	t, err := readTemplate(template)
	if err != nil {
		return trial{}, err
	}
	if err := checkValues(t, values, secrets); err != nil {
		return trial{}, err
	}
	p, problems := templates.Compile(t, s.registered(), templates.Context{})
	if len(problems) > 0 {
		return trial{}, withoutLines("the template can't run as it is written", problems)
	}
	p.Template.Ref = dryRunRef
	made, err := s.trial(ctx, t, p, values, secrets)
	if err != nil {
		return trial{}, err
	}
	made.foreign = !s.Policy.Allows(callerOf(ctx), identity.Manage, identity.Resource{})
	made.Beside = []dryrun.File{}
	for _, f := range files {
		made.Beside = append(made.Beside, dryrun.File{Path: f.Path, Content: decodeBase64(f.Base64Content)})
	}
	return made, nil
}

func (s *Server) trial(ctx context.Context, t *templates.Template, p *plan.Plan, values json.RawMessage, secrets map[string]string) (trial, error) {
	user, err := s.person(ctx, callerOf(ctx))
	return trial{
		Request: dryrun.Request{Run: plan.Run{Plan: *p, Values: values, Requester: user}, Secrets: s.secretsFor(ctx, p, secrets)},
		steps:   t.TaskSteps(),
	}, err
}

func checkValues(t *templates.Template, values json.RawMessage, secrets map[string]string) error {
	if wrong := t.CheckValues(values); len(wrong) > 0 {
		return valuesRefused(wrong)
	}
	if wrong := t.CheckSecrets(secrets); len(wrong) > 0 {
		return valuesRefused(wrong)
	}
	return nil
}
