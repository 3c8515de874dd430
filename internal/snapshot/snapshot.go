// Package snapshot keeps a template's folder as it was at one moment, under a digest that anybody can check.
package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/fault"
)

// Snapshot is a template with everything beside it.
type Snapshot struct {
	// Digest is sha256:<hex> over the names, contents and executable bits of all files in the folder.
	Digest string
	Source []byte // the template as written
	// Archive is the folder as tar.gz, with one folder around everything.
	Archive []byte
}

// What a template may bring along.
const (
	maxFolder = 64 << 20 // bytes of all its files
	maxFile   = 32 << 20 // bytes of one of them
	maxNames  = 10_000   // files, links and empty folders
	maxName   = 4_000    // bytes of one
	maxSource = 1 << 20  // bytes of the template, and one more to tell that it is larger
)

// TemplateFile is the name of a template that has its folder to itself.
const TemplateFile = "template.yaml"

// Take reads the folder of the template `name` once, whole; a folder named .git is not part of it. If source isn't nil
// it is the template, and not what the folder has.
func Take(folder fs.FS, name string, source []byte) (Snapshot, error) {
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	w := walk{archive: tar.NewWriter(zipped), template: name, source: source}
	err := w.about(about{Template: name, Source: digestOfSource(source)})
	if err == nil {
		err = w.folder(folder)
	}
	for _, c := range []io.Closer{w.archive, zipped} {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return Snapshot{}, err
	}
	if w.source == nil { // the template is a link
		if w.source, err = read(folder, name, maxSource+1); err != nil {
			return Snapshot{}, err
		}
	}
	return Snapshot{Digest: w.sum.String(), Source: w.source, Archive: packed.Bytes()}, nil
}

// Digest is the digest that Take would give for the template `name` of a folder.
func Digest(folder fs.FS, name string) (string, error) {
	w := walk{template: name}
	w.sum = start(about{Template: name})
	err := w.folder(folder)
	return w.sum.String(), err
}

// DigestOfFile is the digest of a template that counts without what lies beside it.
func DigestOfFile(folder fs.FS, name string) (string, error) {
	w := walk{sum: start(about{})}
	info, err := fs.Stat(folder, name)
	if err == nil {
		err = w.entry(folder, name, fs.FileInfoToDirEntry(info))
	}
	return w.sum.String(), err
}

func digestOfSource(source []byte) string {
	if source == nil {
		return ""
	}
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

// walk goes through a template's folder in the order of names.
type walk struct {
	sum      digest
	archive  *tar.Writer // nil: nobody wants one
	template string
	source   []byte
	size     int64
	names    int
}

// about begins the archive with what its files don't tell.
func (w *walk) about(a about) error {
	w.sum = start(a)
	if a.plain() {
		return nil
	}
	return w.archive.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "about", PAXRecords: a.records()})
}

func (w *walk) folder(folder fs.FS) error {
	return fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return w.emptyFolder(folder, name)
		case d.Type()&^fs.ModeSymlink != 0: // what is no file has no content to keep
			return nil
		}
		return w.entry(folder, name, d)
	})
}

// emptyFolder keeps a folder that no file tells of.
func (w *walk) emptyFolder(folder fs.FS, name string) error {
	inside, err := fs.ReadDir(folder, name)
	if err != nil || len(inside) > 0 {
		return err
	}
	return w.keep(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, nil)
}

func (w *walk) entry(folder fs.FS, name string, d fs.DirEntry) error {
	if d.Type()&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(folder, name)
		if err != nil {
			return err
		}
		return w.keep(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
	}
	content, err := read(folder, name, maxFile+1)
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if name == w.template && w.source == nil {
		w.source = content
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644}
	if info.Mode()&0o111 != 0 {
		header.Mode = 0o755
	}
	return w.keep(header, content)
}

// around is the folder that the archive has around everything.
const around = "template"

func (w *walk) keep(header tar.Header, content []byte) error {
	if err := w.count(header.Name, len(content)); err != nil {
		return err
	}
	w.sum.entry(&header, content)
	if w.archive == nil {
		return nil
	}
	name := header.Name
	header.Name = around + "/" + name
	if err := w.archive.WriteHeader(&header); err != nil {
		return fmt.Errorf("%s can't be kept: %w", name, err)
	}
	_, err := w.archive.Write(content)
	return err
}

// count refuses what can't be kept or is too much.
func (w *walk) count(name string, size int) error {
	w.size += int64(size)
	w.names++
	switch {
	case strings.ContainsAny(name, "\\\x00") || !utf8.ValidString(name) || len(name) > maxName:
		return fault.New(fault.Invalid, "%.200q is not a name that a file beside a template can have", name)
	case size > maxFile:
		return fault.New(fault.Invalid, "%s is larger than %d MiB", path.Clean(name), maxFile>>20)
	case w.size > maxFolder:
		return fault.New(fault.Invalid, "the folder holds more than %d MiB", maxFolder>>20)
	case w.names > maxNames:
		return fault.New(fault.Invalid, "the folder holds more than %d files", maxNames)
	}
	return nil
}

// read reads at most limit bytes of a file.
func read(folder fs.FS, name string, limit int64) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, limit))
}
