// Package run is what every action has in common when a run calls it: expressions, workspace, journal,
// secrets, sealed errors. Actions know none of it.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"gocloud.dev/blob"
)

// Journal is where people read what happened to a run. Everything in it is written once, however
// often it is asked for.
type Journal interface {
	activities.Holds
	// Log appends a log event. key is unique per task. An empty status is a plain line.
	Log(ctx context.Context, task, key, step, status, message string) error
	// SetStatus moves the task.
	SetStatus(ctx context.Context, task string, attempt int, status string) error
	// CallWaits notes that a call did not succeed and will be made again, CallGoesOn that it waits no more; without an
	// iteration none of its step does.
	CallWaits(ctx context.Context, in activities.Invocation, tries int, why string, next time.Time) error
	CallGoesOn(ctx context.Context, task, step, iteration string) error
	// SetPaused tells whether an attempt at the task begins nothing new.
	SetPaused(ctx context.Context, task string, attempt int, paused bool) error
	// Complete ends an attempt at the task. Only the first end counts.
	Complete(ctx context.Context, task string, attempt int, status, message string, output json.RawMessage, fault *fault.Error) error
	// RequestCancel notes that somebody asked to cancel an attempt at the task. Only the first counts.
	RequestCancel(ctx context.Context, task string, attempt int, by string) error
	// AttemptIsOver reports whether an attempt has ended or a later one has begun.
	AttemptIsOver(ctx context.Context, task string, attempt int) (bool, error)
	// LoadCheckpoint reads what was saved under key and name.
	LoadCheckpoint(ctx context.Context, key, name string) (json.RawMessage, bool, error)
	// SaveCheckpoint saves a value unless there is one, and gives the one that is there now.
	SaveCheckpoint(ctx context.Context, key, name string, value json.RawMessage) (json.RawMessage, error)
	// ForgetCall removes what is remembered of a call of an action, so that it can be made again.
	ForgetCall(ctx context.Context, task, step, key string) error
	// EffectBegins notes that a call is about to change something, EffectDone what it gave, EffectUndone that nothing is
	// left of it, by its lease or else with its lease, and EffectLeft why it could not be undone.
	EffectBegins(ctx context.Context, task, key string, e activities.Effect) error
	EffectDone(ctx context.Context, key string, output json.RawMessage) error
	EffectUndone(ctx context.Context, key string, byLease bool) error
	EffectLeft(ctx context.Context, key, problem string) error
	// EffectOf gives what was done under a key and is not undone.
	EffectOf(ctx context.Context, key string) (e activities.Effect, found bool, err error)
	// EffectsPage gives a part of what a task has done and not undone, in the order to undo it, and Effects all of it.
	EffectsPage(ctx context.Context, q activities.EffectsQuery) (activities.EffectsPage, error)
	Effects(ctx context.Context, task string) ([]activities.Effect, error)
	// Notify tells people. The same key again is nothing.
	Notify(ctx context.Context, n notice.Notice) error
	// Audit appends an entry to the audit log, once per key.
	Audit(ctx context.Context, task, key, kind, actor string, data map[string]any) error
}

// Secrets gives the secrets that a run was submitted with, by name. The task stands for the attempt at it, see
// activities.InAttempt.
type Secrets interface {
	Get(ctx context.Context, task string) (map[string]string, error)
}

// Environment is what every template of this installation can read.
type Environment struct {
	Parameters map[string]string
	Secrets    map[string]secrets.Secret // visible where a run's secrets are, hidden as they are
}

// Look has an action foresee where its credentials are.
type Look func(context.Context, activities.Look) (activities.Foreseen, error)

// Options are what a Runner works with.
type Options struct {
	Registry    *activities.Registry
	Journal     Journal
	Blobs       *blob.Bucket // holds the workspaces, and what is too large for history
	Secrets     Secrets      // nil: no run has any
	Environment Environment
	Hosts       map[string]string // host, with port if any, to the type of its integration: expr.Env.Hosts
	// LegacyTyping reads values as Backstage did up to 4.0.2: expr.Env.LegacyTyping.
	LegacyTyping bool
	Tickets      bool   // what could not be undone becomes a ticket
	Look         Look   // of a dry run that says what it would meet
	Access       Access // of a worker
	Log          *slog.Logger
}

// Runner runs actions and answers the other questions that a run asks its activities.
type Runner struct {
	registry     *activities.Registry
	journal      Journal
	blobs        *blob.Bucket
	secrets      Secrets
	environment  environment
	hosts        map[string]string
	legacyTyping bool
	tickets      bool
	look         Look
	access       Access
	log          *slog.Logger
}

// New makes a Runner.
func New(o Options) *Runner {
	return &Runner{
		registry: o.Registry, journal: o.Journal, blobs: o.Blobs, secrets: o.Secrets, log: o.Log,
		environment: environmentOf(o.Environment), hosts: o.Hosts, legacyTyping: o.LegacyTyping, tickets: o.Tickets,
		look: o.Look, access: o.Access,
	}
}

// Registrar is a Temporal worker, or a test environment.
type Registrar interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register adds what a worker of a task queue must be able to do. The worker of the main queue runs
// the workflows too, so it gets the local activities of every queue.
func (r *Runner) Register(w Registrar, queue string) {
	main := queue == activities.MainQueue
	if main {
		register(w, activities.EvaluateActivity, r.Evaluate)
		register(w, activities.OutputsActivity, r.Outputs)
		register(w, activities.RecordActivity, r.Record)
		register(w, activities.AttemptActivity, r.IsOver)
		register(w, activities.EffectsActivity, r.Effects)
		register(w, activities.EffectsPageActivity, r.EffectsPage)
		register(w, activities.LeftoverActivity, r.Leftover)
		register(w, activities.ItemsActivity, r.Items)
		register(w, activities.GatherActivity, r.Gather)
		register(w, activities.GrantsActivity, r.Grants)
		register(w, activities.UncheckedActivity, r.Unchecked)
	}
	register(w, activities.CheckGrantsActivity, r.CheckGrants)
	for _, info := range r.registry.Infos() {
		if info.Kind == plan.GateStep {
			continue
		}
		id := info.ID
		if info.Queue == queue || main && info.Local {
			register(w, id, func(ctx context.Context, in activities.Invocation) (activities.Outcome, error) {
				return r.Do(ctx, id, in)
			})
		}
		if info.Queue == queue && info.Undoable {
			register(w, activities.UndoActivity(id), func(ctx context.Context, in activities.UndoInvocation) error {
				return r.Undo(ctx, id, in)
			})
		}
		if info.Queue == queue && info.Foresees {
			register(w, activities.ForeseeActivity(id), func(ctx context.Context, in activities.Invocation) (activities.Foreseen, error) {
				return r.Foresee(ctx, id, in)
			})
		}
		if info.Queue == queue && info.Renews {
			register(w, activities.RenewActivity(id), func(ctx context.Context, in activities.UndoInvocation) (json.RawMessage, error) {
				return r.Renew(ctx, id, in)
			})
		}
	}
}

func register(w Registrar, name string, fn any) {
	w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
}

// seal logs why something failed and gives what Temporal's history may hold of it.
func (r *Runner) seal(ctx context.Context, err error, what string, attrs ...any) error {
	if err == nil {
		return nil
	}
	if cancelled(ctx) {
		return temporal.NewCanceledError()
	}
	f := asFault(ctx, err)
	attrs = append(attrs, "kind", string(f.Kind), "says", f.Public)
	if f.Cause != nil {
		attrs = append(attrs, "cause", f.Cause.Error())
	}
	level := slog.LevelWarn
	if f.Kind == fault.Internal {
		level = slog.LevelError
	}
	r.log.Log(ctx, level, what, attrs...)
	var mistake *bug
	if errors.As(f, &mistake) && attempt(ctx) >= bugAttempts {
		return fault.SealFinal(f)
	}
	return fault.Seal(f)
}

// bugAttempts is how often a call is tried whose action panics or fails without a fault. A mistake in code
// does not go away by waiting as long as for a provider.
const bugAttempts = 3

// bug is a panic, or an error that an action did not make a fault of.
type bug struct{ error }

func (b *bug) Unwrap() error { return b.error }

func isFault(err error) bool {
	var f *fault.Error
	return errors.As(err, &f)
}

// bugIn marks what only a mistake in an action's code can be.
func bugIn(ctx context.Context, err error) error {
	if isFault(err) || ctx.Err() != nil {
		return err
	}
	return fault.From(&bug{err})
}

// pure runs what depends on nothing but its input: what is our mistake there stays one in every attempt.
func pure(ctx context.Context, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = bugIn(ctx, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	err = fn()
	if f := fault.From(err); err != nil && f.Kind == fault.Internal && ctx.Err() == nil {
		return fault.Wrap(fault.Internal, &bug{err}, "%s", f.Public)
	}
	return err
}

// asFault reads an error; a call that ran out of time is not a mistake of ours.
func asFault(ctx context.Context, err error) *fault.Error {
	f := fault.From(err)
	if f.Kind == fault.Internal && ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, err, "no answer within the step's time limit")
	}
	return f
}

// cancelled tells a call that the run gave up from one that ran out of time or lost its worker.
func cancelled(ctx context.Context) bool {
	if ctx.Err() != context.Canceled || !activity.IsActivity(ctx) {
		return false
	}
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return false
	default:
		return true
	}
}

// beat tells Temporal that a long call is alive, until the returned function is called. It is also
// how the call hears of a cancellation.
func beat(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) || activity.GetInfo(ctx).IsLocalActivity || activity.GetInfo(ctx).HeartbeatTimeout <= 0 {
		return func() {}
	}
	every := activity.GetInfo(ctx).HeartbeatTimeout / 3
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return func() { close(quit); <-done }
}

func attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}
