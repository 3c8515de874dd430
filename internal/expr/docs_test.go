package expr

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func reference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/template-language.md")
	require.NoError(t, err)
	return string(data)
}

func TestDocs_Examples_GiveWhatTheySay(t *testing.T) {
	t.Parallel()
	text := reference(t)
	data := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(text)
	require.NotNil(t, data)
	blocks := regexp.MustCompile("(?s)```expr\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			i := strings.LastIndex(line, " -> ")
			require.GreaterOrEqual(t, i, 0, line)
			src, want := strings.TrimRight(line[:i], " "), strings.TrimSpace(line[i+len(" -> "):])
			tmpl, err := Parse(src, Options{})
			var got any
			if err == nil {
				got, err = tmpl.Evaluate(t.Context(), &Env{Vars: vars(t, data[1])})
			}
			if want == "error" {
				require.Error(t, err, src)
				continue
			}
			require.NoError(t, err, src)
			require.Equal(t, want, spell(got), src)
		}
	}
}

func TestDocs_EveryNameOfTheLanguage_IsThere(t *testing.T) {
	t.Parallel()
	text := reference(t)
	names := append(append(append(Filters(), Tests()...), Functions()...), Methods()...)
	for _, of := range []map[string]*method{jinjaArrayMethods, jinjaRecordMethods} {
		names = append(names, sortedNames(of)...)
	}
	for _, name := range names {
		require.Regexp(t, "`"+name+"[`(]", text, name)
	}
}

func TestDocs_EveryListedDifference_IsThere(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("differential_test.go")
	require.NoError(t, err)
	text := reference(t)
	ids := regexp.MustCompile(`(?:return|id =) "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	require.NotEmpty(t, ids)
	for _, id := range ids {
		if id[1] != "node" && id[1] != "goja" {
			require.Contains(t, text, "| `"+id[1]+"` |")
		}
	}
}
