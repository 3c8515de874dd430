package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir)
	require.NoError(t, err)
	return l
}

func TestLedger_Reopened_KeepsDocumentsOrderAndCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Update(func(tx *Tx) error {
		tx.Put("b", "z", "first")
		tx.Put("b", "a", "second")
		tx.Put("b", "z", "first again")
		tx.Effect("thing.made", "x y")
		tx.Effect("thing.made", "x y")
		tx.Call("GET /x")
		return nil
	}))
	for range 2 {
		require.NoError(t, l.Close())
		l = open(t, dir)
		l.View(func(tx *Tx) { require.Equal(t, []string{"first again", "second"}, All[string](tx, "b", "")) })
		require.Equal(t, Counts{
			Effects: map[string]Effect{"thing.made": {Total: 2, By: map[string]int64{"x y": 2}}},
			Calls:   map[string]int64{"GET /x": 1},
		}, l.Counts())
	}
	require.NoError(t, l.Reset())
	require.Empty(t, l.Counts().Effects)
	require.NoError(t, l.Close())
}

func TestLedger_TornLastLine_IsDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Update(func(tx *Tx) error { tx.Put("b", "k", 1); return nil }))
	require.NoError(t, l.Close())
	f, err := os.OpenFile(filepath.Join(dir, "ledger.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`[{"b":"b","k":"k","v":2},{"b":"b"`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	l = open(t, dir)
	l.View(func(tx *Tx) {
		n, ok := Get[int](tx, "b", "k")
		require.True(t, ok)
		require.Equal(t, 1, n)
	})
	require.NoError(t, l.Close())
}

func TestLedger_FailedUpdate_ChangesNothing(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	require.NoError(t, l.Update(func(tx *Tx) error { tx.Put("b", "k", 1); return nil }))
	refused := errors.New("refused")
	require.ErrorIs(t, l.Update(func(tx *Tx) error {
		tx.Put("b", "k", 2)
		tx.Put("b", "new", 3)
		tx.Delete("b", "k")
		tx.Effect("e", "r")
		return refused
	}), refused)
	l.View(func(tx *Tx) { require.Equal(t, []int{1}, All[int](tx, "b", "")) })
	require.Empty(t, l.Counts().Effects)
	require.NoError(t, l.Close())
}

func TestLedger_SecondHolder_IsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	_, err := Open(dir)
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, l.Close())
	require.NoError(t, open(t, dir).Close())
}
