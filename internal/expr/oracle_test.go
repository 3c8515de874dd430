package expr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/expr/oracle"
)

// spell writes a value as the oracle does.
func spell(v any) string {
	switch v := v.(type) {
	case undefined:
		return "undefined"
	case float64:
		if v == 0 && math.Signbit(v) {
			return "-0"
		}
		return formatNumber(v)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = spell(item)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *Object:
		parts := make([]string, 0, v.Len())
		for k, item := range v.All() {
			parts = append(parts, spell(k)+":"+spell(item))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	data, err := ToJSON(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// answer is what this implementation says to a case of the oracle.
func answer(c oracle.Case, vars *Object, workUnits int) oracle.Answer {
	constant := func(v any) Func { return func([]any) (any, error) { return v, nil } }
	env := &Env{
		Vars:         vars,
		Funcs:        map[string]Func{"always": constant(true), "failure": constant(false)},
		LegacyTyping: c.Mode == oracle.Legacy,
		workUnits:    workUnits,
	}
	t, err := Parse(c.Src, Options{
		CookiecutterCompat: c.Options&oracle.Cookiecutter != 0,
		TrimBlocks:         c.Options&oracle.TrimBlocks != 0,
		LstripBlocks:       c.Options&oracle.LstripBlocks != 0,
	})
	var v any
	switch {
	case err != nil:
	case c.Mode == oracle.Render:
		v, err = t.Render(context.Background(), env)
	default:
		v, err = t.Evaluate(context.Background(), env)
	}
	var syntax *SyntaxError
	var eval *EvalError
	switch {
	case errors.As(err, &syntax):
		return oracle.Answer{Error: err.Error(), Syntax: true, Line: syntax.Pos.Line, Column: syntax.Pos.Column, Limit: syntax.Limit != ""}
	case errors.As(err, &eval):
		return oracle.Answer{Error: err.Error(), Line: eval.Pos.Line, Column: eval.Pos.Column, Limit: eval.Limit != ""}
	case err != nil:
		return oracle.Answer{Error: err.Error()}
	}
	return oracle.Answer{Value: spell(v)}
}

// disagreement says how an answer differs from the reference's, "" if it doesn't.
func disagreement(got, want oracle.Answer) string {
	switch {
	case got.Limit || want.Limit:
		if got.Limit == want.Limit {
			return ""
		}
	case got == want:
		return ""
	}
	show := func(a oracle.Answer) string {
		if a.Error == "" {
			return a.Value
		}
		return fmt.Sprintf("error (syntax %v, limit %v) %s", a.Syntax, a.Limit, a.Error)
	}
	return "got  " + show(got) + "\nwant " + show(want)
}

// gojasOwn are cases in which goja itself differs from the engine that Backstage runs on, whose answers the
// corpus records: the text of a RangeError, and parseInt, which loses the sign of zero.
var gojasOwn = map[string]bool{
	"${{ n.toFixed(101) }}": true,
	"${{ -third|int }}":     true,
}

// lightWork is what an evaluation may take for the engine within this process, which is slow.
const lightWork = 10_000

func TestOracle_Corpus_AnswersAsRecorded(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/corpus.json")
	require.NoError(t, err)
	var c corpus
	require.NoError(t, json.Unmarshal(data, &c))
	world := oracle.World{Vars: c.Vars}
	embedded, err := oracle.Embedded(world)
	require.NoError(t, err)
	defer embedded.Close()
	engine, name, err := newOracle(t.Context(), world)
	require.NoError(t, err)
	defer engine.Close()
	values, err := FromJSON(c.Vars)
	require.NoError(t, err)
	vars := values.(*Object)
	var all, light []int
	cases := make([]oracle.Case, len(c.Cases))
	for i, tc := range c.Cases {
		cases[i] = oracle.Case{Src: tc.Src, Mode: tc.Mode}
		for bit, on := range map[int]bool{
			oracle.Cookiecutter: tc.Opts.CookiecutterCompat, oracle.TrimBlocks: tc.Opts.TrimBlocks, oracle.LstripBlocks: tc.Opts.LstripBlocks,
		} {
			if on {
				cases[i].Options |= bit
			}
		}
		all = append(all, i)
		if i%5 == 0 && !gojasOwn[tc.Src] && !answer(cases[i], vars, lightWork).Limit {
			light = append(light, i)
		}
	}
	if name == "goja" {
		all = nil
	}
	for _, run := range []struct {
		engine oracle.Engine
		which  []int
	}{{engine, all}, {embedded, light}} {
		var chosen []oracle.Case
		for _, i := range run.which {
			chosen = append(chosen, cases[i])
		}
		answers, err := run.engine.Answers(t.Context(), chosen)
		require.NoError(t, err)
		require.Len(t, answers, len(chosen))
		for j, i := range run.which {
			want := answers[j]
			require.Equal(t, c.Cases[i].Want.Error != "", want.Error != "", "%s: %s", cases[i].Src, want.Error)
			if diff := disagreement(answer(cases[i], vars, 0), want); diff != "" {
				t.Errorf("%s\n%s", cases[i].Src, diff)
			}
		}
	}
}
