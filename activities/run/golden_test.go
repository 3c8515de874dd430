package run

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// access evaluates the shipped access request as a run would, with the given values and model.
func access(t *testing.T, values, model string) (inputs map[string]string, skipped map[string]bool, outputs string) {
	t.Helper()
	raw, err := os.ReadFile("../../templates/golden/request-llm-gateway-access/template.yaml")
	require.NoError(t, err)
	var doc struct {
		Spec struct {
			Steps []struct {
				ID    string
				If    any
				Input any
			}
			Output any
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &doc))
	toJSON := func(v any) json.RawMessage {
		if v == nil {
			return nil
		}
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return raw
	}
	b := newBench(t, nil, anything())
	scope := activities.Scope{Steps: map[string]json.RawMessage{
		"model":      json.RawMessage(`{"output":{"entity":` + model + `}}`),
		"ticket":     json.RawMessage(`{"output":{"ticketId":"t1","number":"TASK1","url":"https://now/t1"}}`),
		"membership": json.RawMessage(`{"output":{"group":"llm-gateway-users","login":"rosa@acme.com"}}`),
		"key":        json.RawMessage(`{"output":{"mount":"team-keys","path":"payments/gw/1","expiresAt":"2027-01-01T00:00:00Z","collect":"/api/gildway/v1/tasks/1/collect"}}`),
	}}
	run := info()
	run.Values = json.RawMessage(values)
	inputs, skipped = map[string]string{}, map[string]bool{}
	for _, s := range doc.Spec.Steps {
		out, err := b.Evaluate(t.Context(), activities.EvaluateInput{
			Run: run, Scope: scope, Step: plan.Step{ID: s.ID, Action: "test:make", If: toJSON(s.If), Input: toJSON(s.Input)},
		})
		require.NoError(t, err)
		if skipped[s.ID] = out.Skip; !out.Skip {
			inputs[s.ID] = string(out.Items[0].Input)
			require.NotContains(t, inputs[s.ID], "${{")
		}
	}
	rendered, err := b.Outputs(t.Context(), activities.OutputsInput{Run: run, Scope: scope, Output: toJSON(doc.Spec.Output)})
	require.NoError(t, err)
	require.NotContains(t, string(rendered.Output), "${{")
	return inputs, skipped, string(rendered.Output)
}

func TestGolden_AccessRequest_ApprovalOnlyWhereThePolicyAsksForIt(t *testing.T) {
	t.Parallel()
	const standard = `{"metadata":{"name":"acme-llm-gateway"},"spec":{"owner":"group:ml-platform-team","accessTier":"standard","usagePolicy":"https://wiki"}}`
	const restricted = `{"metadata":{"name":"acme-llm-gateway"},"spec":{"owner":"group:ml-platform-team","accessTier":"restricted"}}`
	small := `{"useCase":"summaries of tickets","team":"group:default/payments-team","monthlyTokens":1000000}`
	large := `{"useCase":"summaries of tickets","team":"group:default/payments-team","monthlyTokens":1000001,"model":"aimodel:default/other"}`

	inputs, skipped, outputs := access(t, small, standard)
	require.True(t, skipped["approval"])
	require.JSONEq(t, `{"entityRef":"aimodel:default/acme-llm-gateway","defaultKind":"AIModel"}`, inputs["model"])
	require.JSONEq(t, `{"team":"group:default/payments-team","tool":"acme-llm-gateway","purpose":"summaries of tickets"}`, inputs["key"])
	for _, fact := range []string{"rosa@acme.com", "llm-gateway-users", "team-keys/payments/gw/1", "2027-01-01", `"state":"resolved"`} {
		require.Contains(t, inputs["close"], fact)
	}
	require.Contains(t, outputs, "$GILDWAY_API/api/gildway/v1/tasks/1/collect")

	_, skipped, _ = access(t, small, restricted)
	require.False(t, skipped["approval"])

	inputs, skipped, _ = access(t, large, standard)
	require.False(t, skipped["approval"])
	require.Contains(t, inputs["approval"], `"approvers":["group:ml-platform-team"]`)
	require.Contains(t, inputs["model"], "aimodel:default/other")
}
