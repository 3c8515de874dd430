package api

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/internal/store"
)

// asked is what the guard found out about a request; handlers take it from the context.
type asked struct {
	caller   identity.Principal
	token    secrets.Secret // the caller's own, if they are a user of Backstage's
	task     store.Task     // of operations on a task
	approval store.Approval // of operations on an approval
	lease    store.Lease    // of operations on a grant
	schedule store.Schedule // of operations on a schedule
	review   store.Review   // of operations on an access review
}

type askedKey struct{}

func askedIn(ctx context.Context) asked {
	a, _ := ctx.Value(askedKey{}).(asked)
	return a
}

func callerOf(ctx context.Context) identity.Principal { return askedIn(ctx).caller }

// enforcer lets a request pass by returning nil. It leaves in a what it had to look up.
type enforcer func(s *Server, c echo.Context, a *asked) error

// permissions are all that the document may ask for. What is not here can't be served.
var permissions = map[string]enforcer{
	"public":             nil,
	"signed-in":          func(*Server, echo.Context, *asked) error { return nil },
	"run":                onSome(identity.Run),
	"dry-run":            onSome(identity.DryRun),
	"task:read":          onTask(identity.Read),
	"task:cancel":        onTask(identity.Cancel),
	"task:retry":         onTask(identity.Retry),
	"task:rollback":      onTask(identity.Rollback),
	"leftovers":          (*Server).mayAudit,
	"task:collect":       onTask(identity.Collect),
	"approval:read":      (*Server).mayReadApproval,
	"approval:decide":    (*Server).mayDecide,
	"schedule:read":      onSchedule(identity.Read),
	"schedule:change":    onSchedule(identity.Cancel),
	"schedule:run":       (*Server).mayRunSchedule,
	"access:read":        onLease(identity.Read),
	"access:renew":       onLease(identity.Renew),
	"access:revoke":      onLease(identity.Revoke),
	"access:revoke-some": onSome(identity.Revoke),
	"access:check":       (*Server).mayCheck,
	"review:read":        (*Server).mayReadReview,
	"review:decide":      (*Server).mayDecideReview,
	"conditions":         (*Server).mayApplyConditions,
	"templates:manage":   onSome(identity.Manage),
}

// guard authenticates, asks for the operation's permission, and checks the request against the
// document. A route that the document doesn't know is not there.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op := s.operations[c.Request().Method+" "+c.Path()]
		if op == nil {
			return s.unrouted(c)
		}
		if op.enforce != nil {
			a := &asked{}
			var err error
			if a.caller, a.token, err = s.authenticate(c); err != nil {
				return err
			}
			if err := withinLink(a.caller, op, c.Param("approvalId")); err != nil {
				return err
			}
			refused := op.enforce(s, c, a)
			c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), askedKey{}, *a)))
			if refused != nil {
				return refused
			}
		}
		if err := op.check(c.Response(), c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// unrouted answers for everything that the document doesn't have.
func (s *Server) unrouted(c echo.Context) error {
	var methods []string
	for key := range s.operations {
		if method, route, _ := strings.Cut(key, " "); route == c.Path() {
			methods = append(methods, method)
		}
	}
	if methods == nil {
		return echo.ErrNotFound
	}
	slices.Sort(methods)
	c.Response().Header().Set(echo.HeaderAllow, strings.Join(methods, ", "))
	return echo.ErrMethodNotAllowed
}

// authenticate says who asks. The token is given back if other parts of Backstage take it, too.
func (s *Server) authenticate(c echo.Context) (who identity.Principal, lendable secrets.Secret, err error) {
	if s.OpenDoors {
		return identity.Guest, lendable, nil
	}
	scheme, token, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return who, lendable, fault.New(fault.Unauthenticated, "Missing credentials")
	}
	if who, is, err := s.linked(c.Request().Context(), token); is {
		return who, lendable, err
	}
	who, err = s.Tokens.Verify(c.Request().Context(), token)
	if err == nil && identity.IsBackstageUser(token) {
		lendable = secrets.New(token)
	}
	return who, lendable, err
}

// onSome lets those pass who may do it to something; the handler, which knows to what, asks again.
func onSome(do identity.Action) enforcer {
	return func(s *Server, c echo.Context, a *asked) error {
		if err := s.learnGroups(c.Request().Context(), &a.caller); err != nil {
			return err
		}
		if !s.Policy.AllowsSome(a.caller, do) {
			return fault.New(fault.Denied, "nothing lets %s do this: %s", a.caller.Ref, do)
		}
		return nil
	}
}

func onTask(do identity.Action) enforcer {
	return func(s *Server, c echo.Context, a *asked) (err error) {
		ctx, id := c.Request().Context(), c.Param("taskId")
		if uuid.Validate(id) != nil {
			return fault.Wrap(fault.NotFound, errNotAnID, "No task with id '%s' found", id)
		}
		if a.task, err = s.Store.Task(ctx, id); errors.Is(err, fault.NotFound) {
			return noTask(id)
		}
		if err != nil {
			return err
		}
		return s.allow(ctx, &a.caller, do, a.task)
	}
}

func onLease(do identity.Action) enforcer {
	return func(s *Server, c echo.Context, a *asked) (err error) {
		ctx := c.Request().Context()
		id, err := url.PathUnescape(c.Param("leaseId"))
		if err != nil {
			return fault.Wrap(fault.NotFound, err, "there is no such grant")
		}
		if a.lease, err = s.Store.Lease(ctx, id); err != nil {
			return err
		}
		if err := s.learnGroups(ctx, &a.caller); err != nil {
			return err
		}
		if !s.mayWithLease(a.caller, do, a.lease) {
			return fault.New(fault.Denied, "%s may not %s this access", a.caller.Ref, do)
		}
		return nil
	}
}

func (s *Server) mayWithLease(who identity.Principal, do identity.Action, l store.Lease) bool {
	return s.Policy.Allows(who, do, identity.Resource{
		Template: l.Template, Owner: l.Owner, Tags: l.Tags, Requester: l.Requester, Approvers: renewedBy(l),
	})
}

func onSchedule(do identity.Action) enforcer {
	return func(s *Server, c echo.Context, a *asked) (err error) {
		ctx := c.Request().Context()
		if a.schedule, err = s.Store.Schedule(ctx, c.Param("scheduleId")); err != nil {
			return err
		}
		if err := s.learnGroups(ctx, &a.caller); err != nil {
			return err
		}
		of := identity.Resource{
			Template: a.schedule.Template, Owner: a.schedule.TemplateOwner, Tags: a.schedule.TemplateTags, Requester: a.schedule.Owner,
		}
		if !s.Policy.Allows(a.caller, do, of) {
			return fault.New(fault.Denied, "%s may not %s this schedule", a.caller.Ref, do)
		}
		return nil
	}
}

// mayRunSchedule lets nobody begin tasks in somebody else's name but admins: a rule that lets them stop tasks is not meant so.
func (s *Server) mayRunSchedule(c echo.Context, a *asked) error {
	if err := onSchedule(identity.Cancel)(s, c, a); err != nil {
		return err
	}
	if a.caller.Ref != a.schedule.Owner && !s.Policy.Administers(a.caller) {
		return fault.New(fault.Denied, "%s may not run or resume this schedule, whose tasks are in the name of %s; create one of your own", a.caller.Ref, a.schedule.Owner)
	}
	return nil
}

func noTask(id string) error { return fault.New(fault.NotFound, "No task with id '%s' found", id) }

func (s *Server) mayReadApproval(c echo.Context, a *asked) (err error) {
	ctx := c.Request().Context()
	if a.approval, err = s.Store.Approval(ctx, c.Param("approvalId")); err != nil {
		return err
	}
	task, err := s.Store.Task(ctx, a.approval.Task)
	if err != nil {
		return err
	}
	return s.allow(ctx, &a.caller, identity.Read, task)
}

// allow asks the policy, and looks up no more than it has to.
func (s *Server) allow(ctx context.Context, caller *identity.Principal, do identity.Action, task store.Task) (err error) {
	to := identity.Resource{Template: task.TemplateRef, Owner: task.Owner, Tags: task.Tags, Requester: task.CreatedBy}
	if do == identity.Read && s.Policy.Allows(*caller, do, to) { // no group can take that away
		return nil
	}
	if err := s.learnGroups(ctx, caller); err != nil {
		return err
	}
	if s.Policy.Allows(*caller, do, to) {
		return nil
	}
	if to.Approvers, err = s.Store.Approvers(ctx, task.ID); err != nil {
		return err
	}
	if !s.Policy.Allows(*caller, do, to) {
		return fault.New(fault.Denied, "%s may not %s this task", caller.Ref, do)
	}
	return nil
}

// mayDecide asks the directory and not the token: membership counts at this moment.
func (s *Server) mayDecide(c echo.Context, a *asked) (err error) {
	ctx := c.Request().Context()
	if a.approval, err = s.Store.Approval(ctx, c.Param("approvalId")); err != nil {
		return err
	}
	switch {
	case a.caller.Kind != identity.User:
		return fault.New(fault.Denied, "only people decide")
	case a.caller.Ref == a.approval.Requester:
		return fault.New(fault.Denied, "whoever asks can't decide: %s is the requester", a.caller.Ref)
	}
	if a.caller.Groups, err = s.groups(ctx, a.caller.Ref); err != nil {
		return err
	}
	approvers := a.approval.Approvers
	for _, d := range a.approval.Decisions { // whoever decides in somebody's place
		if d.To != "" && !d.Void {
			approvers = append(slices.Clone(approvers), d.To)
		}
	}
	if !s.Policy.Allows(a.caller, identity.Approve, identity.Resource{Requester: a.approval.Requester, Approvers: approvers}) {
		return fault.New(fault.Denied, "%s is not among the approvers, or may not decide in this way", a.caller.Ref)
	}
	return nil
}

func (s *Server) mayAudit(c echo.Context, a *asked) error {
	all, err := s.readsAll(c.Request().Context(), &a.caller)
	if err == nil && !all {
		return fault.New(fault.Denied, "%s may not see what other people's tasks have left behind", a.caller.Ref)
	}
	return err
}

// mayApplyConditions refuses without a word, as Backstage does: the answers tell who created which task.
func (*Server) mayApplyConditions(_ echo.Context, a *asked) error {
	if a.caller.Plugin == "" {
		return fault.New(fault.Denied, "")
	}
	return nil
}

// learnGroups completes a principal whose token doesn't name the groups, as Backstage's don't by default.
func (s *Server) learnGroups(ctx context.Context, p *identity.Principal) (err error) {
	if p.Groups != nil || p.Kind != identity.User {
		return nil
	}
	p.Groups, err = s.groups(ctx, p.Ref)
	return err
}

func (s *Server) groups(ctx context.Context, user string) ([]string, error) {
	groups, err := s.Directory.Groups(ctx, user)
	if errors.Is(err, fault.NotFound) {
		return []string{}, nil
	}
	return groups, err
}
