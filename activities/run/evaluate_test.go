package run

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

func evaluateInput(values string, step plan.Step) activities.EvaluateInput {
	step.ID = "make"
	in := activities.EvaluateInput{Run: info(), Step: step, Scope: activities.Scope{Steps: map[string]json.RawMessage{
		"first-step": json.RawMessage(`{"output":{"list":["a","b"],"n":2}}`),
	}}}
	in.Run.Values = json.RawMessage(values)
	return in
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
			b := newBench(t, secretsOf{"token": "x"})
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
	b := newBench(t, nil)
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
	b := newBench(t, nil)
	input := json.RawMessage(`{"k":"${{ each.key }}","v":"${{ each.value }}"}`)
	out, err := b.Evaluate(t.Context(), evaluateInput(`{"m":{"b":1,"2":2,"a":3}}`, plan.Step{
		Each: json.RawMessage(`"${{ parameters.m }}"`), If: json.RawMessage(`"${{ each.value != 1 }}"`), Input: input,
	}))
	require.NoError(t, err)
	require.True(t, out.Looped)
	require.False(t, out.Skip)
	require.Equal(t, []activities.Item{
		{Key: "2", Value: json.RawMessage(`2`), Input: json.RawMessage(`{"k":"2","v":2}`)},
		{Key: "b", Value: json.RawMessage(`1`), Skip: true},
		{Key: "a", Value: json.RawMessage(`3`), Input: json.RawMessage(`{"k":"a","v":3}`)},
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

	for _, each := range []string{`"${{ parameters.none }}"`, `"text"`, `5`, `null`, `true`, `"${{ secrets.list }}"`} {
		_, err = b.Evaluate(t.Context(), evaluateInput(``, plan.Step{Each: json.RawMessage(each)}))
		require.Equal(t, fault.Invalid, fault.Unseal(err).Kind, each)
	}
}

// keep gives back its input, which a test looks at.
func keeper(got *json.RawMessage, says string) activities.Action {
	type anything struct {
		A any `json:"a,omitempty"`
		B any `json:"b,omitempty"`
	}
	return activities.Define(activities.Spec[anything, anything]{
		ID: "test:make", Description: "Keeps.", Examples: examples(), WhyNoUndo: "it is a test",
		Do: func(_ context.Context, call *activities.Call, in anything) (anything, error) {
			*got, _ = json.Marshal(in)
			call.Log("using %s", says)
			if says == "fail" {
				return in, fault.Wrap(fault.Invalid, nil, "the token %v is bad", in.A)
			}
			return in, nil
		},
	})
}

func TestSecrets_InInput_RevealedToTheActionAloneAndHiddenEverywhere(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, "canary"))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{"host":"h","unused":"u"}`, plan.Step{Each: json.RawMessage(`["e"]`), Input: json.RawMessage(
		`{"a":"https://${{ secrets.token }}@${{ parameters.host }}/${{ each.value }}/${{ steps['first-step'].output.n }}","b":["${{ secrets.token }}","${{ secrets.none }}"]}`)}))
	require.NoError(t, err)
	recorded := string(evaluated.Items[0].Input)
	require.NotContains(t, recorded, "canary")
	require.NotContains(t, recorded, "unused", "only what the expression names goes along")

	in := invocation(recorded)
	in.Iteration = "0"
	out, err := b.Do(t.Context(), "test:make", in)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"https://canary@h/e/2","b":["canary",null]}`, string(got))
	require.JSONEq(t, `{"a":"https://***@h/e/2","b":["***",null]}`, string(out.Output))
	require.Contains(t, b.journal.messages(), "using ***")
	audits, err := json.Marshal(b.journal.audits)
	require.NoError(t, err)
	require.NotContains(t, string(audits), "canary")
}

func TestSecrets_InAFault_Hidden(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, "fail"))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.token }}"}`)}))
	require.NoError(t, err)
	_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
	require.ErrorContains(t, err, "the token *** is bad")
}

// Whoever submits a value can't make the runner evaluate it, with secrets least of all.
func TestSecrets_DataThatLooksLikeAnExpression_StaysData(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`"${{ secrets.token }}"`,
		`{"$gildway:secret":{"source":"${{ secrets.token }}"}}`,
		`{"$gildway:data":{"$gildway:secret":{"source":"${{ secrets.token }}"}}}`,
		`[{"x":{"\u0024gildway:secret":{"source":"${{ secrets.token }}"},"y":1}}]`,
	} {
		var got json.RawMessage
		b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, ""))
		evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{"v":`+value+`}`, plan.Step{Input: json.RawMessage(`{"a":"${{ parameters.v }}","b":"${{ secrets.none }}"}`)}))
		require.NoError(t, err)
		_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
		require.NoError(t, err)
		require.JSONEq(t, `{"a":`+value+`}`, string(got))
	}
}

func TestSecrets_NobodyKeepsThem_Undefined(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, nil, keeper(&got, ""))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.token }}","b":"x${{ secrets.token }}"}`)}))
	require.NoError(t, err)
	_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
	require.NoError(t, err)
	require.JSONEq(t, `{"b":"x"}`, string(got))
}
