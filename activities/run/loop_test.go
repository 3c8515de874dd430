package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/workspace"
)

// numbers are the values of a run with a list that long.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i)
	}
	return `{"list":[` + strings.TrimPrefix(b.String(), ",") + `]}`
}

func TestEvaluate_LongLoop_StandsInBlobs(t *testing.T) {
	t.Parallel()
	const many = 10_000
	var got []string
	b := newBench(t, nil, maker(func(_ context.Context, call *activities.Call, in thing) (thing, error) {
		got = append(got, call.Iteration+" "+in.Name)
		return in, nil
	}))
	in := evaluateInput(numbers(many), plan.Step{
		Each: json.RawMessage(`"${{ parameters.list }}"`), If: json.RawMessage(`"${{ each.value % 3 != 1 }}"`),
		Input: json.RawMessage(`{"name":"thing ${{ each.value }} of ${{ user.ref }} in ${{ steps['first-step'].output.n }}"}`),
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := b.Evaluate(t.Context(), in)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapInuse-min(before.HeapInuse, after.HeapInuse), uint64(256<<20))

	recorded, err := json.Marshal(out)
	require.NoError(t, err)
	require.Less(t, len(recorded), 64<<10)
	require.Empty(t, out.Items)
	require.Len(t, out.Chunks, many/chunkItems)

	again, err := b.Evaluate(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, out, again, "a repeated attempt gives the same")

	next := 0
	for _, chunk := range out.Chunks {
		require.Equal(t, next, chunk.First)
		keys, err := b.Items(t.Context(), chunk)
		require.NoError(t, err)
		require.Len(t, keys, chunk.Count)
		for i, key := range keys {
			require.Equal(t, activities.ItemKey{Key: strconv.Itoa(next), Skip: next%3 == 1}, key)
			if next++; next%100 == 1 && !key.Skip { // every item is rendered, some are called
				call := invocation("")
				call.Input, call.Item, call.First, call.Last = nil, &activities.InBlob{Blob: chunk.Blob, Index: i}, false, false
				_, err := b.Do(t.Context(), "test:make", call)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("%d thing %d of user:default/rosa in 2", next-1, next-1), got[len(got)-1])
			}
		}
	}
	require.Equal(t, many, next)
	require.Greater(t, len(got), 60)
	require.Contains(t, b.journal.messages(), infoMark+`Running step each: {"key":"300","value":"300"}`)
}

func TestEvaluate_LoopsOfEverySize_LoseNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40_000)
	for name, c := range map[string]struct {
		n      int
		when   string
		text   string
		chunks bool
		runs   int
	}{
		"small":               {250, `each.value >= 0`, "", false, 250},
		"one too many":        {251, `each.value >= 0`, "", true, 251},
		"few but large":       {40, `each.value >= 0`, strings.Repeat("y", 7_000), true, 40},
		"larger than a blob":  {20, `each.value >= 0`, long, false, 20},
		"the first only":      {1000, `each.value == 0`, "", true, 1},
		"the last only":       {1000, `each.value == 999`, "", true, 1},
		"none":                {1000, `each.value < 0`, "", false, 0},
		"one in every second": {2000, `each.value % 500 == 1`, "", true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil, maker(echo))
			out, err := b.Evaluate(t.Context(), evaluateInput(numbers(c.n), plan.Step{
				Each: json.RawMessage(`"${{ parameters.list }}"`), If: json.RawMessage(`"${{ ` + c.when + ` }}"`),
				Input: json.RawMessage(`{"name":"${{ each.key }}` + c.text + `"}`),
			}))
			require.NoError(t, err)
			require.Equal(t, c.chunks, len(out.Chunks) > 0)
			items := out.Items
			for _, chunk := range out.Chunks {
				raw, err := workspace.Get(t.Context(), b.blobs, chunk.Blob)
				require.NoError(t, err)
				require.Less(t, len(raw), 2*chunkBytes)
				var part []activities.Item
				require.NoError(t, json.Unmarshal(raw, &part))
				require.Len(t, part, chunk.Count)
				items = append(items, part...)
			}
			runs, running, skipping := 0, 0, 0
			says := out.Says
			for i, item := range items {
				require.Equal(t, strconv.Itoa(i), item.Key)
				says = append(says, item.Says...)
				if item.Skip {
					continue
				}
				runs++
				whole, err := b.whole(t.Context(), item.Input)
				require.NoError(t, err)
				require.JSONEq(t, `{"name":"`+item.Key+c.text+`"}`, string(whole))
			}
			for _, line := range says {
				var left int
				switch {
				case strings.HasPrefix(line, "Running"):
					running++
				case strings.HasSuffix(line, "more"):
					_, err := fmt.Sscanf(line, "Skipping step each: %d more", &left)
					require.NoError(t, err)
					skipping += left
				default:
					skipping++
				}
			}
			require.Equal(t, c.runs, runs)
			require.Equal(t, c.runs, running)
			require.Equal(t, c.n-c.runs, skipping)
		})
	}
	b := newBench(t, nil, anything())
	_, err := b.Evaluate(t.Context(), evaluateInput(numbers(mostItems+1), plan.Step{Each: json.RawMessage(`"${{ parameters.list }}"`)}))
	require.Contains(t, err.Error(), "has 100001 items; at most 100000 are possible")
}

func TestGather_OutcomesAndParts_OneOutputOneLayer(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, maker(func(_ context.Context, call *activities.Call, in thing) (thing, error) {
		return in, call.Files.WriteFile(in.Name, []byte(in.Name), 0o644)
	}, func(s *activities.Spec[thing, thing]) { s.Workspace = plan.Writes }))
	var parts []activities.Gathered
	for _, names := range [][]string{{"a", "b"}, {}, {"c"}} {
		var outcomes []activities.Outcome
		for _, name := range names {
			out, err := b.Do(t.Context(), "test:make", invocation(`{"name":"`+name+`"}`))
			require.NoError(t, err)
			outcomes = append(outcomes, out)
		}
		part, err := b.Gather(t.Context(), activities.GatherInput{Outcomes: outcomes, Keep: true})
		require.NoError(t, err)
		require.Equal(t, len(names) > 0, part.Outcomes != "")
		parts = append(parts, part)
	}
	all, err := b.Gather(t.Context(), activities.GatherInput{Parts: parts})
	require.NoError(t, err)
	require.JSONEq(t, `{"name":["a","b","c"]}`, string(all.Output))
	require.Empty(t, all.Outcomes)
	w, err := workspace.Open(t.Context(), b.blobs, []string{all.Layer})
	require.NoError(t, err)
	for _, name := range []string{"a", "b", "c"} {
		content, err := fs.ReadFile(w, name)
		require.NoError(t, err)
		require.Equal(t, name, string(content))
	}
	none, err := b.Gather(t.Context(), activities.GatherInput{})
	require.NoError(t, err)
	require.Equal(t, activities.Gathered{Output: json.RawMessage(`{}`)}, none)
}

func TestOutputs_TooLargeForHistory_PutInPlaceWhereverTheyAreRead(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("z", largestOutput)
	var undone thing
	b := newBench(t, nil, maker(func(_ context.Context, _ *activities.Call, in thing) (thing, error) {
		return thing{large + in.Name}, nil
	},
		func(s *activities.Spec[thing, thing]) {
			s.Undo = func(_ context.Context, _ *activities.Call, in, out thing, _ string) error {
				undone = out
				return nil
			}
		}))
	out, err := b.Do(t.Context(), "test:make", invocation(`{"name":"1"}`))
	require.NoError(t, err)
	require.Less(t, len(out.Output), 128)

	step := func(output json.RawMessage) map[string]json.RawMessage {
		return map[string]json.RawMessage{"make": json.RawMessage(`{"output":` + string(output) + `}`)}
	}
	in := evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"name":"${{ steps.make.output.name | length }}"}`), If: json.RawMessage(`"${{ steps.make.output.name }}"`)})
	in.Step.Input = json.RawMessage(`{"name":"${{ steps.make.output.name.length }}!"}`)
	in.Scope.Steps = step(out.Output)
	evaluated, err := b.Evaluate(t.Context(), in)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"name":"%d!"}`, largestOutput+1), string(evaluated.Items[0].Input))

	in.Step.Input = json.RawMessage(`{"name":"${{ steps.make.output.name }}"}`)
	evaluated, err = b.Evaluate(t.Context(), in)
	require.NoError(t, err)
	require.Less(t, len(evaluated.Items[0].Input), 128, "neither do inputs")
	other := invocation(string(evaluated.Items[0].Input))
	other.Iteration = "other"
	_, err = b.Do(t.Context(), "test:make", other)
	require.NoError(t, err)

	require.NoError(t, b.Undo(t.Context(), "test:make", activities.UndoInvocation{Invocation: invocation(`{"name":"1"}`), Output: out.Output}))
	require.Equal(t, thing{large + "1"}, undone)

	gathered, err := b.Gather(t.Context(), activities.GatherInput{Outcomes: []activities.Outcome{out, {Output: json.RawMessage(`{"name":"2"}`)}}, Keep: true})
	require.NoError(t, err)
	require.Less(t, len(gathered.Output), 128)
	require.NoError(t, b.Undo(t.Context(), "test:make", activities.UndoInvocation{
		Invocation: invocation(`{"name":"1"}`), From: &activities.InBlob{Blob: gathered.Outcomes, Index: 1},
	}))
	require.Equal(t, thing{"2"}, undone)

	rendered, err := b.Outputs(t.Context(), activities.OutputsInput{
		Run: info(), Output: json.RawMessage(`{"all":"${{ steps.make.output.name }}"}`), Scope: activities.Scope{Steps: step(gathered.Output)},
	})
	require.NoError(t, err)
	require.Less(t, len(rendered.Output), 128)
	require.NoError(t, b.Record(t.Context(), activities.Record{Task: "t", Kind: activities.RunCompleted, Output: rendered.Output}))
	require.JSONEq(t, `{"all":["`+large+`1","2"]}`, b.journal.end.Output)
}

// What an action gives can't make the runner read a blob.
func TestOutputs_ThatLookLikeAReference_StayData(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	secret, err := workspace.Put(t.Context(), b.blobs, []byte(`{"of":"another run"}`))
	require.NoError(t, err)
	forged := `{"$gildway:blob":"` + secret + `"}`
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{"v":`+forged+`}`, plan.Step{Input: json.RawMessage(`"${{ parameters.v }}"`)}))
	require.NoError(t, err)
	out, err := b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
	require.NoError(t, err)
	rendered, err := b.Outputs(t.Context(), activities.OutputsInput{
		Run: info(), Output: json.RawMessage(`{"v":"${{ steps.make.output }}"}`),
		Scope: activities.Scope{Steps: map[string]json.RawMessage{"make": json.RawMessage(`{"output":` + string(out.Output) + `}`)}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"v":`+forged+`}`, string(rendered.Output))
}

func TestItem_ThatIsNotThere_IsOurMistake(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, anything())
	digest, err := b.put(t.Context(), []activities.Item{{Key: "0", Input: json.RawMessage(`{}`)}})
	require.NoError(t, err)
	for _, at := range []activities.InBlob{{Blob: digest, Index: 1}, {Blob: digest, Index: -1}, {Blob: "sha256:" + strings.Repeat("0", 64)}} {
		in := invocation("")
		in.Item = &at
		_, err := b.Do(t.Context(), "test:make", in)
		require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
	}
	_, err = b.Items(t.Context(), activities.Chunk{Blob: digest, Count: 2})
	require.Equal(t, fault.Internal, fault.Unseal(err).Kind)
}
