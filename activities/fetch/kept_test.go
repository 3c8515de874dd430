package fetch

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/snapshot"
)

// archives are those of a store, with how often it was asked.
type archives struct {
	held  map[string][]byte
	asked int
}

func (a *archives) TemplateArchive(_ context.Context, digest string) ([]byte, error) {
	a.asked++
	if archive, ok := a.held[digest]; ok {
		return archive, nil
	}
	return nil, fault.New(fault.NotFound, "there is no such record")
}

// version keeps a folder as a version of the template in it.
func version(t *testing.T, in *archives, files map[string]string) (digest string) {
	t.Helper()
	folder := fstest.MapFS{"template.yaml": {Data: []byte("kind: Template"), Mode: 0o644}}
	for name, content := range files {
		folder[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	s, err := snapshot.Take(folder, "template.yaml", nil)
	require.NoError(t, err)
	in.held[s.Digest] = s.Archive
	return s.Digest
}

func TestKept_RelativeURLs_NameTheVersionsFiles(t *testing.T) {
	t.Parallel()
	from := &archives{held: map[string][]byte{}}
	digest := version(t, from, map[string]string{"skeleton/a b.txt": "${{ values.name }}", "LICENSE": "mine"})
	for _, base := range []string{"golden://t/template.yaml", "file:///nowhere/t/template.yaml", "https://github.com/acme/t/tree/abc/t/template.yaml", ""} {
		a := &attempt{options: Options{Kept: NewKept(from)}, base: base, digest: digest}
		require.NoError(t, a.do(t, Template, in{"url": "./skeleton", "values": in{"name": "shop"}}), base)
		require.NoError(t, a.do(t, PlainFile, in{"url": "LICENSE", "targetPath": "LICENSE"}), base)
		require.Equal(t, map[string]string{"a b.txt": "shop", "LICENSE": "mine"}, a.got(t))
		require.ErrorIs(t, a.do(t, Plain, in{"url": "./nothing"}), fault.NotFound)
	}
	for _, base := range []string{"golden://t/template.yaml", "file:///nowhere/t/template.yaml"} {
		a := &attempt{options: Options{Kept: NewKept(from), Golden: fstest.MapFS{}}, base: base, digest: digest}
		require.ErrorIs(t, a.do(t, Plain, in{"url": "../shared"}), fault.Denied, base)
		require.ErrorIs(t, a.do(t, Plain, in{"url": "/skeleton"}), fault.Denied, base)
	}
	a := &attempt{options: Options{Kept: NewKept(from)}, base: "golden://t/template.yaml", digest: "sha256:other"}
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.NotFound)
	a.options.Kept = nil
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.NotFound)
}

// Whoever can write to the database can't change what an approved run does.
func TestKept_AlteredFiles_Refused(t *testing.T) {
	t.Parallel()
	from := &archives{held: map[string][]byte{}}
	good := version(t, from, map[string]string{"skeleton/x": "good"})
	other := version(t, from, map[string]string{"skeleton/x": "evil"})
	from.held[good] = from.held[other]
	a := &attempt{options: Options{Kept: NewKept(from)}, base: "golden://t/template.yaml", digest: good}
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.Denied)
}

func TestKept_RemembersUpToABound(t *testing.T) {
	t.Parallel()
	from := &archives{held: map[string][]byte{}}
	var digests []string
	for i := range 5 {
		digests = append(digests, version(t, from, map[string]string{"x": fmt.Sprint(i)}))
	}
	k := NewKept(from)
	k.most = 4*len(from.held[digests[0]]) + 40 // they differ by some bytes
	read := func(digest string) {
		_, err := k.archive(t.Context(), digest)
		require.NoError(t, err)
	}
	for range 3 {
		for _, digest := range digests[:4] {
			read(digest)
		}
	}
	require.Equal(t, 4, from.asked)
	read(digests[4])
	require.LessOrEqual(t, k.size, k.most)
	require.Contains(t, k.held, digests[4])
	k.most = 1
	read(version(t, from, map[string]string{"x": "larger than all there is"}))
	require.Equal(t, 6, from.asked)
}
