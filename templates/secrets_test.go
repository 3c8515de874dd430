package templates

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
)

func TestReadsSecret(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		`{"token":"${{ secrets.backstageToken }}"}`:                          true,
		`{"headers":[{"a":"Bearer ${{ secrets['backstageToken'] }}"}]}`:      true,
		`"${{ secrets | dump }}"`:                                            true,
		`"${{ secrets[parameters.which] }}"`:                                 true,
		`"{% for k, v in secrets %}${{ k }}{% endfor %}"`:                    true,
		`{"token":"${{ secrets.OTHER }}"}`:                                   false,
		`{"secrets":"secrets.backstageToken"}`:                               false,
		`"${{ parameters.secrets.backstageToken }}"`:                         false,
		`"${{ secrets.backstageToken"`:                                       false,
		`"{% raw %}${{ secrets.backstageToken }}{% endraw %}"`:               false,
		`"{% set secrets = 1 %}${{ parameters.a }}"`:                         false,
		`{"n":5,"deep":[true,null,{"x":"${{ secrets . backstageToken }}"}]}`: true,
	} {
		for where, step := range map[string]plan.Step{
			"if": {If: json.RawMessage(src)}, "each": {Each: json.RawMessage(src)}, "input": {Input: json.RawMessage(src)},
		} {
			require.Equal(t, want, ReadsSecret(&plan.Plan{Steps: []plan.Step{{}, step}}, "backstageToken"), "%s: %s", where, src)
		}
	}
}
