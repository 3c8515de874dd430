package expr

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The rows of the table "When a value keeps its type": what a step value comes to now, and with the legacy switch.
func TestLegacyTyping_EveryRowOfTheTable(t *testing.T) {
	t.Parallel()
	const (
		data = `{"x":{"a":[1,null,"b"]},"n":5,"nullVal":null,"b":6,"c":true,"no":false,"five":"42","json":"{\"a\":1}"}`
		gone = "undefined"
	)
	for _, row := range []struct{ src, current, legacy string }{
		{"plain", `"plain"`, `"plain"`},
		{"true", `"true"`, `"true"`},
		{"5", `"5"`, `"5"`},
		{"", `""`, gone},
		{"${{ x }}", `{"a":[1,null,"b"]}`, `{"a":[1,null,"b"]}`},
		{"${{ n }}", "5", "5"},
		{"${{ c }}", "true", "true"},
		{"${{ nope }}", gone, gone},
		{"${{ nullVal }}", "null", "null"},
		{`${{ "" }}`, `""`, `""`},
		{`${{ "a" if false }}`, `""`, `""`},
		{" ${{ n }}", `" 5"`, `" 5"`},
		{"${{ n }} ", `"5 "`, `"5 "`},
		{"x${{ n }}", `"x5"`, `"x5"`},
		{"${{ n }}\n", `"5\n"`, `"5\n"`},
		{"${{ n }}${{ b }}", `"56"`, `"56"`},
		{"{# c #}${{ n }}", "5", "5"},
		{`${{ "5" }}`, `"5"`, `"5"`},
		{"${{ five }}", `"42"`, `"42"`},
		{"${{ json }}", `"{\"a\":1}"`, `"{\"a\":1}"`},
		{"${{ x | dump }}", `"{\"a\":[1,null,\"b\"]}"`, `"{\"a\":[1,null,\"b\"]}"`},
		{"{% if c %}yes{% endif %}", `"yes"`, `"yes"`},
		{"{% if c %}true{% endif %}", `"true"`, "true"},
		{"{% if c %}5{% endif %}", `"5"`, "5"},
		{"{% if no %}x{% endif %}", `""`, gone},
		{"{# c #}", `""`, gone},
		{"{% set x=5 %}${{ x }}", `"5"`, `"5"`},
		{"${{\nn\n}}", "5", "5"},
		{"${{ 1/0 }}", "Infinity", "null"},
		{"${{ n + }}", `"${{ n + }}"`, `"${{ n + }}"`},
		{"${{ n | nope }}", `"${{ n | nope }}"`, `"${{ n | nope }}"`},
		{"${{ nope() }}", `"${{ nope() }}"`, `"${{ nope() }}"`},
	} {
		for legacy, want := range map[bool]string{false: row.current, true: row.legacy} {
			got, err := RenderTree(t.Context(), row.src, &Env{Vars: vars(t, data), LegacyTyping: legacy})
			require.NoError(t, err)
			require.Equal(t, want, spell(got), "%q, legacy %v", row.src, legacy)
		}
	}
}

// Two rows differ from Backstage up to 4.0.2 even with the switch, as the opt-in of its current engine does.
func TestLegacyTyping_SafeAndMultiline_AsTheCurrentEnginesOptIn(t *testing.T) {
	t.Parallel()
	env := &Env{Vars: vars(t, `{"x":"5"}`), LegacyTyping: true}
	for src, want := range map[string]string{"${{ x | safe }}": `"5"`, "${{\nx\n}}": `"5"`} {
		got, err := RenderTree(t.Context(), src, env)
		require.NoError(t, err)
		require.Equal(t, want, spell(got), src)
	}
}
