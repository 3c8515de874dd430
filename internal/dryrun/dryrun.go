// Package dryrun carries a plan out without its effects, in this process and at once, so that people see what a
// run would do before it does it.
package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Limits of a dry run.
const (
	timeLimit = 60 * time.Second
	logLimit  = 16 << 20 // bytes of all its lines
	atOnce    = 4        // dry runs of one Engine; the others wait for a place
)

// Options are what an Engine works with.
type Options struct {
	// Runs is what the runs of this installation work with. Journal, Blobs and Secrets are every dry run's own, of the
	// environment it sees the parameters alone, and Look is for those that ask for it.
	Runs run.Options
}

// Engine carries out dry runs, a few at once.
type Engine struct {
	Options
	places chan struct{}
}

// New makes an Engine.
func New(o Options) *Engine { return &Engine{Options: o, places: make(chan struct{}, atOnce)} }

// Request is a run that is only to be tried.
type Request struct {
	Run     plan.Run // without a Task it is given an id
	Secrets map[string]string
	// Done holds the outputs of steps that have really completed, by id. Those that touch the workspace alone are tried
	// again, so that the others find their files; the rest are taken as they ended.
	Done map[string]json.RawMessage
	// Looks has each step ask its provider what it would meet there. It is for templates that whoever may publish them has
	// written: anybody else could have things looked up that they may not see.
	Looks bool
	// Tolerant takes a step whose action can't be tried now, because a host doesn't answer, for example, as one that does not
	// support a dry run: the others say what they would do all the same.
	Tolerant bool
	// Beside are the files that came with the template; what it fetches with relative URLs is among them. nil: they lie
	// where the plan says.
	Beside []File
	// Exact makes the log what Backstage's would be: actions that don't support a dry run there are skipped, even those
	// that could say what they would do.
	Exact bool
	// Offline makes no call that leaves the run: what is asked of the world is noted in the Result, and answered by
	// Answer or else made up. An approval is given unless Answer says otherwise.
	Offline bool
	Answer  func(step, action string) (Answer, bool)
}

// Result is what a dry run came to. Secrets are nowhere in it.
type Result struct {
	Task    string
	Log     []Line
	Steps   []Step // in the plan's order
	Effects []Effect
	Calls   []Call          // of an offline dry run
	Output  json.RawMessage // an object; nil if the run failed
	Files   []File          // the workspace at the end
	Failure *fault.Error    // the first one; nil if the run would complete
}

// Line is an entry of the run's log. Step and Status may be empty.
type Line struct{ Step, Status, Message string }

// State is how a step ended.
type State string

// The states, as events call them.
const (
	Completed State = "completed"
	Skipped   State = "skipped"
	Failed    State = "failed"
)

// Step is what became of a step.
type Step struct {
	ID, Name, Action string
	State            State
	Note             string // why it was skipped or failed; the branch that was chosen
}

// Effect is what a step would do to the world outside of the run.
type Effect struct {
	Step, Iteration, Action string
	Would                   run.Would
}

// TaskID makes the id of a dry run.
func TaskID() string { return "dry-run-" + uuid.NewString() }

// Run tries a run. A step that fails is no error but the Result's Failure; an error is a limit that was met, or
// a mistake of ours.
func (e *Engine) Run(ctx context.Context, in Request) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit, errSlow)
	defer cancel()
	select {
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	case <-ctx.Done():
		return Result{}, fault.Wrap(fault.RateLimited, ctx.Err(), "too many dry runs at once; try again")
	}
	if in.Run.Task == "" {
		in.Run.Task = TaskID()
	}
	if in.Beside != nil {
		url, remove, err := unpack(in.Beside)
		defer remove()
		if err != nil {
			return Result{}, err
		}
		in.Run.Plan.Template.BaseURL = url
	}
	blobs := memblob.OpenBucket(nil)
	defer blobs.Close()
	journal := &journal{keys: map[string]bool{}, checkpoints: map[string]json.RawMessage{}}
	options := e.Runs
	options.Journal, options.Blobs, options.Secrets = journal, blobs, given(in.Secrets)
	options.Environment.Secrets = nil
	options.Look = bounded(in.Looks, options.Look)
	var world *stage
	if in.Offline {
		world = &stage{actions: e.Runs.Registry, answers: in.Answer, hide: hides(in.Secrets)}
		options.Registry = world.registry()
	}
	t := &try{
		Request: in, registry: options.Registry, world: world, journal: journal, blobs: blobs, runner: run.New(options),
		outputs: map[string]json.RawMessage{}, chosen: map[string]string{}, at: map[string]int{},
	}
	err := t.do(ctx)
	if errors.Is(context.Cause(ctx), errSlow) {
		return Result{}, fault.Wrap(fault.Invalid, err, "a dry run takes %.0f seconds at most; this one got as far as step %s", timeLimit.Seconds(), t.current)
	}
	if err != nil {
		return Result{}, err
	}
	return t.result, nil
}

var errSlow = errors.New("the dry run took too long")

// given are the secrets of a run that exists nowhere else.
type given map[string]string

func (g given) Get(context.Context, string) (map[string]string, error) { return maps.Clone(g), nil }

// looksAt bounds how often a dry run looks at what is there.
const looksAt = 20

// bounded looks a few times, and not again after nobody has answered: a dry run has little time.
func bounded(looks bool, look run.Look) run.Look {
	if !looks || look == nil {
		return nil
	}
	left := looksAt
	var gone error
	return func(ctx context.Context, in activities.Look) (activities.Foreseen, error) {
		switch {
		case gone != nil:
			return activities.Foreseen{}, gone
		case left == 0:
			return activities.Foreseen{}, fault.New(fault.RateLimited, "a dry run looks %d times at most", looksAt)
		}
		left--
		var seen activities.Foreseen
		seen, gone = look(ctx, in)
		return seen, gone
	}
}

// skippedByBackstage are the actions that only its own dry run leaves out.
var skippedByBackstage = []string{"catalog:register", "debug:wait", "publish:github", "publish:gitea"}

// skips reports whether a dry run does nothing for an action but make its output up.
func (r Request) skips(info plan.Action) bool {
	if r.Exact && slices.Contains(skippedByBackstage, info.ID) {
		return true
	}
	return !info.DryRun && !info.Preview
}
