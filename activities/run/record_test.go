package run

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

func TestRecord_EveryKind_BackstagesWordsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.Register(b.env, activities.MainQueue)
	for _, rec := range []activities.Record{
		{Kind: activities.RunStarted, Steps: 4},
		{Kind: activities.StepSkipped, Step: "a", Name: "A", Message: "Skipping step a because its if condition was false"},
		{Kind: activities.StepBegan, Step: "b", Name: "B", Says: []string{"Skipping step each: 0", "Skipping step each: 0"}},
		{Kind: activities.StepCompleted, Step: "b", Name: "B"},
		{Kind: activities.StepFailed, Step: "c", Name: "C", Message: "no such host", Error: "Invalid"},
		{Kind: activities.StepFailed, Step: "e", Name: "E", Message: "ENOENT", Error: "NotFound", Named: "Error", Additional: true},
		{Kind: activities.StepFailed, Step: "f", Name: "F", Message: "no", Error: "Denied", Continues: true},
		{Kind: activities.RunCancelled, Message: "the run was cancelled"},
		{Kind: activities.StepSkipped, Step: "d", Name: "D", Message: "Skipping step d because a previous step failed"},
		{Kind: activities.StepUndone, Step: "b", Name: "B"},
		{Kind: activities.UndoFailed, Step: "b", Name: "B", Message: "Step B could not be undone: it is not ours"},
		{Kind: activities.RunFailed, Message: "no such host", Error: "Invalid", Named: "Error"},
	} {
		rec.Task = "t"
		for range 2 {
			_, err := b.env.ExecuteLocalActivity(b.Record, rec)
			require.NoError(t, err)
		}
	}
	require.Equal(t, "processing", b.journal.status)
	require.Equal(t, []event{
		{"", "", "Starting up task with 4 steps"},
		{"a", "processing", "Beginning step A"},
		{"a", "skipped", "Skipping step a because its if condition was false"},
		{"b", "processing", "Beginning step B"},
		{"b", "", infoMark + "Skipping step each: 0"},
		{"b", "", infoMark + "Skipping step each: 0"},
		{"b", "completed", "Finished step B"},
		{"c", "processing", "Beginning step C"},
		{"c", "failed", "InputError: no such host"},
		{"e", "processing", "Beginning step E"},
		{"e", "failed", "Error: ENOENT"},
		{"e", "failed", "Additional error occurred: ENOENT\nError: ENOENT"},
		{"f", "processing", "Beginning step F"},
		{"f", "failed", "NotAllowedError: no"},
		{"f", "", infoMark + "The run goes on: onError is continue"},
		{"", "cancelled", "temporal"},
		{"d", "skipped", "Skipping step d because a previous step failed"},
		{"b", "", "Undid step B"},
		{"b", "", "Step B could not be undone: it is not ours"},
	}, b.journal.events)
	require.Equal(t, &ending{"failed", "Run completed with status: failed", "", &fault.Error{Kind: fault.Invalid, Name: "Error", Public: "no such host"}}, b.journal.end)
}

func TestRecord_Completed_CarriesTheOutput(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	require.NoError(t, b.Record(t.Context(), activities.Record{Task: "t", Kind: activities.RunCompleted, Output: json.RawMessage(`{"x":1}`)}))
	require.Equal(t, &ending{"completed", "Run completed with status: completed", `{"x":1}`, nil}, b.journal.end)
	require.Equal(t, fault.Internal, fault.Unseal(b.Record(t.Context(), activities.Record{Kind: "nonsense"})).Kind)
}

func TestOutputs_EntriesWithAFalseIf_LeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	in := activities.OutputsInput{Run: info(), Output: json.RawMessage(`{
		"links":[{"title":"always","url":"${{ steps.p.output.url }}"},{"if":"${{ parameters.no }}","url":"x"},{"if":"${{ parameters.list }}","url":"y"},{"if":true,"entityRef":"z"}],
		"text":[{"if":"false","content":"text false is true"}],
		"other":"${{ secrets.token }}", "plain":"${{ parameters.list }}"}`)}
	in.Run.Values = json.RawMessage(`{"no":false,"list":[]}`)
	in.Scope.Steps = map[string]json.RawMessage{"p": json.RawMessage(`{"output":{"url":"https://x"}}`)}
	out, err := b.Outputs(t.Context(), in)
	require.NoError(t, err)
	require.JSONEq(t, `{"links":[{"title":"always","url":"https://x"},{"entityRef":"z"}],"text":[{"content":"text false is true"}],"plain":[]}`, string(out.Output))

	out, err = b.Outputs(t.Context(), activities.OutputsInput{Run: info()})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(out.Output))
}
