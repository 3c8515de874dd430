package workspace

import (
	"fmt"
	"testing"

	"github.com/gildway/gildway/internal/fault"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
	"pgregory.net/rapid"
)

func TestPut_AndGet_SameContentOnceAndChecked(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	digest, err := Put(t.Context(), bucket, []byte(`[1,2]`))
	require.NoError(t, err)
	again, err := Put(t.Context(), bucket, []byte(`[1,2]`))
	require.NoError(t, err)
	require.Equal(t, digest, again)
	content, err := Get(t.Context(), bucket, digest)
	require.NoError(t, err)
	require.Equal(t, `[1,2]`, string(content))

	_, err = Get(t.Context(), bucket, "../../etc/passwd")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = Get(t.Context(), bucket, digestOf([]byte("never stored")))
	require.ErrorIs(t, err, fault.Internal)
	at, err := key(digest)
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), at, []byte(`[1,3]`), nil))
	_, err = Get(t.Context(), bucket, digest)
	require.ErrorIs(t, err, fault.Internal)
}

func TestSquash_NoneOrOne_NothingNew(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	none, err := Squash(t.Context(), bucket, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	w := open(t, bucket)
	require.NoError(t, w.WriteFile("a", []byte("x"), 0o644))
	layer := seal(t, w)
	one, err := Squash(t.Context(), bucket, []string{layer})
	require.NoError(t, err)
	require.Equal(t, layer, one)
}

// Whatever steps do, one after the other or side by side, one layer in place of theirs gives the same files.
func TestSquash_AnyLayers_DoesWhatTheyDo(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[ab](/[ab]){0,2}`)
	change := func(t *rapid.T, w *Workspace) {
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			at := name.Draw(t, "name")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				_ = w.Mkdir(at)
			case 1:
				_ = w.Remove(at)
			case 2:
				_ = w.Rename(at, name.Draw(t, "to"))
			case 3:
				_ = w.Symlink("x", at)
			default:
				_ = w.WriteFile(at, []byte(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "content")), 0o644)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bucket := memblob.OpenBucket(nil)
		var base, layers []string
		w := open(t, bucket)
		change(t, w)
		if digest := seal(t, w); digest != "" {
			base = append(base, digest)
		}
		for range rapid.IntRange(0, 5).Draw(t, "steps") {
			sees := append([]string{}, base...)
			for i, l := range layers {
				if rapid.Bool().Draw(t, fmt.Sprint("sees ", i)) {
					sees = append(sees, l)
				}
			}
			w := open(t, bucket, sees...)
			change(t, w)
			if digest := seal(t, w); digest != "" {
				layers = append(layers, digest)
			}
		}
		one, err := Squash(t.Context(), bucket, layers)
		require.NoError(t, err)
		squashed := append([]string{}, base...)
		if one != "" {
			squashed = append(squashed, one)
		}
		require.Equal(t, contents(t, open(t, bucket, append(base, layers...)...)), contents(t, open(t, bucket, squashed...)))
	})
}

func TestSquash_TenThousandLayers_OneLayer(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	var layers []string
	for i := range MaxEntries {
		w := open(t, bucket)
		require.NoError(t, w.WriteFile(fmt.Sprintf("items/%d/file", i), []byte("x"), 0o644))
		layers = append(layers, seal(t, w))
	}
	one, err := Squash(t.Context(), bucket, layers)
	require.NoError(t, err)
	entries, err := open(t, bucket, one).ReadDir("items")
	require.NoError(t, err)
	require.Len(t, entries, MaxEntries)
}
