package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintResult_ForPeople(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"links":[{"title":"Repository","url":"http://git/x","icon":"github"},{"entityRef":"component:default/x"}],
		  "text":[{"title":"Collect your key","content":"Only **once**:\n\n    gildway task collect\n","default":true},{"content":"\u001b[2Jmore"}],
		  "port":8080,"name":"x"}`: `
Collect your key

Only **once**:

    gildway task collect

more

Repository: http://git/x
component:default/x
name: "x"
port: 8080
`,
		`{"links":[]}`:      "",
		`{"text":"what?"}`:  "{\n  \"text\": \"what?\"\n}\n",
		`["not an object"]`: "[\n  \"not an object\"\n]\n",
	} {
		var out strings.Builder
		require.NoError(t, printResult(&out, []byte(raw)))
		require.Equal(t, want, out.String())
	}
}
