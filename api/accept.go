package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/snapshot"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// deepest is how many tasks may stand above each other, so that a template that runs itself comes to an end.
const deepest = 5

// Accept makes a task of what a step of a run asks for, in the name of that run's requester and by the rules for
// submissions. It answers with what the workflow of the task is started with; asked again, with the same.
func (s *Server) Accept(ctx context.Context, in activities.AskedRun) (plan.Run, error) {
	run, err := s.acceptChild(ctx, in)
	if err != nil {
		f := fault.From(inWords(err))
		s.Log.WarnContext(ctx, "a task that a step asks for is not accepted", "parent", in.Parent.Task, "step", in.Parent.Step,
			"template", in.Template, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
		return run, fault.Seal(f)
	}
	return run, nil
}

func (s *Server) acceptChild(ctx context.Context, in activities.AskedRun) (run plan.Run, err error) {
	above, err := s.Store.Task(ctx, in.Parent.Task)
	if err != nil {
		return run, err
	}
	if above.Ended() || above.Attempt != in.Parent.Attempt {
		return run, fault.New(fault.Conflict, "task %s has ended", above.ID)
	}
	parent, err := runOf(above)
	if err != nil {
		return run, err
	}
	in.Parent.Ancestors = parent.Lineage()
	if len(in.Parent.Ancestors)+1 >= deepest {
		return run, fault.New(fault.Invalid, "templates run each other %d deep: %s; does one run itself?",
			deepest, strings.Join(append(in.Parent.Ancestors, above.ID), ", "))
	}
	if err := s.stillHere(ctx, parent.Requester.Ref, "who asked for this"); err != nil {
		return run, err
	}
	if ctx, err = s.inNameOf(ctx, parent.Requester.Ref); err != nil {
		return run, err
	}
	version, err := s.childVersion(ctx, in.Template, parent.Plan)
	if err != nil {
		return run, err
	}
	if err := s.mayDo(ctx, identity.Run, version); err != nil {
		return run, err
	}
	before, err := s.Store.Task(ctx, in.Task)
	switch {
	case err == nil:
		return s.acceptAgain(ctx, before, in, parent, version)
	case !errors.Is(err, fault.NotFound):
		return run, err
	}
	task, err := s.childTask(ctx, in, parent, version, 0)
	if err != nil {
		return run, err
	}
	task.Parent, task.ParentStep, task.Started = above.ID, place(in.Parent), true
	if _, err := s.Store.CreateTask(ctx, task); err != nil {
		return run, err
	}
	return s.accepted(ctx, in.Task)
}

// childTask is the task that a step of parent asks for.
func (s *Server) childTask(ctx context.Context, in activities.AskedRun, parent plan.Run, v *templates.Version, attempt int) (store.NewTask, error) {
	if err := checkValues(v.Template, in.Values, nil); err != nil {
		return store.NewTask{}, err
	}
	task, err := s.newTask(ctx, v, plan.Run{
		Task: in.Task, Values: in.Values, Requester: parent.Requester, Parent: &in.Parent, Attempt: attempt,
	}, parent.Plan.Children)
	task.Quotas = notCounting(task.Quotas, append(in.Parent.Ancestors, parent.Task))
	return task, err
}

// acceptAgain answers when the task is there: as before, or with another attempt at it, when its parent is retried. One that
// asks for another template, or with other values, gets what a first one would.
func (s *Server) acceptAgain(ctx context.Context, t store.Task, in activities.AskedRun, parent plan.Run, v *templates.Version) (plan.Run, error) {
	run, err := runOf(t)
	switch {
	case err != nil:
		return run, err
	case run.Parent == nil || run.Parent.Task != in.Parent.Task:
		return run, fault.New(fault.Internal, "task %s is there and has another parent", t.ID)
	case run.Parent.Attempt == in.Parent.Attempt:
		return run, nil
	case !t.Ended():
		return run, fault.New(fault.Conflict, "task %s, which an earlier attempt has begun, goes on; cancel it first", t.ID)
	}
	next, err := store.NewAttempt{}, error(nil)
	if t.TemplateRef == v.Ref && sameJSON(run.Values, in.Values) {
		next, err = s.childAgain(ctx, t, run, in, v)
	} else {
		next, err = s.childRemade(ctx, t, in, parent, v)
	}
	if err != nil {
		return run, err
	}
	caller := callerOf(ctx)
	next.Task, next.Attempt, next.By, next.Started = t.ID, t.Attempt+1, caller.Ref, true
	next.Strategy = recoverStrategy(t)
	next.Quotas = notCounting(s.Limits.quotas(caller.Ref, caller.Groups, v.Ref), append(in.Parent.Ancestors, in.Parent.Task))
	if err := s.Store.Retry(ctx, next, func(context.Context) error { return nil }); err != nil {
		return run, err
	}
	return s.accepted(ctx, t.ID)
}

// childAgain runs a child as it was.
func (s *Server) childAgain(ctx context.Context, t store.Task, run plan.Run, in activities.AskedRun, v *templates.Version) (next store.NewAttempt, err error) {
	if err := s.getsAll(ctx, &run.Plan, v); err != nil {
		return next, err
	}
	run.Attempt, run.Parent, run.Kept = t.Attempt+1, &in.Parent, nil
	next.Run, err = json.Marshal(run)
	return next, err
}

// childRemade runs a child with what the parent asks for now, where nothing is left of what it asked for before: what a step finds
// there it adopts.
func (s *Server) childRemade(ctx context.Context, t store.Task, in activities.AskedRun, parent plan.Run, v *templates.Version) (next store.NewAttempt, err error) {
	left, err := s.Store.Effects(ctx, store.EffectFilter{Task: t.ID, Limit: 1})
	if err != nil {
		return next, err
	}
	if len(left) > 0 {
		return next, fault.New(fault.Conflict, "another template or other values are asked for than before, and step %s of task %s has done something already; roll that task back first",
			left[0].Step, t.ID)
	}
	task, err := s.childTask(ctx, in, parent, v, t.Attempt+1)
	if err != nil {
		return next, err
	}
	next.Run, next.Digest, next.Spec = task.Run, task.Digest, task.Spec
	next.Template = &store.TaskTemplate{Ref: task.TemplateRef, Digest: task.TemplateDigest, Owner: task.Owner, Tags: task.Tags}
	next.Audited = map[string]any{"template": task.TemplateRef, "templateDigest": task.TemplateDigest, "digest": task.Digest}
	return next, nil
}

// accepted is what was promised, however often it was asked for.
func (s *Server) accepted(ctx context.Context, task string) (plan.Run, error) {
	t, err := s.Store.Task(ctx, task)
	if err != nil {
		return plan.Run{}, err
	}
	return runOf(t)
}

// inNameOf makes somebody the caller who isn't there: the groups are asked for, no token tells them.
func (s *Server) inNameOf(ctx context.Context, ref string) (context.Context, error) {
	who := identity.Principal{Ref: ref, Kind: identity.User}
	if kind, _, _ := strings.Cut(ref, ":"); kind != string(identity.User) {
		who.Kind = identity.Service
	}
	if s.OpenDoors {
		who = identity.Guest
	}
	if err := s.learnGroups(ctx, &who); err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, askedKey{}, asked{caller: who}), nil
}

// childVersion is the version that the parent's plan was submitted with, or else the present one.
func (s *Server) childVersion(ctx context.Context, ref string, parent plan.Plan) (*templates.Version, error) {
	pinned, found := parent.Pinned(ref)
	if !found {
		return s.template(ctx, ref)
	}
	if now, ok := s.Templates.Get(ref); ok && now.Digest == pinned.Digest && now.Plan.Template.BaseURL == pinned.BaseURL {
		return s.asSeen(ctx, now)
	}
	kept, err := s.Store.TemplateByDigest(ctx, pinned.Digest)
	if err != nil {
		return nil, err
	}
	version, problems := templates.Restore(pinned.File, snapshot.Snapshot{Digest: pinned.Digest, Source: []byte(kept.Source)},
		pinned.ShownURL, pinned.BaseURL, s.registered())
	if version == nil {
		return nil, fault.WithProblems(fmt.Sprintf("the version of %s that was approved can't run any more", ref), problems)
	}
	return s.asSeen(ctx, version)
}

// pin settles the versions of the templates that a plan runs, and that those run, as far as their refs are written down and
// they are not settled before.
func (s *Server) pin(p plan.Plan, pinned []plan.Child) ([]plan.Child, error) {
	known := map[string]bool{}
	for _, c := range pinned {
		known[c.Ref] = true
	}
	pinned = slices.Clone(pinned)
	for left := p.ChildRefs(); len(left) > 0; left = left[1:] {
		ref := left[0]
		if known[ref] {
			continue
		}
		v, ok := s.Templates.Get(ref)
		if !ok {
			return nil, fault.New(fault.Invalid, "%s runs %s, which isn't there", p.Template.Ref, ref)
		}
		known[ref] = true
		pinned = append(pinned, plan.Child{Ref: ref, Digest: v.Digest, File: v.Template.File, ShownURL: v.BaseURL, BaseURL: v.Plan.Template.BaseURL})
		left = append(left, v.Plan.ChildRefs()...)
	}
	slices.SortFunc(pinned, func(a, b plan.Child) int { return strings.Compare(a.Ref, b.Ref) })
	return pinned, nil
}

// place is where in its run a step stands, with the iteration of a loop.
func place(p plan.Parent) string {
	if p.Iteration == "" {
		return p.Step
	}
	return p.Step + "/" + p.Iteration
}

// notCounting lets tasks not count that wait for the one to be accepted.
func notCounting(quotas []store.Quota, tasks []string) []store.Quota {
	for i := range quotas {
		quotas[i].Except = tasks
	}
	return quotas
}

// inWords makes of refused values what a step can fail with.
func inWords(err error) error {
	var refused valuesRefused
	if !errors.As(err, &refused) {
		return err
	}
	says := make([]string, len(refused))
	for i, r := range refused {
		says[i] = r.Message
	}
	return fault.Wrap(fault.Invalid, err, "the values don't fit: %s", strings.Join(says, "; "))
}
