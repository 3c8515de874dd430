package run

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// land is a provider where things are.
type land struct {
	things  map[string]bool
	refuses error
	undone  []thing // outputs
}

func (l *land) action() activities.Action {
	return maker(func(_ context.Context, _ *activities.Call, in thing) (thing, error) {
		l.things[in.Name] = true
		return in, nil
	}, func(s *activities.Spec[thing, thing]) {
		s.Undo = func(_ context.Context, _ *activities.Call, in, out thing, _ string) error {
			if l.refuses != nil {
				return l.refuses
			}
			delete(l.things, in.Name)
			l.undone = append(l.undone, out)
			return nil
		}
	})
}

func (l *land) names() (names []string) {
	for name := range l.things {
		names = append(names, name)
	}
	return names
}

func retried(input string) activities.Invocation {
	in := invocation(input)
	in.Run.Attempt = 1
	return in
}

func TestDo_AgainWithAnotherInput_UndoesWhatWasDoneBefore(t *testing.T) {
	t.Parallel()
	l := &land{things: map[string]bool{}}
	b := newBench(t, nil, l.action())
	_, err := b.Do(t.Context(), "test:make", invocation(`{"name":"a<b"}`))
	require.NoError(t, err)
	_, err = b.Do(t.Context(), "test:make", retried(`{ "name": "a\u003cb" }`))
	require.NoError(t, err)
	require.Empty(t, l.undone, "the same input adopts what is there")
	_, err = b.Do(t.Context(), "test:make", retried(`{"name":"c"}`))
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, l.names())
	require.Equal(t, []thing{{"a<b"}}, l.undone)
	key := info().Task + "/make"
	require.Equal(t, []string{"begins " + key, "done " + key, "begins " + key, "done " + key, "undone " + key, "begins " + key, "done " + key}, b.journal.effects)
}

func TestDo_WhatWasDoneBeforeCantBeUndone_IsInTheWayAndNotForgotten(t *testing.T) {
	t.Parallel()
	l := &land{things: map[string]bool{}}
	b := newBench(t, nil, l.action())
	_, err := b.Do(t.Context(), "test:make", invocation(`{"name":"a"}`))
	require.NoError(t, err)
	for _, c := range []struct {
		refuses error
		kind    fault.Kind
		says    string
	}{
		{fault.New(fault.Conflict, "a has new commits"), fault.Conflict, "what step Make it has done before with another input is in the way, and can't be undone: a has new commits"},
		{fault.New(fault.Denied, "no right"), fault.Conflict, "no right"},
		{fault.New(fault.Unavailable, "down"), fault.Unavailable, "down"},
	} {
		l.refuses = c.refuses
		_, err = b.Do(t.Context(), "test:make", retried(`{"name":"b"}`))
		require.Equal(t, c.kind, fault.Unseal(err).Kind)
		require.Contains(t, err.Error(), c.says)
		require.Equal(t, []string{"a"}, l.names())
	}

	// The run undoes the call that failed; that must not pass for an undo of the one before.
	l.refuses = nil
	require.NoError(t, b.Undo(t.Context(), "test:make", activities.UndoInvocation{Invocation: retried(`{"name":"b"}`), Why: "the run failed"}))
	require.Empty(t, l.undone)
	before, found, err := b.journal.EffectOf(t.Context(), info().Task+"/make")
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, b.Undo(t.Context(), "test:make", activities.UndoInvocation{Invocation: before.Call, Output: json.RawMessage(`{"name":"a"}`)}))
	require.Empty(t, l.names())
}
