package store

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever takes effects back page by page meets each once: what stays is not met again, and what is done meanwhile, such as
// a ticket about it, never.
func TestEffectsAfter_WhatHappensMeanwhile_ShiftsNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	task := create(t, s, "user:default/rosa")
	begin := func(name string, done bool) {
		t.Helper()
		require.NoError(t, s.EffectBegins(ctx, Effect{Key: task + "/" + name, Task: task, Step: name, Action: "x", Queue: "q", Call: json.RawMessage(`{}`)}))
		if done {
			require.NoError(t, s.EffectDone(ctx, task+"/"+name, json.RawMessage(`{}`)))
		}
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		begin(name, true)
	}
	begin("f", false)
	begin("g", false)
	begin("h", false)
	require.NoError(t, s.EffectDone(ctx, task+"/a", json.RawMessage(`{}`))) // it ended last
	granted(t, s, "user:default/rosa", "another task's")
	var met []string
	from := EffectCursor{}
	for {
		page, last, err := s.EffectsAfter(ctx, task, from, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for i, e := range page {
			met = append(met, e.Step)
			if len(met)%3 == 0 {
				require.NoError(t, s.EffectLeft(ctx, e.Key, "stays"))
				begin("ticket-"+e.Step, i == 0)
			} else {
				require.NoError(t, s.EffectUndone(ctx, e.Key, false))
			}
		}
		from = last
	}
	require.Equal(t, []string{"h", "g", "f", "a", "e", "d", "c", "b"}, met)
	page, _, err := s.EffectsAfter(ctx, task, EffectCursor{}, 10)
	require.NoError(t, err)
	require.Len(t, page, 4, "two stay, and their tickets")
}
