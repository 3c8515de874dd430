package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRooms_ImportsPointDownTheTableOfTheDocs(t *testing.T) {
	t.Parallel()
	const module = "github.com/gildway/gildway/"
	page, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	var rooms []string
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `") {
			rooms = append(rooms, strings.TrimSuffix(cells[1], "/"))
		}
	}
	row := func(path string) int {
		return slices.IndexFunc(rooms, func(room string) bool { return path == room || strings.HasPrefix(path, room+"/") })
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	said, err := list.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(said)) {
		var paths []string
		for _, path := range strings.Fields(line) {
			if inside, ok := strings.CutPrefix(path, module); ok {
				paths = append(paths, inside)
			}
		}
		require.GreaterOrEqual(t, row(paths[0]), 0, "%s has no row", paths[0])
		for _, imported := range paths[1:] {
			require.LessOrEqual(t, row(paths[0]), row(imported), "%s imports %s, which stands above it", paths[0], imported)
		}
	}
}
