// Package exercise is what every action promises, written once and run against each of them. A new
// provider is done when its actions pass.
package exercise

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Subject is an action with an effect, beside a double of its provider that tells what really happened.
type Subject struct {
	Action    activities.Action
	Input     any
	Files     activities.Files // nil if the action doesn't touch the workspace
	LeaseEnds *time.Time

	Made  func() int64 // how often the provider has really made the effect
	There func() bool  // whether the effect exists now
	// LoseAnswer makes the provider do the next effect and lose its answer.
	LoseAnswer func()
	// Throttle makes the provider refuse the next call and ask to come back after a time; nil if it never does.
	Throttle func(after time.Duration)
	// Twin is something that looks like the effect and that somebody else made.
	Twin Twin
	// TakeAway ends what the action has granted as somebody else would; needed if the action checks.
	TakeAway func()
	// Secrets are what must not be seen: our credential and what the effect has made.
	Secrets func() []string
}

// Meeting is what an action does when it meets a twin.
type Meeting int

const (
	Refuses Meeting = iota // the place is taken: a Conflict
	Joins                  // the effect is there and can't be told apart: not made again, not taken away
	Ignores                // ours is made beside it
)

// Twin is somebody else's thing.
type Twin struct {
	Meeting   Meeting
	Plant     func()
	Untouched func() bool
}

// Exercise runs every promise, each against a subject of its own.
func Exercise(t *testing.T, newSubject func(t *testing.T) Subject) {
	t.Helper()
	for name, holds := range map[string]func(*testing.T, *attempts){
		"PreviewMakesNothing":      previewMakesNothing,
		"ForeseeSeesTheTwin":       foreseeSeesTheTwin,
		"DoTwiceCreatesOnce":       doTwiceCreatesOnce,
		"LostResponseIsFoundAgain": lostResponseIsFoundAgain,
		"LostResponseIsUndone":     lostResponseIsUndone,
		"ForeignTwinIsAConflict":   foreignTwinIsAConflict,
		"UndoOfNothingIsNoError":   undoOfNothingIsNoError,
		"DoAfterUndoMakesItAgain":  doAfterUndoMakesItAgain,
		"UndoLeavesForeignThings":  undoLeavesForeignThings,
		"ThrottlingCarriesATime":   throttlingCarriesATime,
		"CanaryAppearsNowhere":     canaryAppearsNowhere,
		"CheckSeesAndChangesNone":  checkSeesAndChangesNone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, newAttempts(t, newSubject(t)))
		})
	}
}

func previewMakesNothing(t *testing.T, a *attempts) {
	require.True(t, a.Action.Info().Preview, "an action with an effect says what it would do")
	preview, err := a.preview()
	require.NoError(t, err)
	require.NotEmpty(t, preview.Would)
	require.Zero(t, a.Made())
	require.False(t, a.There())

	output, err := a.do()
	require.NoError(t, err)
	require.Equal(t, names(t, output), names(t, preview.Output), "what follows finds the same outputs in a dry run")
}

// What is foreseen is what would be met, and looking changes nothing.
func foreseeSeesTheTwin(t *testing.T, a *attempts) {
	if !a.Action.Info().Foresees {
		require.Equal(t, Ignores, a.Twin.Meeting, "what can be in the way can be foreseen")
		return
	}
	before := a.Made()
	alone, err := a.foresee()
	require.NoError(t, err)
	require.False(t, a.There())
	a.Twin.Plant()
	planted := a.Made()
	met, err := a.foresee()
	switch a.Twin.Meeting {
	case Refuses:
		require.ErrorIs(t, err, fault.Conflict)
	case Joins:
		require.NoError(t, err)
		require.Greater(t, len(met), len(alone))
	case Ignores:
		require.NoError(t, err)
	}
	if a.Throttle != nil && a.Twin.Meeting != Ignores {
		a.Throttle(time.Second)
		_, err = a.foresee()
		require.ErrorIs(t, err, fault.RateLimited, "what can't be seen is not known")
	}
	require.Zero(t, before)
	require.Equal(t, planted, a.Made())
	require.True(t, a.Twin.Untouched())
}

func names(t *testing.T, object json.RawMessage) []string {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &fields))
	return slices.Sorted(maps.Keys(fields))
}

func doTwiceCreatesOnce(t *testing.T, a *attempts) {
	first, err := a.do()
	require.NoError(t, err)
	second, err := a.do()
	require.NoError(t, err)
	require.JSONEq(t, string(first), string(second))
	require.EqualValues(t, 1, a.Made())
	require.True(t, a.There())
}

func lostResponseIsFoundAgain(t *testing.T, a *attempts) {
	a.LoseAnswer()
	_, err := a.do()
	require.Error(t, err)
	require.False(t, fault.KindOf(err).Final(), "a lost answer must be tried again: %v", err)
	require.EqualValues(t, 1, a.Made(), "the provider did it")
	_, err = a.do()
	require.NoError(t, err)
	require.EqualValues(t, 1, a.Made())
	require.True(t, a.There())
}

// A run that gives up doesn't know whether the effect is there.
func lostResponseIsUndone(t *testing.T, a *attempts) {
	a.LoseAnswer()
	_, err := a.do()
	require.Error(t, err)
	require.EqualValues(t, 1, a.Made(), "the provider did it")
	require.NoError(t, a.undo(nil))
	require.False(t, a.There())
}

func foreignTwinIsAConflict(t *testing.T, a *attempts) {
	a.Twin.Plant()
	before := a.Made()
	_, err := a.do()
	switch a.Twin.Meeting {
	case Refuses:
		require.ErrorIs(t, err, fault.Conflict)
		require.Equal(t, before, a.Made())
	case Joins:
		require.NoError(t, err)
		require.Equal(t, before, a.Made())
	case Ignores:
		require.NoError(t, err)
		require.Equal(t, before+1, a.Made())
	}
	require.True(t, a.Twin.Untouched())
}

func undoOfNothingIsNoError(t *testing.T, a *attempts) {
	require.NoError(t, a.undo(nil))
	output, err := a.do()
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, a.undo(output))
		require.False(t, a.There())
	}
}

// A run that is tried again uses the keys of the first.
func doAfterUndoMakesItAgain(t *testing.T, a *attempts) {
	for range 2 {
		output, err := a.do()
		require.NoError(t, err)
		require.True(t, a.There())
		require.NoError(t, a.undo(output))
		require.False(t, a.There())
	}
}

func undoLeavesForeignThings(t *testing.T, a *attempts) {
	a.Twin.Plant()
	output, err := a.do()
	if err != nil {
		output = nil
	}
	require.NoError(t, a.undo(output))
	require.True(t, a.Twin.Untouched())
}

func throttlingCarriesATime(t *testing.T, a *attempts) {
	if a.Throttle == nil {
		return
	}
	const after = 7 * time.Second
	a.Throttle(after)
	_, err := a.do()
	require.ErrorIs(t, err, fault.RateLimited)
	require.InDelta(t, after.Seconds(), fault.From(err).RetryAfter.Seconds(), 3)
	_, err = a.do()
	require.NoError(t, err)
	require.EqualValues(t, 1, a.Made())
}

// What gives people access sees when somebody else has taken it away, and puts nothing back.
func checkSeesAndChangesNone(t *testing.T, a *attempts) {
	if !a.Action.Info().Checks {
		return
	}
	output, err := a.do()
	require.NoError(t, err)
	standing, err := a.check(output)
	require.NoError(t, err)
	require.Empty(t, standing.Drift, standing.Says)
	if a.Throttle != nil {
		a.Throttle(time.Second)
		_, err := a.check(output)
		require.ErrorIs(t, err, fault.RateLimited, "what can't be seen is not gone")
	}
	a.TakeAway()
	made := a.Made()
	for range 2 {
		standing, err = a.check(output)
		require.NoError(t, err)
		require.Equal(t, activities.Gone, standing.Drift)
		require.NotEmpty(t, standing.Says)
	}
	require.Equal(t, made, a.Made())
	require.NoError(t, a.undo(output), "what is gone can still be ended")
	require.False(t, a.There())
}

func canaryAppearsNowhere(t *testing.T, a *attempts) {
	if a.Throttle != nil {
		a.Throttle(time.Second)
		_, err := a.do()
		require.Error(t, err)
	}
	a.LoseAnswer()
	_, err := a.do()
	require.Error(t, err)
	output, err := a.do()
	require.NoError(t, err)
	secrets := a.Secrets()
	require.NotEmpty(t, secrets)
	require.NoError(t, a.undo(output))
	for _, s := range secrets {
		require.NotEmpty(t, s)
		for _, seen := range a.seen {
			require.NotContains(t, seen, s)
		}
	}
}

// attempts are the attempts of one call, as the worker makes them.
type attempts struct {
	Subject
	ctx    context.Context
	memory *Memory
	seen   []string // outputs, errors with their causes, lines and memories
}

func newAttempts(t *testing.T, s Subject) *attempts {
	return &attempts{Subject: s, ctx: t.Context(), memory: NewMemory()}
}

func (a *attempts) call() *activities.Call {
	call := a.memory.Call()
	call.Files, call.LeaseEnds = a.Files, a.LeaseEnds
	return call
}

func (a *attempts) preview() (activities.Preview[json.RawMessage], error) {
	input, err := json.Marshal(a.Input)
	if err != nil {
		return activities.Preview[json.RawMessage]{}, err
	}
	return a.Action.Preview(a.ctx, a.call(), input)
}

func (a *attempts) foresee() ([]string, error) {
	input, err := json.Marshal(a.Input)
	if err != nil {
		return nil, err
	}
	met, err := a.Action.Foresee(a.ctx, a.call(), input)
	a.look(json.RawMessage(strings.Join(met, "; ")), err)
	return met, err
}

func (a *attempts) do() (json.RawMessage, error) {
	input, err := json.Marshal(a.Input)
	if err != nil {
		return nil, err
	}
	output, err := a.Action.Do(a.ctx, a.call(), input)
	a.look(output, err)
	return output, err
}

func (a *attempts) undo(output json.RawMessage) error {
	input, err := json.Marshal(a.Input)
	if err != nil {
		return err
	}
	err = a.Action.Undo(a.ctx, a.call(), input, output, "a test takes it back")
	a.look(nil, err)
	return err
}

func (a *attempts) check(output json.RawMessage) (activities.Standing, error) {
	input, err := json.Marshal(a.Input)
	if err != nil {
		return activities.Standing{}, err
	}
	standing, err := a.Action.Check(a.ctx, a.call(), input, output)
	a.look(json.RawMessage(fmt.Sprint(standing)), err)
	return standing, err
}

func (a *attempts) look(output json.RawMessage, err error) {
	a.seen = append(a.seen, string(output))
	if err != nil {
		f := fault.From(err)
		a.seen = append(a.seen, err.Error(), fmt.Sprintf("%+v %v %v", f, f.Cause, fault.Seal(err)))
	}
	a.seen = append(a.seen, a.memory.Seen()...)
}
