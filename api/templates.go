package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/snapshot"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
)

// TemplateLibrary gives the current versions of templates, and says how it stands with their sources. Refs are
// canonical. *templatesource.Library implements it.
type TemplateLibrary interface {
	Get(ref string) (*templates.Version, bool)
	View() *templatesource.View
	// Refresh returns when all sources have been read anew.
	Refresh(ctx context.Context) error
}

// versionStore holds the versions of templates.
type versionStore interface {
	TemplateVersions(ctx context.Context, ref string, before int64, limit int) ([]store.TemplateVersion, error)
	TemplateByDigest(ctx context.Context, digest string) (store.TemplateVersion, error)
}

// refreshWithin is how long somebody waits for a refresh; less than an answer may take.
const refreshWithin = 80 * time.Second

func (h handlers) ListTemplates(ctx context.Context, r ListTemplatesRequestObject) (ListTemplatesResponseObject, error) {
	limit := r.Params.Limit
	if limit == 0 {
		limit = defaultPage
	}
	view := h.Templates.View()
	refs := map[string]bool{}
	for _, e := range view.Entries {
		if e.Ref > r.Params.Cursor {
			refs[e.Ref] = true
		}
	}
	list := ListTemplates200JSONResponse{Items: []TemplateSummary{}}
	caller := callerOf(ctx)
	for _, ref := range sorted(refs) {
		e, _ := view.Find(ref)
		if seen, err := h.seesEntry(ctx, &caller, e); err != nil {
			return nil, err
		} else if !seen {
			continue
		}
		if len(list.Items) == limit {
			list.Next = list.Items[limit-1].Ref
			break
		}
		list.Items = append(list.Items, summaryOf(e))
	}
	return list, nil
}

func sorted(refs map[string]bool) []string {
	list := make([]string, 0, len(refs))
	for ref := range refs {
		list = append(list, ref)
	}
	slices.Sort(list)
	return list
}

func summaryOf(e templatesource.Entry) TemplateSummary {
	_, name, _ := strings.Cut(e.Ref, "/")
	s := TemplateSummary{Ref: e.Ref, Name: name, Source: e.Source, State: "current"}
	for _, p := range e.Problems {
		if p.Severity == fault.Warning {
			s.Warnings++
		} else {
			s.Refusals++
		}
	}
	if !e.Refreshed.IsZero() {
		s.RefreshedAt = moment(e.Refreshed)
	}
	v := e.Version
	if v == nil {
		s.State = "refused"
		return s
	}
	if e.Kept {
		s.State = "outdated"
	}
	t := v.Template
	s.Name, s.Title, s.Description, s.Owner, s.Type = t.Name, t.Title, t.Description, t.Owner, t.Type
	s.ApiVersion, s.Digest, s.Execution, s.Steps = t.APIVersion, v.Digest, string(v.Plan.Execution), len(v.Plan.Steps)
	return s
}

// seesEntry reports whether a template is shown to the caller; one that never could be run, to those who may learn what
// is wrong with it.
func (s *Server) seesEntry(ctx context.Context, caller *identity.Principal, e templatesource.Entry) (bool, error) {
	if e.Version != nil {
		return s.sees(ctx, caller, e.Version)
	}
	return s.diagnoses(ctx, caller, e)
}

// diagnoses reports whether the caller may learn what is wrong with a template, which quotes it.
func (s *Server) diagnoses(ctx context.Context, caller *identity.Principal, e templatesource.Entry) (bool, error) {
	if err := s.learnGroups(ctx, caller); err != nil {
		return false, err
	}
	of := identity.Resource{Template: e.Ref}
	if e.Version != nil {
		of = resourceOf(e.Version)
	}
	return s.Policy.Allows(*caller, identity.Manage, of) || s.Policy.Allows(*caller, identity.Audit, identity.Resource{}) ||
		of.Owner != "" && caller.Is([]string{of.Owner}), nil
}

// entry finds a template by the parts of a path, whether it can be run or not.
func (s *Server) entry(ctx context.Context, namespace, name string) (templatesource.Entry, error) {
	ref, err := plan.ParseEntityRef(namespace+"/"+name, "template")
	if err != nil {
		return templatesource.Entry{}, fault.Wrap(fault.Invalid, err, "%s", err)
	}
	caller := callerOf(ctx)
	e, ok := s.Templates.View().Find(ref.String())
	if ok {
		ok, err = s.seesEntry(ctx, &caller, e)
	}
	switch {
	case err != nil:
		return e, err
	case !ok:
		return e, fault.New(fault.NotFound, "Template %s not found", ref)
	}
	return e, nil
}

func (h handlers) GetTemplate(ctx context.Context, r GetTemplateRequestObject) (GetTemplateResponseObject, error) {
	e, err := h.entry(ctx, r.Namespace, r.Name)
	if err != nil {
		return nil, err
	}
	s := summaryOf(e)
	detail := GetTemplate200JSONResponse{
		Ref: s.Ref, Name: s.Name, State: s.State, Source: s.Source, Refusals: s.Refusals, Warnings: s.Warnings, RefreshedAt: s.RefreshedAt,
		Title: s.Title, Description: s.Description, Owner: s.Owner, Type: s.Type, ApiVersion: s.ApiVersion, Digest: s.Digest,
		Execution: s.Execution, Steps: s.Steps, Place: e.Place, Problems: []TemplateProblem{},
	}
	caller := callerOf(ctx)
	if all, err := h.diagnoses(ctx, &caller, e); err != nil {
		return nil, err
	} else if all {
		detail.Problems = shownProblems(e.Problems)
	}
	if e.Version != nil {
		detail.BaseUrl = e.Version.BaseURL
	}
	return detail, nil
}

func shownProblems(problems []fault.Problem) []TemplateProblem {
	list := []TemplateProblem{}
	for _, p := range problems {
		shown := TemplateProblem{Severity: "refused", Rule: p.Rule, Message: p.Says, Fix: p.Try, File: p.File, Line: p.Line, Column: p.Column, Path: p.Path}
		if p.Severity == fault.Warning {
			shown.Severity = string(fault.Warning)
		}
		list = append(list, shown)
	}
	return list
}

func (h handlers) ListTemplateVersions(ctx context.Context, r ListTemplateVersionsRequestObject) (ListTemplateVersionsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	ref, err := plan.ParseEntityRef(r.Namespace+"/"+r.Name, "template")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", err)
	}
	found, err := h.Store.TemplateVersions(ctx, ref.String(), page.before, page.limit+1)
	if err != nil {
		return nil, err
	}
	current, ok := h.Templates.Get(ref.String())
	if ok || len(found) == 0 {
		_, err = h.entry(ctx, r.Namespace, r.Name)
	} else {
		err = h.seesGone(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	list := ListTemplateVersions200JSONResponse{Items: []TemplateVersion{}}
	for i, v := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, TemplateVersion{
			Digest: v.Digest, Current: current != nil && current.Digest == v.Digest, LoadedAt: moment(v.LoadedAt),
			Source: v.Origin, Revision: v.Revision, Author: v.Author, CommittedAt: momentOf(v.CommittedAt),
		})
	}
	return list, nil
}

// seesGone lets those pass who may know of a template that can't be run any more.
func (s *Server) seesGone(ctx context.Context, ref plan.EntityRef) error {
	caller := callerOf(ctx)
	ok, err := s.diagnoses(ctx, &caller, templatesource.Entry{Ref: ref.String()})
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "Template %s not found", ref)
	}
	return err
}

func (h handlers) GetTemplateGraph(ctx context.Context, r GetTemplateGraphRequestObject) (GetTemplateGraphResponseObject, error) {
	p, err := h.planOf(ctx, r.Namespace, r.Name, r.Params.Version)
	if err != nil {
		return nil, err
	}
	switch r.Params.Format {
	case "dot":
		text := templates.Dot(p)
		return GetTemplateGraph200TextvndGraphvizResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	case "mermaid":
		text := templates.Mermaid(p)
		return GetTemplateGraph200TextvndMermaidResponse{Body: strings.NewReader(text), ContentLength: int64(len(text))}, nil
	}
	g := GetTemplateGraph200JSONResponse{
		Template: p.Template.Ref, Digest: p.Template.Digest, Execution: string(p.Execution), Parallel: p.Parallel,
		Steps: []TemplateStep{}, Edges: []GraphEdge{},
	}
	for _, s := range p.Steps {
		step := TemplateStep{Id: s.ID, Name: s.Name, Action: s.Action, Kind: string(s.Kind), Needs: append([]string{}, s.Needs...), Line: s.Line}
		if s.Branch != nil {
			step.Switch, step.Branch = s.Branch.Switch, s.Branch.Name
		}
		g.Steps = append(g.Steps, step)
	}
	for _, e := range p.Edges {
		g.Edges = append(g.Edges, GraphEdge{From: e.From, To: e.To, Reason: string(e.Reason), Detail: e.Detail})
	}
	return g, nil
}

// planOf compiles a version of a template; without a digest it is the current one.
func (s *Server) planOf(ctx context.Context, namespace, name, digest string) (*plan.Plan, error) {
	if digest == "" {
		v, err := s.template(ctx, "template:"+namespace+"/"+name)
		if err != nil {
			return nil, err
		}
		return v.Plan, nil
	}
	ref, err := plan.ParseEntityRef(namespace+"/"+name, "template")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", err)
	}
	kept, err := s.Store.TemplateByDigest(ctx, digest)
	switch {
	case errors.Is(err, fault.NotFound), err == nil && kept.Ref != ref.String():
		return nil, fault.New(fault.NotFound, "%s has no version %s", ref, digest)
	case err != nil:
		return nil, err
	}
	actions := templates.Actions{}
	for _, a := range s.Actions {
		actions[a.ID] = a
	}
	v, problems := templates.Restore(name, snapshot.Snapshot{Digest: digest, Source: []byte(kept.Source)}, "", "", actions)
	if v == nil {
		return nil, fault.WithProblems("this version can't be run any more", problems)
	}
	caller := callerOf(ctx)
	switch seen, err := s.sees(ctx, &caller, v); {
	case err != nil:
		return nil, err
	case !seen:
		return nil, fault.New(fault.NotFound, "%s has no version %s", ref, digest)
	}
	v, err = s.shown(ctx, caller, v)
	if err != nil {
		return nil, err
	}
	return v.Plan, nil
}

func (h handlers) ListTemplateSources(context.Context, ListTemplateSourcesRequestObject) (ListTemplateSourcesResponseObject, error) {
	return ListTemplateSources200JSONResponse(h.sources()), nil
}

func (h handlers) RefreshTemplates(ctx context.Context, _ RefreshTemplatesRequestObject) (RefreshTemplatesResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshWithin)
	defer cancel()
	if err := h.Templates.Refresh(ctx); err != nil {
		return nil, err
	}
	return RefreshTemplates200JSONResponse(h.sources()), nil
}

// sources shows every source with what is wrong at it that no template of the list tells of.
func (s *Server) sources() TemplateSourceList {
	view := s.Templates.View()
	list := TemplateSourceList{Items: []TemplateSourceState{}}
	for _, source := range view.Sources {
		state := TemplateSourceState{Name: source.Name, Templates: source.Templates, Problems: shownProblems(source.Problems)}
		if !source.Read.IsZero() {
			state.ReadAt = moment(source.Read)
		}
		for _, e := range view.Entries {
			if e.Source != source.Name {
				continue
			}
			if first, ok := view.Find(e.Ref); e.Ref == "" || ok && (first.Source != e.Source || first.Place != e.Place) {
				state.Problems = append(state.Problems, shownProblems(e.Problems)...)
			}
		}
		list.Items = append(list.Items, state)
	}
	return list
}

// templateMetrics tell how it stands with the sources at the moment somebody asks.
type templateMetrics struct{ *Server }

var (
	templatesGauge = prometheus.NewDesc("gildway_templates", "Templates of a source that can be run.", []string{"source"}, nil)
	refusalsGauge  = prometheus.NewDesc("gildway_template_refusals", "Problems that keep out what a source has.", []string{"source"}, nil)
	readGauge      = prometheus.NewDesc("gildway_template_source_read_timestamp_seconds", "When a source could be read the last time.", []string{"source"}, nil)
)

// Describe implements prometheus.Collector.
func (templateMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{templatesGauge, refusalsGauge, readGauge} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m templateMetrics) Collect(to chan<- prometheus.Metric) {
	view := m.Templates.View()
	for _, s := range view.Sources {
		refusals := len(s.Problems)
		for _, e := range view.Entries {
			for _, p := range e.Problems {
				if e.Source == s.Name && p.Severity == fault.Refused {
					refusals++
				}
			}
		}
		to <- prometheus.MustNewConstMetric(templatesGauge, prometheus.GaugeValue, float64(s.Templates), s.Name)
		to <- prometheus.MustNewConstMetric(refusalsGauge, prometheus.GaugeValue, float64(refusals), s.Name)
		if !s.Read.IsZero() {
			to <- prometheus.MustNewConstMetric(readGauge, prometheus.GaugeValue, float64(s.Read.Unix()), s.Name)
		}
	}
}
