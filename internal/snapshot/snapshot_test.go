package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func folder(change func(fstest.MapFS)) fstest.MapFS {
	files := fstest.MapFS{
		"template.yaml": {Data: []byte("kind: Template"), Mode: 0o644}, "other.yaml": {Data: []byte("kind: Other"), Mode: 0o644},
		"skeleton/run.sh": {Data: []byte("x"), Mode: 0o755}, "skeleton/link": {Data: []byte("run.sh"), Mode: 0o777 | fs.ModeSymlink},
		"empty": {Mode: 0o755 | fs.ModeDir}, ".git/HEAD": {Data: []byte("ref")}, ".gitignore": {Data: []byte("x"), Mode: 0o644},
	}
	if change != nil {
		change(files)
	}
	return files
}

func TestTake_SameFolder_SameDigestAndItChecks(t *testing.T) {
	t.Parallel()
	one, err := Take(folder(nil), "template.yaml", nil)
	require.NoError(t, err)
	two, err := Take(folder(func(f fstest.MapFS) { f[".git/HEAD"] = &fstest.MapFile{Data: []byte("other")} }), "template.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, one, two)
	require.Equal(t, "kind: Template", string(one.Source))
	require.NoError(t, Check(one.Archive, one.Digest))
	again, err := Digest(folder(nil), "template.yaml")
	require.NoError(t, err)
	require.Equal(t, one.Digest, again)

	other, err := Take(folder(nil), "other.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, "kind: Other", string(other.Source))
	require.NoError(t, Check(other.Archive, other.Digest))
	given, err := Take(folder(nil), "", []byte("given"))
	require.NoError(t, err)
	require.Equal(t, "given", string(given.Source))
	require.NoError(t, Check(given.Archive, given.Digest))
	given2, err := Take(folder(nil), "", []byte("given otherwise"))
	require.NoError(t, err)
	require.NoError(t, Check(given2.Archive, given2.Digest))
	all := map[string]bool{one.Digest: true, other.Digest: true, given.Digest: true, given2.Digest: true}
	require.Len(t, all, 4)
	for _, s := range []Snapshot{other, given, given2} {
		require.ErrorIs(t, Check(s.Archive, one.Digest), fault.Denied)
	}
}

func TestTake_AnyChange_AnotherDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(fstest.MapFS){
		"none":        nil,
		"content":     func(f fstest.MapFS) { f["skeleton/run.sh"].Data = []byte("y") },
		"mode":        func(f fstest.MapFS) { f["skeleton/run.sh"].Mode = 0o644 },
		"target":      func(f fstest.MapFS) { f["skeleton/link"].Data = []byte("x") },
		"a file now":  func(f fstest.MapFS) { f["skeleton/link"].Mode = 0o644 },
		"more":        func(f fstest.MapFS) { f["skeleton/z"] = &fstest.MapFile{} },
		"less":        func(f fstest.MapFS) { delete(f, "skeleton/link") },
		"less empty":  func(f fstest.MapFS) { delete(f, "empty") },
		"not empty":   func(f fstest.MapFS) { f["empty/x"] = &fstest.MapFile{} },
		"another dir": func(f fstest.MapFS) { f["void"] = &fstest.MapFile{Mode: 0o755 | fs.ModeDir} },
	} {
		s, err := Take(folder(change), "template.yaml", nil)
		require.NoError(t, err)
		require.NoError(t, Check(s.Archive, s.Digest), name)
		require.Empty(t, seen[s.Digest], name)
		seen[s.Digest] = name
	}
}

func TestTake_TooMuch_Refused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "template.yaml")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), nil, 0o600))
	require.NoError(t, os.Truncate(filepath.Join(dir, "large"), maxFile+1))
	_, err := Take(os.DirFS(dir), "template.yaml", nil)
	require.ErrorContains(t, err, "large is larger than 32 MiB")
	for _, name := range []string{"large", "large2", "large3"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		require.NoError(t, os.Truncate(filepath.Join(dir, name), maxFile))
	}
	_, err = Take(os.DirFS(dir), "template.yaml", nil)
	require.ErrorContains(t, err, "more than 64 MiB")
	many := fstest.MapFS{"template.yaml": {}}
	for i := range maxNames {
		many[strings.Repeat("x", i%200+1)+string(rune('a'+i%26))+strings.Repeat("y", i/200+1)] = &fstest.MapFile{}
	}
	_, err = Take(many, "template.yaml", nil)
	require.ErrorContains(t, err, "more than 10000 files")
	_, err = Take(fstest.MapFS{"template.yaml": {}, `a\b`: {}}, "template.yaml", nil)
	require.ErrorContains(t, err, "is not a name")
	_, err = Take(fstest.MapFS{"x": {}}, "template.yaml", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestCheck_WhatTakeDidNotMake_Refused(t *testing.T) {
	t.Parallel()
	pack := func(headers ...tar.Header) []byte {
		var out bytes.Buffer
		zipped := gzip.NewWriter(&out)
		w := tar.NewWriter(zipped)
		for _, h := range headers {
			require.NoError(t, w.WriteHeader(&h))
		}
		require.NoError(t, w.Close())
		require.NoError(t, zipped.Close())
		return out.Bytes()
	}
	s, err := Take(fstest.MapFS{"template.yaml": {}}, "template.yaml", nil)
	require.NoError(t, err)
	require.NoError(t, Check(pack(tar.Header{Typeflag: tar.TypeReg, Name: "template/template.yaml", Mode: 0o644}), s.Digest))
	for name, archive := range map[string][]byte{
		"nothing": nil, "no archive": []byte("x"), "cut": s.Archive[:len(s.Archive)/2],
		"another folder": pack(tar.Header{Typeflag: tar.TypeReg, Name: "x/template.yaml", Mode: 0o644}),
		"a hard link":    pack(tar.Header{Typeflag: tar.TypeReg, Name: "template/template.yaml", Mode: 0o644}, tar.Header{Typeflag: tar.TypeLink, Name: "template/x", Linkname: "template/template.yaml"}),
	} {
		require.ErrorIs(t, Check(archive, s.Digest), fault.Denied, name)
	}
}
