package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/gildway/gildway/internal/fault"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"pgregory.net/rapid"
)

func open(t require.TestingT, bucket *blob.Bucket, layers ...string) *Workspace {
	w, err := Open(context.Background(), bucket, layers)
	require.NoError(t, err)
	return w
}

func seal(t require.TestingT, w *Workspace) string {
	digest, err := w.Seal(context.Background())
	require.NoError(t, err)
	return digest
}

// contents reads everything a workspace holds, links and modes included.
func contents(t require.TestingT, w *Workspace) map[string]string {
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(w, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			target, err := w.ReadLink(name)
			if err != nil {
				return err
			}
			what += " " + target
		case !d.IsDir():
			content, err := fs.ReadFile(w, name)
			if err != nil {
				return err
			}
			what += " " + string(content)
		}
		all[name] = what
		return nil
	}))
	return all
}

func TestWorkspace_SealedAndOpenedAgain_HoldsTheSame(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	w := open(t, bucket)
	require.NoError(t, w.WriteFile("src/index.js", []byte("console.log(1)"), 0o644))
	require.NoError(t, w.WriteFile("./bin/run", []byte("#!/bin/sh"), 0o755))
	require.NoError(t, w.Mkdir("empty/deep"))
	require.NoError(t, w.Symlink("../src/index.js", "bin/main"))
	require.NoError(t, fstest.TestFS(w, "src/index.js", "bin/run", "empty/deep", "bin/main"))

	again := open(t, bucket, seal(t, w))
	require.Equal(t, map[string]string{
		".":            "drwxr-xr-x",
		"bin":          "drwxr-xr-x",
		"bin/main":     "Lrwxrwxrwx ../src/index.js",
		"bin/run":      "-rwxr-xr-x #!/bin/sh",
		"empty":        "drwxr-xr-x",
		"empty/deep":   "drwxr-xr-x",
		"src":          "drwxr-xr-x",
		"src/index.js": "-rw-r--r-- console.log(1)",
	}, contents(t, again))
	through, err := fs.ReadFile(again, "bin/main")
	require.NoError(t, err)
	require.Equal(t, "console.log(1)", string(through))
	require.NoError(t, fstest.TestFS(again, "src/index.js", "bin/main"))
}

func TestWorkspace_NothingChanged_NoLayer(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	require.Empty(t, seal(t, open(t, bucket)))
	w := open(t, bucket)
	require.NoError(t, w.WriteFile("a", []byte("x"), 0o644))
	first := seal(t, w)
	again := open(t, bucket, first)
	require.NoError(t, again.WriteFile("a", []byte("y"), 0o644))
	require.NoError(t, again.WriteFile("a", []byte("x"), 0o600))
	require.Empty(t, seal(t, again))
}

func TestWorkspace_RemovedAndReplaced_LaterLayerWins(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	w := open(t, bucket)
	require.NoError(t, w.WriteFile("a/b", []byte("1"), 0o644))
	require.NoError(t, w.WriteFile("a-b", []byte("2"), 0o644))
	require.NoError(t, w.Mkdir("a"))
	first := seal(t, w)

	w = open(t, bucket, first)
	entries, err := w.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.ErrorIs(t, w.Remove("a"), fault.Conflict)
	require.NoError(t, w.Remove("a/b"))
	require.NoError(t, w.Remove("a"))
	require.ErrorIs(t, w.Remove("a"), fault.NotFound)
	require.NoError(t, w.WriteFile("a", []byte("now a file"), 0o644))
	second := seal(t, w)

	require.Equal(t, map[string]string{
		".": "drwxr-xr-x", "a": "-rw-r--r-- now a file", "a-b": "-rw-r--r-- 2",
	}, contents(t, open(t, bucket, first, second)))
}

func TestWorkspace_FileWhereAFolderIs_Conflict(t *testing.T) {
	t.Parallel()
	w := open(t, memblob.OpenBucket(nil))
	require.NoError(t, w.WriteFile("a/b", nil, 0o644))
	require.ErrorIs(t, w.WriteFile("a", nil, 0o644), fault.Conflict)
	require.ErrorIs(t, w.WriteFile("a/b/c", nil, 0o644), fault.Conflict)
	require.ErrorIs(t, w.Mkdir("a/b"), fault.Conflict)
	require.ErrorIs(t, w.Symlink("b", "a"), fault.Conflict)
}

func TestWorkspace_Escapes_Denied(t *testing.T) {
	t.Parallel()
	names := []string{
		"", "..", "../x", "a/../../x", "a/..", "/etc/passwd", `a\..\x`, "a\x00b", ".git", ".git/config", "./.git/hooks/pre-commit",
		".GIT/config", "sub/.git/config", "a/\xff",
	}
	w := open(t, memblob.OpenBucket(nil))
	for _, name := range names {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			require.ErrorIs(t, w.WriteFile(name, nil, 0o644), fault.Denied)
			require.ErrorIs(t, w.Mkdir(name), fault.Denied)
			require.ErrorIs(t, w.Symlink("x", name), fault.Denied)
			require.ErrorIs(t, w.Remove(name), fault.Denied)
			require.False(t, w.Exists(name))
			_, err := w.Open(name)
			require.ErrorIs(t, err, fault.Denied)
		})
	}
	for _, target := range []string{"", "..", "../x", "/etc", "a/../../x", ".git/config", `..\x`} {
		require.ErrorIs(t, w.Symlink(target, "link"), fault.Denied, "%q", target)
	}
	require.NoError(t, w.Symlink("..", "deep/up"), "the workspace itself is inside")
	require.NoError(t, w.WriteFile("deep/up/x", []byte("1"), 0o644))
	require.True(t, w.Exists("x"))
	require.ErrorIs(t, w.WriteFile("deep/up/.git/config", nil, 0o644), fault.Denied)
}

func TestWorkspace_LinksInACircle_Denied(t *testing.T) {
	t.Parallel()
	w := open(t, memblob.OpenBucket(nil))
	require.NoError(t, w.Symlink("b", "a"))
	require.NoError(t, w.Symlink("a", "b"))
	require.ErrorIs(t, w.WriteFile("a/x", nil, 0o644), fault.Denied)
	require.True(t, w.Exists("a"))
	require.NoError(t, w.Remove("a"))
}

func TestWorkspace_TooLarge_Invalid(t *testing.T) {
	t.Parallel()
	w := open(t, memblob.OpenBucket(nil))
	require.ErrorIs(t, w.WriteFile("big", make([]byte, MaxFileSize+1), 0o644), fault.Invalid)
	for i := range MaxSize / MaxFileSize {
		require.NoError(t, w.WriteFile(fmt.Sprint(i), zeros, 0o644))
	}
	require.ErrorIs(t, w.WriteFile("one more", []byte("x"), 0o644), fault.Invalid)
	require.NoError(t, w.WriteFile("0", []byte("x"), 0o644))
	require.NoError(t, w.WriteFile("one more", []byte("x"), 0o644))
}

var zeros = make([]byte, MaxFileSize)

func TestOpen_WhatIsNotADigestOrWasChanged_Refused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	_, err := Open(ctx, bucket, []string{"../../etc/passwd"})
	require.ErrorIs(t, err, fault.Invalid)

	w := open(t, bucket)
	require.NoError(t, w.WriteFile("a", []byte("x"), 0o644))
	digest := seal(t, w)
	at, err := key(digest)
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(ctx, at, []byte("{}"), nil))
	_, err = Open(ctx, bucket, []string{digest})
	require.ErrorIs(t, err, fault.Internal)

	evil := []byte(`{"version":1,"files":{"../x":{"dir":true}}}`)
	require.NoError(t, store(ctx, bucket, digestOf(evil), evil))
	_, err = Open(ctx, bucket, []string{digestOf(evil)})
	require.ErrorIs(t, err, fault.Denied)
}

func drawFiles(t *rapid.T, under string) map[string]string {
	return rapid.MapOfN(
		rapid.Custom(func(t *rapid.T) string {
			return under + "/" + rapid.StringMatching(`[a-c]{1,2}`).Draw(t, "folder") + "/" + rapid.StringMatching(`[a-c.-]{1,2}x`).Draw(t, "file")
		}),
		rapid.String(), 0, 8,
	).Draw(t, "files under "+under)
}

func TestLayers_OfDisjointPaths_Commute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bucket := memblob.OpenBucket(nil)
		base := open(t, bucket)
		var layers []string
		write := func(w *Workspace, files map[string]string) {
			for name, content := range files {
				require.NoError(t, w.WriteFile(name, []byte(content), 0o644))
			}
		}
		write(base, drawFiles(t, "left"))
		write(base, drawFiles(t, "right"))
		if digest := seal(t, base); digest != "" {
			layers = append(layers, digest)
		}
		var sides []string
		for _, side := range []string{"left", "right"} {
			w := open(t, bucket, layers...)
			write(w, drawFiles(t, side))
			if rapid.Bool().Draw(t, "remove one") {
				_ = fs.WalkDir(w, side, func(name string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						require.NoError(t, w.Remove(name))
						return fs.SkipAll
					}
					return nil
				})
			}
			if digest := seal(t, w); digest != "" {
				sides = append(sides, digest)
			}
		}
		one := contents(t, open(t, bucket, append(append([]string{}, layers...), sides...)...))
		if len(sides) == 2 {
			sides[0], sides[1] = sides[1], sides[0]
		}
		require.Equal(t, one, contents(t, open(t, bucket, append(append([]string{}, layers...), sides...)...)))
	})
}

func TestSeal_SameContentInAnyOrder_SameDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t, "x")
		names := make([]string, 0, len(files))
		for name := range files {
			names = append(names, name)
		}
		digests := map[string]bool{}
		for range 2 {
			w := open(t, memblob.OpenBucket(nil))
			for _, name := range rapid.Permutation(names).Draw(t, "order") {
				require.NoError(t, w.WriteFile(name, []byte("not yet"), 0o755))
				require.NoError(t, w.WriteFile(name, []byte(files[name]), 0o644))
			}
			digests[seal(t, w)] = true
		}
		require.Len(t, digests, 1)
	})
}

// Whatever is asked for, no name ever leads outside or into .git.
func TestNames_AnyNameAndLinks_StayInside(t *testing.T) {
	t.Parallel()
	parts := rapid.SampledFrom([]string{"a", "b", "..", ".", "", ".git", "/", `\`, "l"})
	name := rapid.Custom(func(t *rapid.T) string {
		var s string
		for i, p := range rapid.SliceOfN(parts, 1, 6).Draw(t, "parts") {
			if i > 0 {
				s += "/"
			}
			s += p
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		bucket := memblob.OpenBucket(nil)
		w := open(t, bucket)
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			at := name.Draw(t, "name")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				_ = w.WriteFile(at, []byte("x"), 0o644)
			case 1:
				_ = w.Symlink(name.Draw(t, "target"), at)
			default:
				_ = w.Mkdir(at)
			}
		}
		for stored := range w.now.files {
			cleaned, err := clean(stored)
			require.NoError(t, err)
			require.Equal(t, stored, cleaned)
		}
		if digest := seal(t, w); digest != "" {
			require.Equal(t, contents(t, w), contents(t, open(t, bucket, digest)))
		}
	})
}

func TestReadDir_Missing_IsNotExist(t *testing.T) {
	t.Parallel()
	_, err := fs.ReadDir(open(t, memblob.OpenBucket(nil)), "nowhere")
	require.True(t, errors.Is(err, fs.ErrNotExist))
	require.ErrorIs(t, err, fault.NotFound)
}
