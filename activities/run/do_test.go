package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/workspace"
)

type thing struct {
	Name string `json:"name,omitempty"`
}

// maker is an action test:make that does what a test says.
func maker(do func(context.Context, *activities.Call, thing) (thing, error), change ...func(*activities.Spec[thing, thing])) activities.Action {
	spec := activities.Spec[thing, thing]{
		ID: "test:make", Description: "Makes a thing.", Examples: examples(), Queue: activities.GitHubQueue, Do: do,
		Undo: func(context.Context, *activities.Call, thing, thing, string) error { return nil },
	}
	for _, c := range change {
		c(&spec)
	}
	return activities.Define(spec)
}

func echo(_ context.Context, call *activities.Call, in thing) (thing, error) {
	call.Log("made %s", in.Name)
	return in, nil
}

func TestDo_RepeatedAttempt_TellsTheJournalOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(echo))
	b.Register(b.env, activities.GitHubQueue)
	for range 2 {
		value, err := b.env.ExecuteActivity("test:make", invocation(`{"name":"x"}`))
		require.NoError(t, err)
		var out activities.Outcome
		require.NoError(t, value.Get(&out))
		require.JSONEq(t, `{"name":"x"}`, string(out.Output))
		require.Empty(t, out.Layer)
	}
	require.Equal(t, []event{
		{"make", "processing", "Beginning step Make it"},
		{"make", "", infoMark + "made x"},
		{"make", "completed", "Finished step Make it"},
	}, b.journal.events)
	require.Len(t, b.journal.audits, 1)
	audit := b.journal.audits[0]
	require.Equal(t, StepDone, audit["kind"])
	require.Equal(t, "user:default/rosa", audit["actor"])
	require.Equal(t, "test:make", audit["action"])
	require.Equal(t, info().Task+"/make", audit["key"])
}

func TestDo_Iterations_BeginAndEndOnceForTheStep(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(echo))
	for i, key := range []string{"0", "1"} {
		in := invocation(`{"name":"` + key + `"}`)
		in.Iteration, in.First, in.Last = key, i == 0, i == 1
		in.Says = []string{`Running step each: {"key":"` + key + `","value":"v"}`}
		_, err := b.Do(t.Context(), "test:make", in)
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"Beginning step Make it", infoMark + `Running step each: {"key":"0","value":"v"}`, infoMark + "made 0",
		infoMark + `Running step each: {"key":"1","value":"v"}`, infoMark + "made 1", "Finished step Make it",
	}, b.journal.messages())
	require.Len(t, b.journal.audits, 2)
}

func TestDo_Fault_SealedWithItsKindAndWithoutItsCause(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]struct {
		err       error
		kind      fault.Kind
		retryable bool
		says      string
	}{
		"final":     {fault.Wrap(fault.Denied, errors.New("canary"), "not allowed"), fault.Denied, false, "not allowed"},
		"retryable": {&fault.Error{Kind: fault.RateLimited, Public: "slow down", RetryAfter: 7 * time.Second}, fault.RateLimited, true, "slow down"},
		"unknown":   {errors.New("canary"), fault.Internal, true, "something went wrong on our side"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil, maker(func(context.Context, *activities.Call, thing) (thing, error) { return thing{}, failing.err }))
			_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, string(failing.kind), app.Type())
			require.Equal(t, !failing.retryable, app.NonRetryable())
			require.Contains(t, app.Message(), failing.says)
			require.NotContains(t, fmt.Sprintf("%+v %v", err, b.journal.messages()), "canary")
			require.Empty(t, b.journal.audits)
			if failing.retryable {
				require.Contains(t, b.journal.messages()[1], "Attempt 1 did not succeed: ")
			} else {
				require.Len(t, b.journal.events, 1)
			}
		})
	}
}

func TestDo_PanicUnknownActionAndBadInput_AreFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(func(context.Context, *activities.Call, thing) (thing, error) { panic("canary") }))
	_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
	require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
	require.NotContains(t, err.Error(), "canary")
	_, err = b.Do(t.Context(), "test:nothing", invocation(`{}`))
	require.Equal(t, fault.NotFound, fault.Unseal(err).Kind)
	_, err = b.Do(t.Context(), "test:make", invocation(`{"nmae":"x"}`))
	require.Equal(t, fault.Invalid, fault.Unseal(err).Kind)
	require.Contains(t, err.Error(), "nmae")
}

func TestDo_JournalDown_UnavailableAndNotDone(t *testing.T) {
	t.Parallel()
	called := false
	b := newBench(t, nil, maker(func(context.Context, *activities.Call, thing) (thing, error) { called = true; return thing{}, nil }))
	b.journal.down = true
	_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
	require.NotContains(t, err.Error(), "10.0.0.7")
	require.False(t, called)
}

func TestDo_LineLost_AttemptFails(t *testing.T) {
	t.Parallel()
	var b *bench
	b = newBench(t, nil, maker(func(_ context.Context, call *activities.Call, _ thing) (thing, error) {
		b.journal.down = true
		call.Log("lost")
		b.journal.down = false
		return thing{}, nil
	}))
	_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
}

func TestOnce_SecondAttempt_RemembersTheFirst(t *testing.T) {
	t.Parallel()
	asked := 0
	b := newBench(t, nil, maker(func(ctx context.Context, call *activities.Call, _ thing) (out thing, err error) {
		err = call.Once(ctx, "before", &out.Name, func(context.Context) (any, error) {
			if asked++; asked == 1 {
				return nil, fault.New(fault.Unavailable, "not now")
			}
			return fmt.Sprint("asked ", asked), nil
		})
		return out, err
	}))
	_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
	require.Error(t, err)
	for range 2 {
		out, err := b.Do(t.Context(), "test:make", invocation(`{}`))
		require.NoError(t, err)
		require.JSONEq(t, `{"name":"asked 2"}`, string(out.Output))
	}
	other := invocation(`{}`)
	other.Iteration = "1"
	out, err := b.Do(t.Context(), "test:make", other)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"asked 3"}`, string(out.Output))
}

func TestDo_Workspace_LayersInAndOut(t *testing.T) {
	t.Parallel()
	writes := maker(func(_ context.Context, call *activities.Call, in thing) (thing, error) {
		before, err := fs.ReadFile(call.Files, "log.txt")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return thing{}, err
		}
		return in, call.Files.WriteFile("log.txt", append(before, in.Name...), 0o644)
	}, func(s *activities.Spec[thing, thing]) { s.Workspace = plan.Writes })
	b := newBench(t, nil, writes)
	first, err := b.Do(t.Context(), "test:make", invocation(`{"name":"a"}`))
	require.NoError(t, err)
	again, err := b.Do(t.Context(), "test:make", invocation(`{"name":"a"}`))
	require.NoError(t, err)
	require.Equal(t, first.Layer, again.Layer, "a repeated attempt makes the same layer")
	in := invocation(`{"name":"b"}`)
	in.Layers = []string{first.Layer}
	second, err := b.Do(t.Context(), "test:make", in)
	require.NoError(t, err)
	w, err := workspace.Open(t.Context(), b.blobs, []string{first.Layer, second.Layer})
	require.NoError(t, err)
	content, err := w.ReadFile("log.txt")
	require.NoError(t, err)
	require.Equal(t, "ab", string(content))
}

func TestDo_ActionThatOnlyReads_CannotWrite(t *testing.T) {
	t.Parallel()
	for _, write := range []func(activities.Files) error{
		func(f activities.Files) error { return f.WriteFile("x", nil, 0) },
		func(f activities.Files) error { return f.Mkdir("x") },
		func(f activities.Files) error { return f.Symlink("y", "x") },
		func(f activities.Files) error { return f.Remove("x") },
	} {
		b := newBench(t, nil, maker(func(_ context.Context, call *activities.Call, _ thing) (thing, error) {
			return thing{}, write(call.Files)
		}, func(s *activities.Spec[thing, thing]) { s.Workspace = plan.Reads }))
		_, err := b.Do(t.Context(), "test:make", invocation(`{}`))
		require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
	}
}

func TestUndo_TakesBackWithTheSameKeyAndIsAudited(t *testing.T) {
	t.Parallel()
	var key, why string
	var got [2]thing
	b := newBench(t, nil, maker(echo, func(s *activities.Spec[thing, thing]) {
		s.Undo = func(_ context.Context, call *activities.Call, in, out thing, because string) error {
			key, why, got = call.Key, because, [2]thing{in, out}
			call.Log("taken back")
			return nil
		}
	}))
	b.Register(b.env, activities.GitHubQueue)
	for range 2 {
		_, err := b.env.ExecuteActivity("test:make.undo", activities.UndoInvocation{
			Invocation: invocation(`{"name":"in"}`), Output: json.RawMessage(`{"name":"out"}`), Why: "the run failed: x",
		})
		require.NoError(t, err)
	}
	require.Equal(t, info().Task+"/make", key)
	require.Equal(t, "the run failed: x", why)
	require.Equal(t, [2]thing{{"in"}, {"out"}}, got)
	require.Equal(t, []string{infoMark + "taken back"}, b.journal.messages())
	require.Len(t, b.journal.audits, 1)
	require.Equal(t, StepUndone, b.journal.audits[0]["kind"])
	require.Equal(t, "the run failed: x", b.journal.audits[0]["why"])
}

func TestUndo_TriedForEver_SaysSoOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(echo, func(s *activities.Spec[thing, thing]) {
		s.Undo = func(context.Context, *activities.Call, thing, thing, string) error {
			return fault.New(fault.Unavailable, "down")
		}
	}))
	for range 3 {
		err := b.Undo(t.Context(), "test:make", activities.UndoInvocation{Invocation: invocation(`{}`), Output: json.RawMessage(`{}`)})
		require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
	}
	require.Equal(t, []string{warnMark + "Attempt 1 to undo this step did not succeed: down"}, b.journal.messages())
}

func TestDo_RunCancelled_EndsAsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(func(ctx context.Context, _ *activities.Call, _ thing) (thing, error) {
		<-ctx.Done()
		return thing{}, fault.Wrap(fault.Unavailable, ctx.Err(), "interrupted")
	}))
	b.Register(b.env, activities.GitHubQueue)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	_, err := b.env.ExecuteActivity("test:make", invocation(`{}`))
	require.True(t, temporal.IsCanceledError(err), "%v", err)
}

type registered struct{ names []string }

func (r *registered) RegisterActivityWithOptions(_ any, options activity.RegisterOptions) {
	r.names = append(r.names, options.Name)
}

func TestRegister_EveryQueueGetsItsOwnAndTheMainOneTheLocal(t *testing.T) {
	t.Parallel()
	local := activities.Define(activities.Spec[thing, thing]{
		ID: "test:say", Description: "Says.", Examples: examples(), Local: true, Queue: activities.GitHubQueue, Do: echo,
	})
	b := newBench(t, nil, maker(echo), local)
	github, main := &registered{}, &registered{}
	b.Register(github, activities.GitHubQueue)
	b.Register(main, activities.MainQueue)
	require.ElementsMatch(t, []string{"gildway:check-grants", "test:make", "test:make.undo", "test:say"}, github.names)
	require.ElementsMatch(t, []string{"gildway:evaluate", "gildway:outputs", "gildway:record", "gildway:attempt", "gildway:effects", "gildway:effects-page", "gildway:leftover", "gildway:items", "gildway:gather", "gildway:grants", "gildway:unchecked", "gildway:check-grants", "test:say"}, main.names)
}
