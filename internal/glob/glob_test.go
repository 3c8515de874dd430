package glob

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// The recording says what globby 11 finds in a folder with these files for a pattern below that folder.
func TestMatch_RecordedPatterns_AsFastGlob(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/fast-glob.json")
	require.NoError(t, err)
	var recorded struct {
		Tree  []string
		Cases []struct {
			Pattern string
			Files   []string
		}
	}
	require.NoError(t, json.Unmarshal(raw, &recorded))
	require.Greater(t, len(recorded.Cases), 100)
	for _, c := range recorded.Cases {
		t.Run(c.Pattern, func(t *testing.T) {
			pattern := path.Clean(strings.ReplaceAll(c.Pattern, `\`, "/"))
			if slices.ContainsFunc(recorded.Tree, func(name string) bool { return strings.HasPrefix(name, pattern+"/") }) {
				pattern += "/**"
			}
			p, err := Compile(pattern)
			require.NoError(t, err)
			found := []string{}
			for _, name := range recorded.Tree {
				if p.Match(name) {
					found = append(found, name)
				}
			}
			if c.Pattern == "**" {
				c.Files = append(c.Files, "new\nline") // its ** stops at a line break
			}
			require.ElementsMatch(t, c.Files, found)
		})
	}
}

func TestMatch_Escaped_StandsForItself(t *testing.T) {
	t.Parallel()
	for pattern, name := range map[string]string{`\*`: "*", `\{a,b\}`: "{a,b}", `a\(b\)`: "a(b)", `\[x]`: "[x]", `[\]]`: "]"} {
		p, err := Compile(pattern)
		require.NoError(t, err)
		require.True(t, p.Match(name), pattern)
		require.False(t, p.Match("ax"), pattern)
	}
}

func TestHostile_Patterns_RefusedOrMatchedInTime(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		strings.Repeat("a", MaxLength+1), "\xff", strings.Repeat("{a,b}", 20), "{1..100000}", "{-9223372036854775808..9223372036854775807}",
		"!(!(!(a)))",
	} {
		_, err := Compile(pattern)
		require.ErrorIs(t, err, fault.Invalid, "%.40q", pattern)
	}
	name := strings.Repeat("a", 255) + "!"
	began := time.Now()
	for _, pattern := range []string{
		strings.Repeat("*a", 100) + "b", strings.Repeat("**/", 200) + "b", "+(+(+(a)))b", "*(*(*(a|aa)|aaa))b", strings.Repeat("?(a)", 200) + "b",
		strings.Repeat("(", 1000), strings.Repeat("[", 1000), strings.Repeat("{", 2000), "!(!(a*b)c)d",
	} {
		p, err := Compile(pattern)
		require.NoError(t, err)
		require.False(t, p.Match(name), "%.40q", pattern)
	}
	require.Less(t, time.Since(began), 5*time.Second)
}
