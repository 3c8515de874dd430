package run

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// What a step remembers lasts through a retry of its task, unless the step was undone in between.
func TestRetry_RememberedCall_AnswersUntilItIsUndone(t *testing.T) {
	t.Parallel()
	made := 0
	b := newBench(t, nil, maker(func(ctx context.Context, call *activities.Call, in thing) (out thing, err error) {
		err = call.Once(ctx, "made", &out.Name, func(context.Context) (any, error) { made++; return in.Name, nil })
		return out, err
	}))
	do := func(attempt int) {
		t.Helper()
		in := invocation(`{"name":"x"}`)
		in.Run.Attempt = attempt
		_, err := b.Do(t.Context(), "test:make", in)
		require.NoError(t, err)
	}
	do(0)
	do(1)
	require.Equal(t, 1, made)
	undo := activities.UndoInvocation{Invocation: invocation(`{"name":"x"}`), Why: "the run failed"}
	undo.Run.Attempt = 1
	require.NoError(t, b.Undo(t.Context(), "test:make", undo))
	do(2)
	require.Equal(t, 2, made)

	var begun int
	for _, e := range b.journal.events {
		if e.Message == "Beginning step Make it" {
			begun++
		}
	}
	require.Equal(t, 3, begun, "every attempt has lines of its own")
	require.Len(t, b.journal.audits, 4)
}

func TestIsOver_LaterAttempt_HasNothingLeftToDo(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.journal.attempt = 1
	for attempt, want := range map[int]bool{0: true, 1: false} {
		over, err := b.IsOver(t.Context(), activities.Attempt{Task: "t", Number: attempt})
		require.NoError(t, err)
		require.Equal(t, want, over)
	}
}

func TestRetry_Secrets_AreThoseOfTheAttempt(t *testing.T) {
	t.Parallel()
	asked := askedFor{}
	b := newBench(t, &asked, maker(echo))
	in := invocation(`{"name":"x"}`)
	in.Run.Secrets, in.Run.Attempt = true, 2
	_, err := b.Do(t.Context(), "test:make", in)
	require.NoError(t, err)
	require.Equal(t, askedFor{in.Run.Task + "@2"}, asked)
}

type askedFor []string

func (a *askedFor) Get(_ context.Context, task string) (map[string]string, error) {
	*a = append(*a, task)
	return map[string]string{}, nil
}

// A lease outlives its run, whose secrets end with it.
func TestUndo_SecretsAreGone_IsUndoneWithoutThem(t *testing.T) {
	t.Parallel()
	var seen thing
	b := newBench(t, forgotten{}, maker(echo, func(s *activities.Spec[thing, thing]) {
		s.Undo = func(_ context.Context, _ *activities.Call, in, _ thing, _ string) error { seen = in; return nil }
	}))
	in := invocation(`{"name":{"$gildway:secret":{"source":"${{ secrets.PASS }}"}}}`)
	in.Run.Secrets = true
	_, err := b.Do(t.Context(), "test:make", in)
	require.Equal(t, fault.NotFound, fault.Unseal(err).Kind, "what needs them is not done without them")
	require.NoError(t, b.Undo(t.Context(), "test:make", activities.UndoInvocation{Invocation: in, Why: "the lease ended"}))
	require.Equal(t, thing{}, seen)
}

type forgotten struct{}

func (forgotten) Get(context.Context, string) (map[string]string, error) {
	return nil, fault.New(fault.NotFound, "the secrets of this run are no longer kept")
}
