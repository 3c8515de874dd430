package expr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/expr/oracle"
)

// differential is a run of generated templates through both implementations.
type differential struct {
	seed, cases uint64
	// most is how long it may take; 0 means as long as it takes.
	most time.Duration
}

const (
	batchSize = 500
	// fuzzWork is the budget of a generated template: most that need more are loops without end.
	fuzzWork      = 3_000
	mostFindings  = 40
	boundedRun    = 5 * time.Second
	progressEvery = 5 * time.Second
)

// wanted reads GILDWAY_FUZZ_SEED and GILDWAY_FUZZ_CASES. Without them the run is the same everywhere and bounded in time; make fuzz
// gives both.
func wanted(t *testing.T) differential {
	number := func(name string, fallback uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return fallback
		}
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, name)
		return n
	}
	d := differential{seed: number("GILDWAY_FUZZ_SEED", 1), cases: number("GILDWAY_FUZZ_CASES", 0)}
	if d.cases == 0 {
		d.cases, d.most = 1<<62, boundedRun
	}
	return d
}

func newOracle(ctx context.Context, world oracle.World) (oracle.Engine, string, error) {
	engine, err := oracle.InNode(ctx, world)
	if !errors.Is(err, oracle.ErrNoNode) {
		return engine, "node", err
	}
	engine, err = oracle.Embedded(world)
	return engine, "goja", err
}

func TestDifferential_GeneratedTemplates_SameAnswers(t *testing.T) {
	d := wanted(t)
	engine, name, err := newOracle(t.Context(), oracle.World{Vars: []byte(generatorVars), WorkUnits: fuzzWork})
	require.NoError(t, err)
	defer engine.Close()
	vars := vars(t, generatorVars)
	t.Logf("oracle in %s, GILDWAY_FUZZ_SEED=%d", name, d.seed)
	g := newGenerator(d.seed)
	begun := time.Now()
	shown := begun
	var done, failed uint64
	listed := map[string]int{}
	size := uint64(batchSize)
	if name == "goja" {
		size = 100
	}
	for done < d.cases && (d.most == 0 || time.Since(begun) < d.most) && failed < mostFindings {
		cases := make([]oracle.Case, min(size, d.cases-done))
		for i := range cases {
			cases[i] = g.next()
		}
		answers, err := engine.Answers(t.Context(), cases)
		require.NoError(t, err)
		for i, want := range answers {
			got := answer(cases[i], vars, fuzzWork)
			if name == "goja" && got.Error != "" && want.Error != "" {
				got.Error, want.Error = "some text", "some text"
			}
			diff := disagreement(got, want)
			if diff == "" {
				continue
			}
			id := allowed(cases[i], got, want)
			if name == "goja" && strings.Contains(want.Value, "\uFFFD") {
				id = "oracle-goja"
			}
			switch {
			case id != "":
				listed[id]++
			default:
				failed++
				t.Errorf("mode %q, options %d\n%q\n%s", cases[i].Mode, cases[i].Options, cases[i].Src, diff)
			}
		}
		done += uint64(len(cases))
		if d.most == 0 && time.Since(shown) > progressEvery {
			shown = time.Now()
			fmt.Fprintf(os.Stderr, "%d of %d cases, %d disagreements, listed %v, %.0f a second\n", done, d.cases, failed, listed, float64(done)/time.Since(begun).Seconds())
		}
	}
	t.Logf("%d cases in %s against %s: %d disagreements, listed %v", done, time.Since(begun).Round(time.Second), name, failed, listed)
}

// allowed gives the id, in docs/template-language.md, of the difference that a disagreement is, "" for none.
func allowed(c oracle.Case, got, want oracle.Answer) string {
	switch {
	case strings.Contains(want.Error, `Template filter "pick" failed: `) && pickedPrototype.MatchString(want.Error):
		return "pick-prototype"
	case failedHost.MatchString(got.Error) && failedHost.MatchString(want.Error) && !isASCII(got.Error+c.Src):
		return "idn-hosts"
	case got.Limit != want.Limit && strings.Contains(got.Error+want.Error, "exceeded the work unit limit"):
		return "work-units"
	case strings.Contains(want.Error, `\ud8`) || strings.Contains(want.Error, `\ude`), strings.Count(want.Value, "\uFFFD\":") > strings.Count(got.Value, "\uFFFD\":"):
		return "lone-surrogates"
	case (strings.Contains(c.Src, "**") || strings.Contains(c.Src, "round")) && got.Value != "" && rounded(got.Value) == rounded(want.Value):
		return "power-last-digit"
	}
	return ""
}

var (
	pickedPrototype = regexp.MustCompile(`Unsupported template value of type function|Template arrays cannot use a custom prototype|key constructor is reserved`)
	failedHost      = regexp.MustCompile(`Template filter "(parseRepoUrl|projectSlug)" failed: (No matching integration configuration|Invalid repo URL)`)
	longFraction    = regexp.MustCompile(`\d\.\d{13,}`)
)

// rounded is a text whose long numbers have fourteen decimals at most.
func rounded(text string) string {
	return longFraction.ReplaceAllStringFunc(text, func(number string) string {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return number
		}
		return strconv.FormatFloat(f, 'g', 14, 64)
	})
}

// A message is cut where the reference implementation cuts it, with its place in the template.
func TestDifferential_MessagesOfEveryLength_CutAlike(t *testing.T) {
	engine, _, err := newOracle(t.Context(), oracle.World{Vars: []byte(generatorVars), WorkUnits: fuzzWork})
	require.NoError(t, err)
	defer engine.Close()
	var cases []oracle.Case
	for n := 200; n < 330; n++ {
		cases = append(cases, oracle.Case{Src: fmt.Sprintf("${{ range(%d) | parseEntityRef }}", n)})
	}
	for n := range 12 { // an escape, a letter of three bytes and one of two units where the cut is
		for _, end := range []string{`\n`, "\u2028", "é€", "😀"} {
			cases = append(cases, oracle.Case{Src: fmt.Sprintf("\n ${{ %q | parseEntityRef }}", strings.Repeat("/", 900+n)+strings.Repeat(end, 40))})
		}
	}
	answers, err := engine.Answers(t.Context(), cases)
	require.NoError(t, err)
	vars, cut := vars(t, generatorVars), 0
	for i, want := range answers {
		got := answer(cases[i], vars, fuzzWork)
		if strings.HasSuffix(want.Error, "…") {
			cut++
		}
		if diff := disagreement(got, want); allowed(cases[i], got, want) == "" {
			require.Empty(t, diff, cases[i].Src)
		}
	}
	require.Greater(t, cut, 50)
}
