package run

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const v3 = "scaffolder.backstage.io/v3"

func TestEvaluate_ExpressionWithoutAValue_FailsTheStepOfV3(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"url": "canary.example?owner=o&repo=r"}, anything())
	const bad = `"${{ parameters.repo | parseRepoUrl | pick('owner') }}"`
	for name, c := range map[string]struct {
		step plan.Step
		runs bool // in v3
	}{
		"if":                  {plan.Step{If: json.RawMessage(bad)}, false},
		"input":               {plan.Step{Input: json.RawMessage(`{"a":[` + bad + `]}`)}, false},
		"each":                {plan.Step{Each: json.RawMessage(`"${{ nothing() }}"`)}, false},
		"item of each":        {plan.Step{Each: json.RawMessage(`[` + bad + `]`)}, false},
		"if of an item":       {plan.Step{Each: json.RawMessage(`["x"]`), If: json.RawMessage(`"${{ each.value | parseRepoUrl }}"`)}, false},
		"input of an item":    {plan.Step{Each: json.RawMessage(`["x"]`), Input: json.RawMessage(`{"a":"${{ each.value | parseRepoUrl }}"}`)}, false},
		"branch":              {plan.Step{Kind: plan.SwitchStep, Branches: []plan.Branch{{Name: "x", If: json.RawMessage(bad)}}}, false},
		"secret in an if":     {plan.Step{Each: json.RawMessage(`["x"]`), If: json.RawMessage(`"${{ secrets.url | parseRepoUrl }}"`)}, false},
		"secret in each":      {plan.Step{Each: json.RawMessage(`"${{ secrets.url | parseRepoUrl }}"`)}, false},
		"if with its item":    {plan.Step{Each: json.RawMessage(`["github.com?owner=o&repo=r"]`), If: json.RawMessage(`"${{ each.value | parseRepoUrl }}"`)}, true},
		"undefined":           {plan.Step{Input: json.RawMessage(`{"a":"${{ parameters.none.at.all }}"}`)}, true},
		"secret in the input": {plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.url | parseRepoUrl }}"}`)}, true}, // evaluated when the action is called
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := evaluateInput(`{"repo":"evil.example?owner=o&repo=r"}`, c.step)
			in.Run.Template.APIVersion = "scaffolder.backstage.io/v1beta3"
			if name != "each" && name != "secret in each" { // which Backstage can't go through either
				_, err := b.Evaluate(t.Context(), in)
				require.NoError(t, err)
			}
			in.Run.Template.APIVersion = v3
			_, err := b.Evaluate(t.Context(), in)
			if c.runs {
				require.NoError(t, err)
				return
			}
			f := fault.Unseal(err)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Contains(t, f.Public, " has no value: ${{ ")
			require.NotContains(t, f.Public, "canary")
		})
	}
}

func TestDo_SecretExpressionWithoutAValue_FailsTheCallOfV3AndNotItsUndo(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, secretsOf{"url": "canary.example?owner=o&repo=r"}, keeper(&got, "canary"))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.url | parseRepoUrl }}"}`)}))
	require.NoError(t, err)
	in := invocation(string(evaluated.Items[0].Input))
	in.Run.Template.APIVersion = v3
	_, err = b.Do(t.Context(), "test:make", in)
	f := fault.Unseal(err)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Equal(t, "an expression with secrets has no value: ${{ secrets.url | parseRepoUrl }}", f.Public)
	_, _, err = b.reveal(t.Context(), in, true)
	require.NoError(t, err, "undo works with what is left")
}
