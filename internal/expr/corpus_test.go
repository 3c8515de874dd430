package expr

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The corpus holds what the reference implementation answers; testdata/README.md says how it is made.
type corpus struct {
	Vars  json.RawMessage `json:"vars"`
	Cases []corpusCase    `json:"cases"`
}

type corpusCase struct {
	Src  string `json:"src"`
	Mode string `json:"mode"`
	Opts struct {
		CookiecutterCompat, TrimBlocks, LstripBlocks bool
	} `json:"opts"`
	Want struct {
		Value     json.RawMessage `json:"value"`
		Undefined bool            `json:"undefined"`
		Number    string          `json:"number"`
		Error     string          `json:"error"`
		Syntax    bool            `json:"syntax"`
		Line      int             `json:"line"`
		Column    int             `json:"column"`
	} `json:"want"`
}

func (c corpusCase) answer(vars any) (any, error) {
	t, err := Parse(c.Src, Options(c.Opts))
	if err != nil {
		return nil, err
	}
	constant := func(v any) Func { return func([]any) (any, error) { return v, nil } }
	env := &Env{
		Vars:         vars.(*Object),
		Funcs:        map[string]Func{"always": constant(true), "failure": constant(false)},
		LegacyTyping: c.Mode == "legacy",
	}
	if c.Mode == "render" {
		return t.Render(context.Background(), env)
	}
	return t.Evaluate(context.Background(), env)
}

func TestCorpus_Reference_SameAnswers(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/corpus.json")
	require.NoError(t, err)
	var c corpus
	require.NoError(t, json.Unmarshal(data, &c))
	vars, err := FromJSON(c.Vars)
	require.NoError(t, err)
	for _, tc := range c.Cases {
		t.Run(tc.Mode+sliceUnits(tc.Src, 0, min(60, unitLen(tc.Src))), func(t *testing.T) {
			t.Parallel()
			got, err := tc.answer(vars)
			switch {
			case tc.Want.Error != "":
				requireSameError(t, tc, got, err)
			case tc.Want.Undefined:
				require.NoError(t, err)
				require.Equal(t, any(Undefined), got)
			case tc.Want.Number != "":
				require.NoError(t, err)
				require.IsType(t, 0.0, got)
				text := formatNumber(got.(float64))
				if got == 0.0 && math.Signbit(got.(float64)) {
					text = "-0"
				}
				require.Equal(t, tc.Want.Number, text)
			default:
				require.NoError(t, err)
				text, err := ToJSON(got)
				require.NoError(t, err)
				want, err := FromJSON(tc.Want.Value)
				require.NoError(t, err)
				wantText, err := ToJSON(want)
				require.NoError(t, err)
				require.Equal(t, string(wantText), string(text))
			}
		})
	}
}

func requireSameError(t *testing.T, tc corpusCase, got any, err error) {
	t.Helper()
	require.Error(t, err, "got %v, want %s", got, tc.Want.Error)
	var syntax *SyntaxError
	var eval *EvalError
	pos := Pos{}
	limited := false
	switch {
	case errors.As(err, &syntax):
		pos, limited = syntax.Pos, syntax.Limit != ""
	case errors.As(err, &eval):
		pos, limited = eval.Pos, eval.Limit != ""
	}
	if limited {
		require.Contains(t, tc.Want.Error, "limit of")
		return
	}
	require.Equal(t, tc.Want.Syntax, syntax != nil, "got %v, want %s", err, tc.Want.Error)
	require.Equal(t, []int{tc.Want.Line, tc.Want.Column}, []int{pos.Line, pos.Column}, "got %v, want %s", err, tc.Want.Error)
	require.Equal(t, tc.Want.Error, err.Error())
}
