package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServers_Versions_AreTheOnesOfTheModules(t *testing.T) {
	t.Parallel()
	for name, module := range map[string]string{"temporal": "go.temporal.io/server", "vault": "github.com/hashicorp/vault"} {
		source, err := servers[name].source()
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(source, "go.mod"))
		require.NoError(t, err)
		require.Contains(t, string(text), module+" v"+servers[name].version+"\n")
	}
}

func TestServer_Prints_FittingVersionsOnly(t *testing.T) {
	t.Parallel()
	for output, fits := range map[string]bool{
		"Vault v1.21.1, built 2025-11-23T20:45:45Z (cgo)": true,
		"Vault v1.21.4 (abc), built 2026-01-01T00:00:00Z": true,
		"Vault v1.20.4 (abc), built 2026-01-01T00:00:00Z": false,
		"Vault v1.2.0":    false,
		"OpenBao v1.21.1": false,
		"gildway temporal-server 1.32.1 (web UI v2.55.0)":          false,
		"temporal version 1.32.1 (Server 1.32.1, UI 2.55.0) Vault": false,
	} {
		require.Equal(t, fits, servers["vault"].prints.MatchString(output), output)
	}
	temporal := servers["temporal"].prints
	require.True(t, temporal.MatchString("gildway temporal-server 1.32.1 (web UI v2.55.0)"))
	require.False(t, temporal.MatchString("gildway temporal-server 1.32.10 (web UI v2.55.0)"))
	require.False(t, temporal.MatchString("temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"))
}

// fakeServer is a module whose build takes no time to speak of.
func fakeServer(t *testing.T, prints string) server {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(ServersDirEnv, dir)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := filepath.Join(dir, "fake")
	require.NoError(t, os.Mkdir(source, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(source, "go.mod"),
		[]byte("module github.com/gildway/gildway/deploy/servers/fake\n\ngo 1.26\n"), 0o644))
	writeMain(t, source, prints)
	return server{
		name: "fake", version: "9.9.9", command: "gildway-fake-server",
		prints: regexp.MustCompile(`^fake 9\.9\.9\b`), target: ".",
	}
}

func writeMain(t *testing.T, source, prints string) {
	t.Helper()
	program := "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(`" + prints + "`) }\n"
	require.NoError(t, os.WriteFile(filepath.Join(source, "main.go"), []byte(program), 0o644))
}

func TestServer_Build_TwoAtOnce_BuildOnceAndFindItAgain(t *testing.T) {
	s := fakeServer(t, "fake 9.9.9 one")
	source, err := s.source()
	require.NoError(t, err)
	var mu sync.Mutex
	var finished []string
	progress := func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Finished {
			finished = append(finished, strings.Fields(p.String())[0])
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			path, err := s.build(t.Context(), source, report("fake", progress))
			if err == nil {
				_, err = os.Stat(path)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.ElementsMatch(t, []string{"built", "found"}, finished)

	path, ok := s.find(t.Context())
	require.True(t, ok)
	require.Equal(t, filepath.Join(os.Getenv("XDG_CACHE_HOME"), "gildway", "fake-9.9.9"), path)

	writeMain(t, source, "fake 9.9.9 two")
	_, ok = s.find(t.Context())
	require.False(t, ok, "the source has changed")
	_, err = s.build(t.Context(), source, report("fake", nil))
	require.NoError(t, err)
	_, ok = s.find(t.Context())
	require.True(t, ok)
}

func TestServer_Build_WrongVersion_IsNotKept(t *testing.T) {
	s := fakeServer(t, "fake 1.0.0")
	source, err := s.source()
	require.NoError(t, err)
	_, err = s.build(t.Context(), source, report("fake", nil))
	require.ErrorContains(t, err, "does not say that it is version 9.9.9")
	entries, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "gildway", "fake*"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestServer_Build_BrokenSource_ShowsTheCompilersWords(t *testing.T) {
	s := fakeServer(t, "` + nothing + `")
	source, err := s.source()
	require.NoError(t, err)
	_, err = s.build(t.Context(), source, report("fake", nil))
	require.ErrorContains(t, err, "undefined: nothing")
}

func TestServer_Source_NotFound_SaysWhatToDo(t *testing.T) {
	t.Setenv(ServersDirEnv, "")
	t.Chdir(t.TempDir())
	_, err := servers["vault"].source()
	require.ErrorContains(t, err, ServersDirEnv)
	t.Setenv(ServersDirEnv, t.TempDir())
	_, err = servers["vault"].source()
	require.ErrorContains(t, err, "has no module vault")
}

func TestProgress_String(t *testing.T) {
	t.Parallel()
	p := Progress{Doing: "building vault 1.21.1", Done: 812, Total: 1906, Elapsed: 190e9}
	require.Equal(t, "building vault 1.21.1: 812 of 1906 packages, 3m10s", p.String())
	require.Equal(t, "vault is ready", Progress{Doing: "vault is ready", Elapsed: 5e8, Finished: true}.String())
}
