package expr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ample is far more than any of these takes, and far less than an endless one would.
const ample = 20 * time.Second

// refused evaluates a hostile template, which must end soon with an error that names the limit ("" for another reason).
func refused(t *testing.T, src, limit string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ample)
	defer cancel()
	env := &Env{Vars: vars(t, `{"a":[1,2,3],"o":{"k":1},"s":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}`)}
	tmpl, err := Parse(src, Options{})
	if err == nil {
		_, err = tmpl.Evaluate(ctx, env)
	}
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the deadline ended it, not a limit")
	var syntax *SyntaxError
	var eval *EvalError
	switch {
	case errors.As(err, &syntax):
		require.Equal(t, limit, syntax.Limit, err)
		require.GreaterOrEqual(t, syntax.Pos.Line, 1)
	case errors.As(err, &eval):
		require.Equal(t, limit, eval.Limit, err)
		require.GreaterOrEqual(t, eval.Pos.Line, 1)
	}
	require.Less(t, len(err.Error()), 2*maxMessage)
	return err
}

func TestHostile_DeepNesting_EndsAtTheNestingLimit(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"${{ " + strings.Repeat("(", 100_000) + " }}",
		"${{ " + strings.Repeat("[", 400_000) + " }}",
		"${{ " + strings.Repeat("{a:", 100_000) + " }}",
		"${{ " + strings.Repeat("a[", 100_000) + " }}",
		"${{ " + strings.Repeat("f(", 100_000) + " }}",
		"${{ " + strings.Repeat("not ", 100_000) + "a }}",
		"${{ " + strings.Repeat("-", 100_000) + "1 }}",
		strings.Repeat("{% if a %}", 5000),
		strings.Repeat("{% for x in a %}", 5000) + strings.Repeat("{% endfor %}", 5000),
	} {
		refused(t, src, limitNesting)
	}
}

func TestHostile_LongOperatorChains_EndAtTheNestingLimit(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"1+", "1~", "a or ", "a and "} {
		refused(t, "${{ "+strings.Repeat(link, 100_000)+"1 }}", limitNesting)
	}
	refused(t, "${{ a"+strings.Repeat("|list", 100_000)+" }}", limitNesting)
	refused(t, "${{ a"+strings.Repeat(".b", 100_000)+" }}", limitNesting)
	refused(t, "{% if a %}"+strings.Repeat("{% elif a %}", 50_000)+"{% endif %}", limitNesting)
}

func TestHostile_HugeLoops_EndAtTheWorkLimit(t *testing.T) {
	t.Parallel()
	refused(t, "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", limitWork)
	refused(t, "{% for a in {length: 1e9 if false else 999999999} %}{% endfor %}", "")
	refused(t, "{% for a in {length: 999999999} %}{% endfor %}", limitWork)
	refused(t, "{% for x in a %}${{ a.push(1) }}{% endfor %}", limitWork)
	refused(t, strings.Repeat("{% for k, v in a %}", 40)+strings.Repeat("{% endfor %}", 40), limitWork)
}

func TestHostile_HugeRanges_EndAtALimit(t *testing.T) {
	t.Parallel()
	refused(t, "${{ range(9007199254740991) }}", limitWork)
	refused(t, "${{ range(0, 1, 0.0000001) }}", limitWork)
	refused(t, "${{ range(200000) }}", "")
	refused(t, "${{ {length: 99999999999} | list | batch(2) }}${{ {length: 99999999999} | batch(2) }}", limitWork)
	refused(t, "${{ s[0:99999999999:0.0000001] }}", limitWork)
}

func TestHostile_MillionCharacterStrings_EndInTimeOrAtALimit(t *testing.T) {
	t.Parallel()
	million := strings.Repeat("x", 1_000_000)
	tmpl, err := Parse(`${{ "`+million+`" | length }}`, Options{})
	require.NoError(t, err)
	got, err := tmpl.Evaluate(t.Context(), &Env{})
	require.NoError(t, err)
	require.Equal(t, 1_000_000.0, got)
	refused(t, strings.Repeat("x", maxSourceUnits+1), limitSource)
	refused(t, `{% set s = "`+million+`" %}{% for i in range(100) %}${{ s }}{% endfor %}`, limitOutput)
	refused(t, `{% set s = "`+million+`" %}{% for i in range(9999) %}{% set n = s.indexOf("y") %}{% endfor %}${{ n }}`, limitWork)
	refused(t, `${{ "x" | center(99999999999) }}`, "")
	refused(t, `${{ ("`+million+`" | list).join(s ~ s ~ s ~ s) }}`, "")
}

func TestHostile_StringDoubling_EndsAtALimit(t *testing.T) {
	t.Parallel()
	refused(t, "{% set s = 'x' %}{% for i in range(60) %}{% set s = s ~ s %}{% endfor %}${{ s|length }}", limitScratch)
	refused(t, "{% set s = 'x' %}{% for i in range(60) %}{% set s = s + s %}{% endfor %}${{ s|length }}", limitScratch)
	refused(t, "{% set s = 'x' %}{% for i in range(60) %}{% set s = s | replace('x', 'xx') %}{% endfor %}${{ s|length }}", limitScratch)
	refused(t, "{% set s %}x{% endset %}{% for i in range(60) %}{% set s %}${{ s }}${{ s }}{% endset %}{% endfor %}", limitOutput)
	refused(t, "{% set l = [1] %}{% for i in range(60) %}{% set l = l.concat(l) %}{% endfor %}", "")
	refused(t, "{% set l = [s] %}{% for i in range(60) %}{% set l = [l, l] %}{% endfor %}${{ l }}", limitWork)
}

func TestHostile_Recursion_EndsAtTheNestingLimit(t *testing.T) {
	t.Parallel()
	refused(t, "{% macro m() %}${{ m() }}{% endmacro %}${{ m() }}", limitNesting)
	refused(t, "{% macro m() %}${{ n() }}{% endmacro %}{% macro n() %}${{ m() }}${{ m() }}{% endmacro %}${{ m() }}", limitNesting)
}

func TestHostile_PrototypeNames_AreRefusedOrUndefined(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"constructor", "prototype", "__proto__"} {
		for _, src := range []string{"o." + name, "o['" + name + "']", "{" + name + ": 1}", name, "o | groupby('" + name + "')", "[o] | selectattr('" + name + "')"} {
			refused(t, "${{ "+src+" }}", "")
		}
		for _, src := range []string{"o['" + name[:2] + "' ~ '" + name[2:] + "']", "s['" + name[:2] + "' ~ '" + name[2:] + "']", "o | pick('" + name + "')", "a | pick('" + name + "')"} {
			tmpl, err := Parse("${{ "+src+" }}", Options{})
			require.NoError(t, err, src)
			got, err := tmpl.Evaluate(t.Context(), &Env{Vars: vars(t, `{"a":[1],"o":{"k":1},"s":"x"}`)})
			require.NoError(t, err, src)
			require.Equal(t, any(Undefined), got, src)
		}
	}
}

func TestHostile_CatastrophicExpressions_EndAtTheStepLimit(t *testing.T) {
	t.Parallel()
	refused(t, `${{ r/^(a+)+$/.test(s) }}`, limitRegex)
	refused(t, `${{ r/^(a|aa)+$/.test(s) }}`, limitRegex)
	refused(t, `${{ s.replace(r/(.*)*(.*)*(.*)*c/g, "") }}`, limitRegex)
	refused(t, `${{ r/(?=(a+)+$)x|^(\1|a+)+$/.test(s) }}`, limitRegex)
	refused(t, `{% set s = s ~ s ~ s ~ s %}{% set s = s ~ s ~ s ~ s %}{% set s = s ~ s ~ s ~ s %}${{ s.split(r/a.*a.*a.*c/) }}`, limitRegex)
	refused(t, `{% set l = "`+strings.Repeat("ab", 500_000)+`" %}${{ r/^(?:ab)*$/.test(l) }}`, limitRegexDepth)
}

func TestHostile_CyclicValues_AreRefused(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"{% set l = [] %}${{ l.push(l) }}", "{% set l = [] %}${{ l.push([l]) }}", "{% set l = [] %}${{ l.push({a: l}) }}",
		"{% set l = [1] %}${{ l.fill(l) }}", "{% set l = [] %}{% set m = [l] %}${{ l.unshift(m) }}", "{% set l = [0] %}${{ l.splice(0, 1, l) }}",
	} {
		require.ErrorContains(t, refused(t, src, ""), "Cyclic template values are not supported")
	}
}

func TestHostile_DeepValues_AreRefused(t *testing.T) {
	t.Parallel()
	refused(t, "{% set l = [] %}{% for i in range(300) %}{% set l = [l] %}{% endfor %}${{ l }}", "")
	deep, err := FromJSON([]byte(strings.Repeat("[", 300) + strings.Repeat("]", 300)))
	require.NoError(t, err)
	tmpl, err := Parse("${{ v | dump }}", Options{})
	require.NoError(t, err)
	_, err = tmpl.Evaluate(t.Context(), &Env{Vars: NewObject("v", deep)})
	require.Error(t, err)
}

func TestHostile_ManyCalls_EndAtTheCallLimit(t *testing.T) {
	t.Parallel()
	tmpl, err := Parse("{% for i in range(5000) %}${{ always() }}{% endfor %}", Options{})
	require.NoError(t, err)
	_, err = tmpl.Evaluate(t.Context(), &Env{Funcs: map[string]Func{"always": func([]any) (any, error) { return true, nil }}})
	var eval *EvalError
	require.ErrorAs(t, err, &eval)
	require.Equal(t, limitCalls, eval.Limit)
}

func TestHostile_ContextEnds_EvaluationEnds(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"{% for a in range(900) %}{% for b in range(900) %}{% endfor %}{% endfor %}",
		`${{ r/^(a+)+$/.test("` + strings.Repeat("a", 40) + `b") }}`,
	} {
		tmpl, err := Parse(src, Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err = tmpl.Evaluate(ctx, &Env{})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}
