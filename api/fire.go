package api

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// Fire makes the task of one time of a schedule, in the name of its owner and by the rules for submissions. It answers with what
// the workflow of the task is started with; asked again, with the same. A refusal is told to people: nobody is there to read it.
func (s *Server) Fire(ctx context.Context, in activities.Firing) (plan.Run, error) {
	run, err := s.fire(ctx, in)
	if err != nil {
		f := fault.From(inWords(err))
		s.Log.WarnContext(ctx, "a schedule runs nothing", "schedule", in.Schedule, "task", in.Task, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
		return run, fault.Seal(f)
	}
	return run, nil
}

func (s *Server) fire(ctx context.Context, in activities.Firing) (run plan.Run, err error) {
	before, err := s.Store.Task(ctx, in.Task)
	switch {
	case err == nil && before.Ended():
		return run, fault.New(fault.Conflict, "task %s has ended", before.ID)
	case err == nil:
		return runOf(before)
	case !errors.Is(err, fault.NotFound):
		return run, err
	}
	c, err := s.Store.Schedule(ctx, in.Schedule)
	if err != nil {
		return run, err
	}
	task, err := s.scheduled(ctx, c, in.Task)
	if err == nil {
		_, err = s.Store.CreateTask(ctx, task)
		if errors.Is(err, fault.RateLimited) && c.Overlap == "allow-all" { // the next time doesn't wait for this one: ever more of them would
			err = fault.Wrap(fault.Conflict, err, "%s; with the overlap allow-all a time that does not fit is left out", fault.From(err).Public)
		}
	}
	if err != nil {
		if f := fault.From(inWords(err)); f.Kind.Final() {
			if untold := s.Store.RefuseFiring(ctx, store.RefusedFiring{Schedule: c, Task: in.Task, Why: f.Public}); untold != nil {
				return run, untold
			}
		}
		return run, err
	}
	return s.accepted(ctx, in.Task)
}

// scheduled is the task that a schedule runs now, if its owner may still do so.
func (s *Server) scheduled(ctx context.Context, c store.Schedule, id string) (task store.NewTask, err error) {
	if err := s.stillHere(ctx, c.Owner, "whose schedule this is"); err != nil {
		return task, err
	}
	if ctx, err = s.inNameOf(ctx, c.Owner); err != nil {
		return task, err
	}
	version, err := s.runnable(ctx, c.Template, identity.Run)
	if err != nil {
		return task, err
	}
	if err := runsUnattended(version, c.Values); err != nil {
		return task, err
	}
	owner, err := s.person(ctx, callerOf(ctx))
	if err != nil {
		return task, err
	}
	task, err = s.newTask(ctx, version, plan.Run{Task: id, Values: c.Values, Requester: owner}, nil)
	task.Schedule, task.Started = c.ID, true
	return task, err
}

// stillHere asks the directory for somebody whom no issuer vouches for: what everybody may do, a leaver may not.
func (s *Server) stillHere(ctx context.Context, ref, who string) error {
	if kind, _, _ := strings.Cut(ref, ":"); kind != string(identity.User) || s.OpenDoors {
		return nil
	}
	_, err := s.Directory.Groups(ctx, ref)
	if errors.Is(err, fault.NotFound) {
		return fault.Wrap(fault.Denied, err, "%s, %s, is not in the directory", ref, who)
	}
	return err
}

// runsUnattended checks values, and that nobody has to be there to give secrets.
func runsUnattended(v *templates.Version, values json.RawMessage) error {
	if wrong := v.Template.CheckSecrets(nil); len(wrong) > 0 {
		return fault.New(fault.Invalid, "%s needs secrets, which a schedule can't give; let a step read them where they are kept", v.Ref)
	}
	return checkValues(v.Template, values, nil)
}
