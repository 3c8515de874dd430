package fetch

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// held gives what an archive unpacks to. Whatever happens, nothing is left behind.
func held(t *testing.T, archive io.Reader, folder string) (map[string]string, error) {
	t.Helper()
	files, done, err := unpack(t.Context(), archive, folder)
	if err != nil {
		require.Nil(t, files)
		done()
		return nil, err
	}
	all := map[string]string{}
	entries, err := list(t.Context(), files)
	require.NoError(t, err)
	for _, f := range entries {
		switch {
		case f.IsDir():
			all[f.location()] = ""
		case f.Type()&fs.ModeSymlink != 0:
			target, err := fs.ReadLink(files, f.name)
			require.NoError(t, err)
			all[f.name] = "-> " + target
		default:
			content, _, err := readEntry(files, f)
			require.NoError(t, err)
			all[f.name] = string(content)
		}
	}
	done()
	_, err = fs.ReadDir(files, ".")
	require.Error(t, err, "what was unpacked is gone")
	return all, nil
}

func textFile(name string) tar.Header { return tar.Header{Name: name, Mode: 0o644} }

func zipped(t *testing.T, write func(*zip.Writer)) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	write(w)
	require.NoError(t, w.Close())
	return bytes.NewReader(b.Bytes())
}

func zipFile(t *testing.T, w *zip.Writer, name, content string, mode fs.FileMode) {
	t.Helper()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	require.NoError(t, err)
	_, err = io.WriteString(f, content)
	require.NoError(t, err)
}

func TestUnpack_Zip_AsTar(t *testing.T) {
	t.Parallel()
	archive := zipped(t, func(w *zip.Writer) {
		zipFile(t, w, "r-1/", "", fs.ModeDir|0o755)
		zipFile(t, w, "r-1/s/run.sh", "run", 0o755)
		zipFile(t, w, "r-1/s/empty/", "", fs.ModeDir|0o755)
		zipFile(t, w, "r-1/s/link", "run.sh", fs.ModeSymlink|0o777)
		zipFile(t, w, "r-1/s/out", "/etc/passwd", fs.ModeSymlink|0o777)
		zipFile(t, w, "r-1/other", "x", 0o644)
	})
	got, err := held(t, archive, "s")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"run.sh": "run", "empty/": "", "link": "-> run.sh"}, got)
}

func TestUnpack_FileInsteadOfAFolder_InvalidWithAHint(t *testing.T) {
	t.Parallel()
	_, err := held(t, bytes.NewReader(tarball(t, textFile("r/a.txt"))), "a.txt")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "fetch:plain:file")
}

func TestUnpack_RunOutOfTime_Unavailable(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, done, err := unpack(ctx, bytes.NewReader(tarball(t, textFile("r/a"))), ".")
	done()
	require.ErrorIs(t, err, fault.Unavailable)
}

// Names that lead out of the archive are refused wherever in it they stand.
func TestHostile_NamesThatLeadOut_Denied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"r/../../etc/cron.d/x", "../x", "r/..", "r/a/../../../x", "/etc/passwd", "//etc/passwd", `r\..\..\x`, `r/..\x`, `C:\x`, "r/a\xff",
	} {
		for _, folder := range []string{".", "wanted"} {
			_, err := held(t, bytes.NewReader(tarball(t, textFile(name))), folder)
			require.ErrorIs(t, err, fault.Denied, "tar %q", name)
			require.Contains(t, err.Error(), "the archive holds the name")
			_, err = held(t, zipped(t, func(w *zip.Writer) { zipFile(t, w, name, "x", 0o644) }), folder)
			require.ErrorIs(t, err, fault.Denied, "zip %q", name)
		}
	}
}

func TestHostile_LongNames_Denied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"r/" + strings.Repeat("x", 256), "r" + strings.Repeat("/x", 2100)} {
		_, err := held(t, bytes.NewReader(tarball(t, textFile(name))), ".")
		require.ErrorIs(t, err, fault.Denied)
		require.Less(t, len(err.Error()), 200)
		_, err = held(t, zipped(t, func(w *zip.Writer) { zipFile(t, w, name, "x", 0o644) }), ".")
		require.ErrorIs(t, err, fault.Denied)
	}
}

func TestHostile_SymbolicLinks_DroppedIfTheyPointOutside(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"s/absolute": "/etc/passwd", "s/above": "../../etc", "s/repo": "../README.md", "s/deep/out": "../../x", "s/back": `..\x`, "s/around": "a/../../..",
		"s/empty": "", "s/inside": "f", "s/deep/up": "../f", "s/deep/root": "..",
	}
	headers := []tar.Header{textFile("r/s/f"), textFile("r/README.md")}
	for name, target := range links {
		headers = append(headers, tar.Header{Name: "r/" + name, Typeflag: tar.TypeSymlink, Linkname: target})
	}
	want := map[string]string{"f": "content of r/s/f", "inside": "-> f", "deep/": "", "deep/up": "-> ../f", "deep/root": "-> .."}
	got, err := held(t, bytes.NewReader(tarball(t, headers...)), "s")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// A link that a later entry would be written through.
func TestHostile_WritingThroughALink_Refused(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for _, target := range []string{"dir", ".", outside} {
		_, err := held(t, bytes.NewReader(tarball(t,
			textFile("r/dir/f"), tar.Header{Name: "r/l", Typeflag: tar.TypeSymlink, Linkname: target}, textFile("r/l/f"),
		)), ".")
		if target == outside { // the link was dropped, and l is a folder
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, fault.Invalid, target)
		require.Contains(t, err.Error(), `"l" twice`)
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestHostile_HardLinks_CopiedIfInsideAndElseDropped(t *testing.T) {
	t.Parallel()
	hard := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
	}
	got, err := held(t, bytes.NewReader(tarball(t,
		textFile("r/s/f"), textFile("r/README.md"), tar.Header{Name: "r/s/l", Typeflag: tar.TypeSymlink, Linkname: "f"},
		hard("r/s/same", "r/s/f"), hard("r/s/passwd", "/etc/passwd"), hard("r/s/up", "../../etc/passwd"), hard("r/s/readme", "r/README.md"),
		hard("r/s/none", "r/s/none-such"), hard("r/s/dir", "r/s"), hard("r/s/link", "r/s/l"),
	)), "s")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"f": "content of r/s/f", "same": "content of r/s/f", "l": "-> f"}, got)
}

func TestHostile_Devices_Dropped(t *testing.T) {
	t.Parallel()
	got, err := held(t, bytes.NewReader(tarball(t,
		tar.Header{Name: "r/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, tar.Header{Name: "r/sda", Typeflag: tar.TypeBlock},
		tar.Header{Name: "r/pipe", Typeflag: tar.TypeFifo}, textFile("r/f"),
	)), ".")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"f": "content of r/f"}, got)
	got, err = held(t, zipped(t, func(w *zip.Writer) { zipFile(t, w, "r/null", "", fs.ModeDevice|fs.ModeCharDevice|0o666) }), ".")
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestHostile_DuplicateNames_Refused(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]tar.Header{
		"file": textFile("r/a/b"), "dotted": textFile("r/a/./b"), "folder": {Name: "r/a/b/", Typeflag: tar.TypeDir, Mode: 0o755}, "below": textFile("r/a/b/c"),
		"link": {Name: "r/a/b", Typeflag: tar.TypeSymlink, Linkname: "x"}, "above": textFile("r/a"),
	} {
		_, err := held(t, bytes.NewReader(tarball(t, textFile("r/a/b"), second)), ".")
		require.ErrorIs(t, err, fault.Invalid, name)
		require.Contains(t, err.Error(), "twice", name)
	}
	_, err := held(t, zipped(t, func(w *zip.Writer) {
		zipFile(t, w, "r/a", "1", 0o644)
		zipFile(t, w, "r/a", "2", 0o644)
	}), ".")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = held(t, bytes.NewReader(tarball(t, tar.Header{Name: "r/d/", Typeflag: tar.TypeDir}, tar.Header{Name: "r/d/", Typeflag: tar.TypeDir}, textFile("r/d/f"))), ".")
	require.NoError(t, err, "a folder may be named again")
}

// endless streams a tar.gz whose files hold zeros.
func endless(t *testing.T, count int, name func(int) string, size int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		zipped, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		packed := tar.NewWriter(zipped)
		zeros := make([]byte, 1<<16)
		for i := range count {
			if err := packed.WriteHeader(&tar.Header{Name: name(i), Mode: 0o644, Typeflag: tar.TypeReg, Size: size}); err != nil {
				return // the reader has had enough
			}
			for left := size; left > 0; left -= int64(len(zeros)) {
				if _, err := packed.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
					return
				}
			}
		}
		_ = packed.Close()
		_ = zipped.Close()
		_ = w.Close()
	}()
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestHostile_GzipBomb_InvalidByItsRatio(t *testing.T) {
	t.Parallel()
	// What unpacks to a terabyte lies beside the folder that is asked for, and is noticed all the same.
	_, err := held(t, endless(t, 1, func(int) string { return "r/bomb" }, 1<<40), "wanted")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "times its size")
}

func TestHostile_LargeFileInTar_Invalid(t *testing.T) {
	t.Parallel()
	_, err := held(t, endless(t, 1, func(int) string { return "r/large" }, workspace.MaxFileSize+1), ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "large is too large; a file may have 32 MiB")
}

func TestHostile_TooManyBytes_Invalid(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	packed, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	w := tar.NewWriter(packed)
	block := make([]byte, 31<<20)
	for i := range block {
		block[i] = byte(i * i >> 7) // too lively for the ratio to count
	}
	for i := range 9 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: fmt.Sprintf("r/%d", i), Mode: 0o644, Size: int64(len(block))}))
		_, err := w.Write(block)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, packed.Close())
	_, err = held(t, bytes.NewReader(b.Bytes()), ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "it may have 256 MiB")
}

func TestHostile_TooManyFiles_Invalid(t *testing.T) {
	t.Parallel()
	_, err := held(t, endless(t, workspace.MaxEntries+2, func(i int) string { return fmt.Sprintf("r/%d", i) }, 0), ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "more than 10000 files")
	_, err = held(t, endless(t, maxEntries+1, func(i int) string { return fmt.Sprintf("r/%d", i) }, 0), "wanted")
	require.ErrorIs(t, err, fault.Invalid)
}

func TestHostile_ZipBomb_InvalidByItsSize(t *testing.T) {
	t.Parallel()
	archive := zipped(t, func(w *zip.Writer) {
		f, err := w.Create("r/bomb")
		require.NoError(t, err)
		_, err = io.CopyN(f, zeroes{}, 100<<20)
		require.NoError(t, err)
	})
	_, err := held(t, archive, ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "bomb is too large")
}

// Every entry of the directory points at the same packed bytes: small for its size, as often as one likes.
func TestHostile_ZipWithOverlappingEntries_InvalidByItsRatio(t *testing.T) {
	t.Parallel()
	const copies = 100
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("r/00000")
	require.NoError(t, err)
	_, err = io.CopyN(f, zeroes{}, 8<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	raw := b.Bytes()
	end := bytes.LastIndex(raw, []byte("PK\x05\x06"))
	dir := int(binary.LittleEndian.Uint32(raw[end+16:]))
	entry := raw[dir:end]
	at := bytes.Index(entry, []byte("r/00000"))
	out := bytes.Clone(raw[:dir])
	for i := range copies {
		copy(entry[at:], fmt.Sprintf("r/%05d", i))
		out = append(out, entry...)
	}
	tail := bytes.Clone(raw[end:])
	binary.LittleEndian.PutUint16(tail[8:], copies)
	binary.LittleEndian.PutUint16(tail[10:], copies)
	binary.LittleEndian.PutUint32(tail[12:], uint32(copies*len(entry)))
	out = append(out, tail...)
	_, err = held(t, bytes.NewReader(out), ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "times its size")
}

func TestHostile_ZipTooLargeToStore_Invalid(t *testing.T) {
	t.Parallel()
	_, err := held(t, io.MultiReader(strings.NewReader("PK\x03\x04"), io.LimitReader(zeroes{}, maxZip+1)), ".")
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "64 MiB")
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What a folder beside the template holds is bounded too.
func TestHostile_LocalFolders_Bounded(t *testing.T) {
	t.Parallel()
	a := beside(t, map[string]string{"s/a": "x"})
	dir := filepath.Join(filepath.Dir(strings.TrimPrefix(a.base, "file://")), "s")
	require.NoError(t, os.Truncate(filepath.Join(dir, "a"), workspace.MaxFileSize+1))
	for _, err := range []error{
		a.do(t, Plain, in{"url": "./s"}), a.do(t, Template, in{"url": "./s"}), a.do(t, PlainFile, in{"url": "./s/a", "targetPath": "x"}),
	} {
		require.ErrorIs(t, err, fault.Invalid)
		require.Contains(t, err.Error(), "too large")
	}
	many := map[string]string{}
	for i := range workspace.MaxEntries + 1 {
		many[fmt.Sprint(i)] = ""
	}
	err := golden(many).do(t, Template, in{"url": "./skeleton"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "more than 10000 files")
}
