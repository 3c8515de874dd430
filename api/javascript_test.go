package api

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsJavaScript_WhatGoEscapes_StandsAsItIs(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"<a href=\"x\">&\u2028\u2029": "\"<a href=\\\"x\\\">&\u2028\u2029\"",
		`\u003c \\u003c`:              `"\\u003c \\\\u003c"`,
		"\x1b\t\\":                    `"\u001b\t\\"`,
		"plain":                       `"plain"`,
	} {
		raw, err := json.Marshal(given)
		require.NoError(t, err)
		got := asJavaScript(append(raw, '\n'))
		require.Equal(t, want, string(got))
		var back string
		require.NoError(t, json.Unmarshal(got, &back))
		require.Equal(t, given, back)
	}
}
