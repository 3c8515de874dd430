package run

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

func TestBeginDry_InputWithSecretsMaskedAndWithoutItems(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"token": "canary"}, anything())
	b.environment = environmentOf(Environment{Secrets: map[string]secrets.Secret{"key": secrets.New("env-canary")}})
	in := evaluateInput(`{"p":"with canary"}`, plan.Step{
		Name: "Make it", Each: json.RawMessage(`[1]`),
		Input: json.RawMessage(`{"z":"${{ each.key }}=${{ each.value }}","a":"t ${{ secrets.token }}","e":"${{ environment.secrets.key }}","p":"${{ parameters.p }}","l":[]}`),
	})
	require.NoError(t, b.BeginDry(t.Context(), in))
	require.Equal(t, []event{
		{"make", "processing", "Beginning step Make it"},
		{"make", "", infoMark + "Running test:make in dry-run mode with inputs (secrets redacted): {\n  \"z\": \"=\",\n  \"a\": \"t ***\",\n  \"e\": \"***\",\n  \"p\": \"with ***\",\n  \"l\": []\n}"},
	}, b.journal.events)
	in.Step.Action = "no:such"
	require.ErrorIs(t, b.BeginDry(t.Context(), in), fault.NotFound)
}

func TestDoDry_WhatCanRunRuns_WhatCanSaySays_TheRestIsMadeUp(t *testing.T) {
	t.Parallel()
	preview := func(_ context.Context, call *activities.Call, in thing) (activities.Preview[thing], error) {
		if in.Name == "bad" {
			return activities.Preview[thing]{}, fault.New(fault.Denied, "canary may not")
		}
		return activities.Preview[thing]{Would: []string{"make " + in.Name}, Output: in}, nil
	}
	never := func(context.Context, *activities.Call, thing) (thing, error) { panic("it is a dry run") }
	run := newBench(t, nil, maker(echo, func(s *activities.Spec[thing, thing]) { s.RunsDry = true; s.Preview = preview }))
	say := newBench(t, secretsOf{"token": "canary"}, maker(never, func(s *activities.Spec[thing, thing]) { s.Preview = preview }))
	rest := newBench(t, nil, maker(never))

	out, would, err := run.DoDry(t.Context(), "test:make", invocation(`{"name":"x"}`))
	require.NoError(t, err)
	require.Empty(t, would)
	require.JSONEq(t, `{"name":"x"}`, string(out.Output))
	require.Equal(t, []string{"Beginning step Make it", infoMark + "made x", "Finished step Make it"}, run.journal.messages())
	require.Empty(t, run.journal.audits)

	in := invocation(`{"name":"canary"}`)
	in.Run.Secrets = true
	out, would, err = say.DoDry(t.Context(), "test:make", in)
	require.NoError(t, err)
	require.Equal(t, Would{Do: []string{"make ***"}}, would)
	require.JSONEq(t, `{"name":"***"}`, string(out.Output))
	require.Equal(t, []string{"Beginning step Make it", infoMark + "Would make ***", "Finished step Make it"}, say.journal.messages())
	in.Input = json.RawMessage(`{"name":"bad"}`)
	_, _, err = say.DoDry(t.Context(), "test:make", in)
	require.ErrorIs(t, err, fault.Denied)
	require.ErrorContains(t, err, "*** may not")

	out, would, err = rest.DoDry(t.Context(), "test:make", invocation(`{"name":"x"}`))
	require.NoError(t, err)
	require.Empty(t, would)
	require.JSONEq(t, `{"name":"<example>"}`, string(out.Output))
	require.Equal(t, []event{{"make", "skipped", "Skipping because test:make does not support dry-run"}}, rest.journal.events)

	_, _, err = rest.DoDry(t.Context(), "no:such", invocation(`{}`))
	require.ErrorIs(t, err, fault.NotFound)
}

func TestDoDry_ThatLooks_SaysWhatItWouldMeet(t *testing.T) {
	t.Parallel()
	foresee := func(_ context.Context, _ *activities.Call, in thing) ([]string, error) {
		switch in.Name {
		case "taken":
			return []string{"find it"}, fault.New(fault.Conflict, "canary has it")
		case "hidden":
			return nil, fault.New(fault.Unavailable, "it does not answer")
		}
		return []string{"find canary"}, nil
	}
	b := newBench(t, secretsOf{"token": "canary"}, maker(
		func(context.Context, *activities.Call, thing) (thing, error) { panic("it is a dry run") },
		func(s *activities.Spec[thing, thing]) {
			s.Foresee = foresee
			s.Preview = func(_ context.Context, _ *activities.Call, in thing) (activities.Preview[thing], error) {
				return activities.Preview[thing]{Would: []string{"make it"}, Output: in}, nil
			}
		}))
	dry := func(name string) Would {
		in := invocation(`{"name":"` + name + `"}`)
		in.Run.Secrets = true
		_, would, err := b.DoDry(t.Context(), "test:make", in)
		require.NoError(t, err)
		return would
	}
	require.Equal(t, Would{Do: []string{"make it"}}, dry("x"), "unless it looks")
	b.look = func(ctx context.Context, in activities.Look) (activities.Foreseen, error) {
		require.Equal(t, "test:make", in.Action)
		require.Empty(t, in.Call.Layers)
		seen, err := b.Foresee(ctx, in.Action, in.Call)
		if err != nil {
			err = fault.Unseal(err)
		}
		return seen, err
	}
	require.Equal(t, Would{Do: []string{"make it", "find ***"}}, dry("x"))
	require.Equal(t, Would{Do: []string{"make it", "find it"}, Fails: "*** has it"}, dry("taken"))
	require.Equal(t, Would{Do: []string{"make it"}}, dry("hidden"))
	require.Contains(t, b.journal.messages(), infoMark+"Could not look at what is there: it does not answer")
}

func TestExample_BySchema_AsBackstageMakesIt(t *testing.T) {
	t.Parallel()
	type inner struct {
		N float64 `json:"n"`
	}
	type out struct {
		Text  string   `json:"text"`
		Flag  bool     `json:"flag"`
		Whole int      `json:"whole"`
		List  []inner  `json:"list"`
		Known string   `json:"known" jsonschema:"example=https://x"`
		Any   any      `json:"any"`
		Names []string `json:"names"`
	}
	action := activities.Define(activities.Spec[thing, out]{
		ID: "test:make", Description: "d", Examples: examples(), WhyNoUndo: "it is a test",
		Do: func(context.Context, *activities.Call, thing) (out, error) { return out{}, nil },
	})
	b := newBench(t, nil, action)
	made, err := b.SkipDry(t.Context(), "test:make", invocation(`{}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"<example>","flag":false,"whole":"<unknown>","list":[{"n":0}],"known":"https://x","any":"<unknown>","names":["<example>"]}`, string(made.Output))
}

func TestLogAt_LevelsAndDetails_AsBackstagesLoggerShowsThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(func(_ context.Context, call *activities.Call, in thing) (thing, error) {
		require.Equal(t, "/workspaces/"+call.Run.Task, call.Root)
		call.Log("50%% of <%s>", in.Name)
		call.LogAt(activities.LogWarn, "careful", nil)
		call.LogAt(activities.LogError, "failed", map[string]any{"syscall": "lstat", "code": "E<>", "errno": -2})
		return in, nil
	}))
	_, err := b.Do(t.Context(), "test:make", invocation(`{"name":"x"}`))
	require.NoError(t, err)
	require.Equal(t, []string{
		"Beginning step Make it", "\x1b[32minfo\x1b[39m: 50% of <x>", warnMark + "careful",
		errorMark + `failed {"code":"E<>","errno":-2,"syscall":"lstat"}`, "Finished step Make it",
	}, b.journal.messages())
}
