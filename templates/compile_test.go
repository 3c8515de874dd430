package templates

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

var update = flag.Bool("update", false, "rewrite the expected files")

// testActions are the actions of testdata/actions.json.
func testActions(t testing.TB) Actions {
	t.Helper()
	var all []plan.Action
	require.NoError(t, json.Unmarshal(readFile(t, "testdata/actions.json"), &all))
	actions := Actions{}
	for _, a := range all {
		actions[a.ID] = a
	}
	return actions
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return content
}

// report is what a case expects.
type report struct {
	Problems []fault.Problem `json:"problems,omitempty"`
	Plan     *plan.Plan      `json:"plan,omitempty"`
	Advice   []fault.Problem `json:"advice,omitempty"`
}

func compileAll(file string, src []byte, actions Actions) report {
	t, problems := Parse(file, src)
	if t == nil {
		return report{Problems: problems}
	}
	p, found := Compile(t, actions, Context{BaseURL: "file:///templates/", Digest: "sha256:0"})
	r := report{Problems: append(problems, found...), Plan: p}
	sortProblems(r.Problems)
	if p != nil {
		r.Advice = Lint(t, actions)
	}
	return r
}

func TestCompile_Cases(t *testing.T) {
	t.Parallel()
	actions := testActions(t)
	cases, err := filepath.Glob("testdata/compile/*/template.yaml")
	require.NoError(t, err)
	require.Greater(t, len(cases), 25)
	for _, in := range cases {
		t.Run(filepath.Base(filepath.Dir(in)), func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(compileAll("template.yaml", readFile(t, in), actions), "", "  ")
			require.NoError(t, err)
			want := filepath.Join(filepath.Dir(in), "want.json")
			if *update {
				require.NoError(t, os.WriteFile(want, append(got, '\n'), 0o644))
			}
			require.JSONEq(t, string(readFile(t, want)), string(got))
		})
	}
}
