package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCORS_OnlyExactOrigins(t *testing.T) {
	t.Parallel()
	for origin, good := range map[string]bool{
		"https://backstage.example.com": true, "http://localhost:3000": true,
		"*": false, "https://backstage.example.com/": false, "backstage.example.com": false, "https://*.example.com/x": false, "null": false, "": false,
	} {
		ok := true
		CORS{Origins: []string{origin}}.check(func(exact bool, _, _ string) { ok = ok && exact })
		require.Equal(t, good, ok, origin)
	}
}
