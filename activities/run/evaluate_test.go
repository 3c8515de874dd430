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

func evaluateInput(values string, step plan.Step) activities.EvaluateInput {
	step.ID, step.Action = "make", "test:make"
	in := activities.EvaluateInput{Run: info(), Step: step, Scope: activities.Scope{Steps: map[string]json.RawMessage{
		"first-step": json.RawMessage(`{"output":{"list":["a","b"],"n":2}}`),
	}}}
	in.Run.Values = json.RawMessage(values)
	return in
}

// anything is an action test:make that takes whatever it is given.
func anything() activities.Action {
	return activities.Define(activities.Spec[map[string]any, map[string]any]{
		ID: "test:make", Description: "Takes anything.", Examples: examples(), WhyNoUndo: "it is a test",
		Do: func(_ context.Context, _ *activities.Call, in map[string]any) (map[string]any, error) { return in, nil },
	})
}

func TestEvaluate_If_ByBackstagesRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		when        string
		runs, asked bool
		failed      bool
	}{
		"absent":                {``, true, false, false},
		"true":                  {`true`, true, false, false},
		"false":                 {`false`, false, false, false},
		"null":                  {`null`, true, false, false},
		"parameter":             {`"${{ parameters.yes }}"`, true, false, false},
		"missing":               {`"${{ parameters.none }}"`, false, false, false},
		"text false":            {`"false"`, true, false, false},
		"rendered text false":   {`"${{ parameters.no }} "`, true, false, false},
		"empty array":           {`"${{ parameters.empty }}"`, false, false, false},
		"array":                 {`"${{ steps['first-step'].output.list }}"`, true, false, false},
		"empty object":          {`"${{ parameters.object }}"`, true, false, false},
		"unparseable":           {`"${{ parameters. }}"`, true, false, false},
		"secrets are not there": {`"${{ secrets.token }}"`, false, false, false},
		"always":                {`"${{ always() }}"`, true, true, true},
		"failure after one":     {`"${{ failure() }}"`, true, true, true},
		"failure without":       {`"${{ failure() }}"`, false, true, false},
		"not called":            {`"${{ parameters.no and failure() }}"`, false, false, true},
		"named, not called":     {`"always()"`, true, false, true},
		"user":                  {`"${{ user.entity.metadata.name == 'rosa' and user.ref and context.task.id }}"`, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, secretsOf{"token": "x"}, anything())
			in := evaluateInput(`{"yes":true,"no":false,"empty":[],"object":{}}`, plan.Step{If: json.RawMessage(c.when)})
			in.Scope.Failed = c.failed
			out, err := b.Evaluate(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, !c.runs, out.Skip)
			require.Equal(t, c.asked, out.CheckedFailure)
			require.False(t, out.Looped)
		})
	}
}

func TestEvaluate_Input_TypedAndUndefinedLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	out, err := b.Evaluate(t.Context(), evaluateInput(`{"n":5,"text":"${{ user.ref }}"}`, plan.Step{Input: json.RawMessage(
		`{"n":"${{ parameters.n }}","s":"n=${{ parameters.n }}","none":"${{ parameters.none }}","bad":"${{ x | nope }}",
		"list":["${{ parameters.none }}",1],"text":"${{ parameters.text }}","from":"${{ steps['first-step'].output.n }}","p":"${{ environment.parameters }}"}`)}))
	require.NoError(t, err)
	require.Len(t, out.Items, 1)
	require.JSONEq(t, `{"n":5,"s":"n=5","bad":"${{ x | nope }}","list":[null,1],"text":"${{ user.ref }}","from":2,"p":{}}`, string(out.Items[0].Input))

	out, err = b.Evaluate(t.Context(), evaluateInput(``, plan.Step{}))
	require.NoError(t, err)
	require.Equal(t, []activities.Item{{Input: json.RawMessage(`{}`)}}, out.Items)
}

func TestEvaluate_Each_ArraysObjectsAndConditions(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	input := json.RawMessage(`{"k":"${{ each.key }}","v":"${{ each.value }}"}`)
	out, err := b.Evaluate(t.Context(), evaluateInput(`{"m":{"b":1,"2":2,"a":3}}`, plan.Step{
		Each: json.RawMessage(`"${{ parameters.m }}"`), If: json.RawMessage(`"${{ each.value != 1 }}"`), Input: input,
	}))
	require.NoError(t, err)
	require.True(t, out.Looped)
	require.False(t, out.Skip)
	require.Equal(t, []activities.Item{
		{Key: "2", Says: []string{`Running step each: {"key":"2","value":"2"}`}, Input: json.RawMessage(`{"k":"2","v":2}`)},
		{Key: "b", Skip: true},
		{
			Key: "a", Says: []string{`Skipping step each: {"key":"b","value":"1"}`, `Running step each: {"key":"a","value":"3"}`},
			Input: json.RawMessage(`{"k":"a","v":3}`),
		},
	}, out.Items)

	out, err = b.Evaluate(t.Context(), evaluateInput(`{"x":"y"}`, plan.Step{Each: json.RawMessage(`["${{ parameters.x }}",{"z":1}]`), Input: input}))
	require.NoError(t, err)
	require.JSONEq(t, `{"k":"0","v":"y"}`, string(out.Items[0].Input))
	require.JSONEq(t, `{"k":"1","v":{"z":1}}`, string(out.Items[1].Input))

	out, err = b.Evaluate(t.Context(), evaluateInput(``, plan.Step{Each: json.RawMessage(`[]`)}))
	require.NoError(t, err)
	require.True(t, out.Looped)
	require.Empty(t, out.Items)

	out, err = b.Evaluate(t.Context(), evaluateInput(``, plan.Step{Each: json.RawMessage(`[1]`), If: json.RawMessage(`false`)}))
	require.NoError(t, err)
	require.True(t, out.Skip)

	for each, says := range map[string]string{
		`"${{ parameters.none }}"`: `Invalid value on action test:make.each parameter, "${{ parameters.none }}" cannot be resolved to a value`,
		`"${{ secrets.list }}"`:    `Invalid value on action test:make.each parameter, "${{ secrets.list }}" cannot be resolved to a value`,
		`"text"`:                   `Invalid value on action test:make.each parameter, must resolve to an array or object`,
		`5`:                        `Invalid value on action test:make.each parameter, must resolve to an array or object`,
		`null`:                     `Invalid value on action test:make.each parameter, must resolve to an array or object`,
		`true`:                     `Invalid value on action test:make.each parameter, must resolve to an array or object`,
	} {
		_, err = b.Evaluate(t.Context(), evaluateInput(``, plan.Step{Each: json.RawMessage(each)}))
		f := fault.Unseal(err)
		require.Equal(t, fault.Invalid, f.Kind, each)
		require.Equal(t, says, f.Public)
	}
}

func TestEvaluate_Switch_FirstTrueBranch(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for size, want := range map[string]string{`"large"`: "large", `"small"`: "small", `"?"`: "other"} {
		step := plan.Step{Kind: plan.SwitchStep, Branches: []plan.Branch{
			{Name: "large", If: json.RawMessage(`"${{ parameters.size == 'large' }}"`)},
			{Name: "small", If: json.RawMessage(`"${{ parameters.size == 'small' }}"`)},
			{Name: "other"},
		}}
		out, err := b.Evaluate(t.Context(), evaluateInput(`{"size":`+size+`}`, step))
		require.NoError(t, err)
		require.Equal(t, activities.Evaluated{Branch: want}, out)

		step.Branches = step.Branches[:1]
		out, err = b.Evaluate(t.Context(), evaluateInput(`{"size":"none"}`, step))
		require.NoError(t, err)
		require.Equal(t, activities.Evaluated{}, out)

		step.If = json.RawMessage(`"${{ parameters.none }}"`)
		out, err = b.Evaluate(t.Context(), evaluateInput(`{}`, step))
		require.NoError(t, err)
		require.Equal(t, activities.Evaluated{Skip: true}, out)
	}
}

func TestEvaluate_AfterAFailure_OnlyWhatAskedForIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	for name, c := range map[string]struct {
		step plan.Step
		runs bool
	}{
		"not asked":         {plan.Step{If: json.RawMessage(`true`), Input: json.RawMessage(`{"a":"${{ failure() }}"}`)}, false},
		"asked in the loop": {plan.Step{If: json.RawMessage(`"${{ failure() and each.value }}"`), Each: json.RawMessage(`[1]`)}, true},
		"loop, not asked":   {plan.Step{If: json.RawMessage(`"${{ each.value and failure() }}"`), Each: json.RawMessage(`[1]`)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := evaluateInput(`{}`, c.step)
			in.Scope.Failed = true
			out, err := b.Evaluate(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, c.runs, out.CheckedFailure)
			require.Equal(t, c.runs, len(out.Items) == 1)
		})
	}
}

// Backstage refuses a loop before its first item runs, in these words.
func TestEvaluate_InputsOfAllItems_CheckedFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"token": "canary"}, maker(echo))
	for name, c := range map[string]struct {
		step plan.Step
		says string
	}{
		"type":       {plan.Step{Input: json.RawMessage(`{"name":7}`)}, "Invalid input passed to action test:make, instance.name is not of a type(s) string"},
		"two":        {plan.Step{Input: json.RawMessage(`{"name":7,"nmae":"x"}`)}, `Invalid input passed to action test:make, instance.name is not of a type(s) string, instance is not allowed to have the additional property "nmae"`},
		"later item": {plan.Step{Each: json.RawMessage(`["a",{"b":1}]`), Input: json.RawMessage(`{"name":"${{ each.value }}"}`)}, "Invalid input passed to action test:make[1], instance.name is not of a type(s) string"},
		"skipped":    {plan.Step{Each: json.RawMessage(`["a",{"b":1}]`), If: json.RawMessage(`"${{ each.key == '0' }}"`), Input: json.RawMessage(`{"name":"${{ each.value }}"}`)}, ""},
		"secret":     {plan.Step{Input: json.RawMessage(`{"name":"${{ secrets.token | length }}"}`)}, ""},
		"reserved":   {plan.Step{Input: json.RawMessage(`{"$gildway:blob":"sha256:x"}`)}, `the input of step make has the key "$gildway:blob": what begins with "$gildway:" is reserved`},
		"unknown":    {plan.Step{Action: "no:such"}, "Template action with ID 'no:such' is not registered. See https://backstage.io/docs/features/software-templates/builtin-actions/ on how to add a new action module."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := evaluateInput(`{}`, c.step)
			if c.step.Action != "" {
				in.Step.Action = c.step.Action
			}
			_, err := b.Evaluate(t.Context(), in)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.says, fault.Unseal(err).Public)
		})
	}
}

func TestEvaluate_Environment_ParametersEverywhereSecretsOnlyInInputs(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, nil, keeper(&got, "env-canary"))
	b.environment = environmentOf(Environment{
		Parameters: map[string]string{"region": "eu"}, Secrets: map[string]secrets.Secret{"token": secrets.New("env-canary")},
	})
	out, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{
		If:    json.RawMessage(`"${{ environment.parameters.region == 'eu' and not environment.secrets.token }}"`),
		Input: json.RawMessage(`{"a":"${{ environment.secrets.token }}","b":"${{ environment.parameters.region }}"}`),
	}))
	require.NoError(t, err)
	require.Len(t, out.Items, 1)
	require.NotContains(t, string(out.Items[0].Input), "canary")
	_, err = b.Do(t.Context(), "test:make", invocation(string(out.Items[0].Input)))
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"env-canary","b":"eu"}`, string(got))
	require.Contains(t, b.journal.messages(), infoMark+"using ***")

	rendered, err := b.Outputs(t.Context(), activities.OutputsInput{Run: info(), Output: json.RawMessage(`{"r":"${{ environment.parameters.region }}","s":"${{ environment.secrets.token }}"}`)})
	require.NoError(t, err)
	require.JSONEq(t, `{"r":"eu"}`, string(rendered.Output))
}

func TestEvaluate_HostsAndLegacyTyping_ReachTheLanguage(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	b.hosts, b.legacyTyping = map[string]string{"git.acme.dev": "gitea"}, true
	out, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(
		`{"host":"${{ 'git.acme.dev?owner=o&repo=r' | parseRepoUrl | pick('repo') }}","n":"{% if true %}5{% endif %}"}`)}))
	require.NoError(t, err)
	require.JSONEq(t, `{"host":"r","n":5}`, string(out.Items[0].Input))
}
