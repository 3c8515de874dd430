package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// asStack makes the test binary run a stack in the state directory it names,
// write what it is to standard output, and wait to be killed.
const asStack = "GILDWAY_STACK_TEST_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(asStack)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), testOptions(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(s.Children()); err != nil {
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, s.Wait())
}

func testOptions(dir string) Options {
	return Options{
		StateDir: dir,
		Progress: func(p Progress) { fmt.Fprintf(os.Stderr, "%s: %s\n", p.Step, p) },
		SearchAttributes: map[string]string{
			"GildwayTemplate": "Keyword", "GildwayRequester": "Keyword", "GildwayOwner": "Keyword",
			"GildwayPhase": "Keyword", "GildwayApprovers": "KeywordList",
		},
		VaultSetup: VaultSetup{
			Mounts:   []VaultMount{{Path: "teams", Type: "kv", Options: map[string]string{"version": "2"}}, {Path: "transit", Type: "transit"}},
			Auth:     []VaultMount{{Path: "approle", Type: "approle"}},
			Policies: map[string]string{"engine": `path "teams/data/*" { capabilities = ["create", "update", "read"] }`},
			Writes:   []VaultWrite{{Path: "transit/keys/payloads", Data: map[string]any{"type": "aes256-gcm96"}}},
			Tokens:   map[string][]string{"engine": {"engine"}},
		},
	}
}

func startForTest(t *testing.T, dir string) *Stack {
	t.Helper()
	s, err := Start(t.Context(), testOptions(dir))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}
