package github

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommitFiles_SameInput_SameHash(t *testing.T) {
	t.Parallel()
	by := author{name: "Gildway", email: "gildway@localhost", when: time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("x", 3600))}
	files := fstest.MapFS{"a": {Data: []byte("1")}, ".git/config": {Data: []byte("no")}}
	first, err := commitFiles(files, ".", by, "initial commit")
	require.NoError(t, err)
	by.when = by.when.UTC()
	delete(files, ".git/config")
	second, err := commitFiles(files, "./", by, "initial commit\n")
	require.NoError(t, err)
	require.Equal(t, first.hash, second.hash)
	require.Len(t, first.objects, 3)

	by.email = "x>\ncommitter y <z"
	_, err = commitFiles(files, ".", by, "initial commit")
	require.Error(t, err)
}
