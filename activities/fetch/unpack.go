package fetch

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// What an archive may cost. What is taken from it is bounded as a workspace is; a repository may hold more beside the
// folder that is asked for.
const (
	maxScanned  = 2 << 30  // bytes unpacked
	maxEntries  = 200_000  // names
	maxZip      = 64 << 20 // bytes of a zip file, which can't be read as it comes
	maxRatio    = 200      // unpacked to packed
	ratioCounts = 64 << 20 // bytes unpacked before the ratio counts
)

// unpack writes one folder of an archive to disk, without the folder that the archive puts around everything. Links that
// point outside the folder, and what is neither file nor folder nor link, are left out; names that lead out of the
// archive and archives that hold too much are refused. The caller calls done when it has read the files.
func unpack(ctx context.Context, archive io.Reader, folder string) (_ fs.FS, done func(), err error) {
	dir, err := os.MkdirTemp("", "gildway-fetch-*")
	if err != nil {
		return nil, func() {}, fault.Wrap(fault.Unavailable, err, "there is no place to unpack to")
	}
	done = func() { _ = os.RemoveAll(dir) } // what is left of it is in the system's temporary folder
	defer func() {
		if err != nil {
			done()
			done = func() {}
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "there is no place to unpack to")
	}
	remove := done
	done = func() {
		_ = root.Close() // it was only read
		remove()
	}
	u := &unpacking{ctx: ctx, root: root, folder: folder, names: map[string]bool{}}
	counted := &counter{ctx: ctx, r: archive}
	u.packed = func() int64 { return counted.n }
	buffered := bufio.NewReader(counted)
	magic, err := buffered.Peek(4)
	switch {
	case err == nil && bytes.Equal(magic, []byte("PK\x03\x04")), err == nil && bytes.Equal(magic, []byte("PK\x05\x06")):
		err = u.zip(buffered, dir)
	default:
		err = u.tar(buffered)
	}
	if err == nil {
		err = u.finish()
	}
	if err != nil {
		return nil, done, err
	}
	return root.FS(), done, nil
}

// counter counts what is read, for as long as there is time.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// unpacking is one archive being unpacked.
type unpacking struct {
	ctx     context.Context
	root    *os.Root
	folder  string
	packed  func() int64 // how much of the archive was read
	entries int
	scanned int64
	kept    int64
	found   bool
	names   map[string]bool // what was kept: true for folders
	links   []link
}

type link struct{ name, target string }

// entry is one name in an archive.
type entry struct {
	name    string // as it is written there
	mode    fs.FileMode
	target  string // of a link
	hard    bool
	content func() (io.ReadCloser, error)
}

func (u *unpacking) tar(archive io.Reader) error {
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return unreadable(err)
	}
	bounded := &budget{u: u, r: zipped}
	for r := tar.NewReader(bounded); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		e := entry{name: h.Name, mode: h.FileInfo().Mode(), target: h.Linkname, hard: h.Typeflag == tar.TypeLink}
		e.content = func() (io.ReadCloser, error) { return io.NopCloser(r), nil }
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := u.add(e); err != nil {
			return err
		}
	}
}

// budget stops a stream that unpacks to more than is sensible.
type budget struct {
	u *unpacking
	r io.Reader
}

func (b *budget) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.u.scanned += int64(n)
	switch {
	case b.u.ctx.Err() != nil:
		return n, b.u.ctx.Err()
	case b.u.scanned > maxScanned:
		return n, fault.New(fault.Invalid, "the archive unpacks to more than %d MiB", maxScanned>>20)
	case b.u.scanned > ratioCounts && b.u.scanned > maxRatio*b.u.packed():
		return n, fault.New(fault.Invalid, "the archive unpacks to more than %d times its size", maxRatio)
	}
	return n, err
}

const maxName, maxPart = 4096, 255 // as in a workspace

// inArchive gives the name of an entry below the folder that archives put around everything; "" is that folder itself.
func inArchive(name string) (string, error) {
	switch {
	case strings.HasPrefix(name, "/"), strings.Contains(name, `\`), strings.Contains(name, "\x00"), !utf8.ValidString(name):
		return "", fault.New(fault.Denied, "the archive holds the name %.200q, which is not a relative path with slashes", name)
	case len(name) > maxName:
		return "", fault.New(fault.Denied, "the archive holds a name of %d bytes: %.60q…", len(name), name)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", fault.New(fault.Denied, "the archive holds the name %.200q, which leads out of it", name)
		case len(part) > maxPart:
			return "", fault.New(fault.Denied, "the archive holds a name of %d bytes: %.60q…", len(part), part)
		}
	}
	_, below, _ := strings.Cut(path.Clean(name), "/")
	return below, nil
}

// below tells what an entry of the archive is called in the folder that is asked for.
func (u *unpacking) below(name string) (string, bool) {
	if u.folder == "." {
		return name, name != ""
	}
	return strings.CutPrefix(name, u.folder+"/")
}

func (u *unpacking) add(e entry) error {
	if u.entries++; u.entries > maxEntries {
		return fault.New(fault.Invalid, "the archive holds more than %d names", maxEntries)
	}
	full, err := inArchive(e.name)
	if err != nil {
		return err
	}
	if full == u.folder && !e.mode.IsDir() {
		return fault.New(fault.Invalid, "%s is a file and a folder is needed; fetch:plain:file and fetch:template:file take files", full)
	}
	u.found = u.found || u.folder == "." || full == u.folder
	name, inside := u.below(full)
	if !inside {
		return nil
	}
	u.found = true
	switch {
	case e.mode.IsDir():
		return u.mkdir(name)
	case e.hard:
		return u.hardLink(name, e.target)
	case e.mode&fs.ModeSymlink != 0:
		if !staysInside(name, e.target) {
			return nil
		}
		u.links = append(u.links, link{name, e.target})
		return u.claim(name)
	case !e.mode.IsRegular():
		return nil
	}
	content, err := e.content()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	return u.write(name, content, e.mode)
}

// staysInside reports whether a link's target lies in the folder.
func staysInside(name, target string) bool {
	if target == "" || len(target) > maxName || path.IsAbs(target) || strings.ContainsAny(target, "\\\x00") {
		return false
	}
	joined := path.Join(path.Dir(name), target)
	return fs.ValidPath(joined)
}

// claim takes a name for a file or link, and makes the folders above it.
func (u *unpacking) claim(name string) error {
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if _, taken := u.names[name]; taken {
		return fault.New(fault.Invalid, "the archive holds %q twice", name)
	}
	u.names[name] = false
	return u.countName()
}

func (u *unpacking) countName() error {
	if len(u.names) > workspace.MaxEntries {
		return fault.New(fault.Invalid, "the folder holds more than %d files", workspace.MaxEntries)
	}
	return nil
}

func (u *unpacking) mkdir(name string) error {
	for at := name; at != "."; at = path.Dir(at) {
		if dir, known := u.names[at]; known && !dir {
			return fault.New(fault.Invalid, "the archive holds %q twice, as a folder and as something else", at)
		} else if known {
			break
		}
		u.names[at] = true
	}
	if err := u.countName(); err != nil || name == "." {
		return err
	}
	return unwritable(u.root.MkdirAll(name, 0o755))
}

func (u *unpacking) write(name string, content io.Reader, mode fs.FileMode) (err error) {
	if err := u.claim(name); err != nil {
		return err
	}
	permissions := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		permissions = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, permissions)
	if err != nil {
		return unwritable(err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = unwritable(closed)
		}
	}()
	n, err := io.Copy(f, io.LimitReader(content, workspace.MaxFileSize+1))
	u.kept += n
	switch {
	case err != nil:
		return unreadable(err)
	case n > workspace.MaxFileSize:
		return fault.New(fault.Invalid, "%s is too large; a file may have %d MiB", name, workspace.MaxFileSize>>20)
	case u.kept > workspace.MaxSize:
		return fault.New(fault.Invalid, "the folder is too large; it may have %d MiB", workspace.MaxSize>>20)
	}
	return nil
}

// hardLink copies what an earlier entry of the folder holds. One to anything else is left out.
func (u *unpacking) hardLink(name, target string) error {
	full, err := inArchive(target)
	if err != nil {
		return nil
	}
	from, inside := u.below(full)
	if folder, known := u.names[from]; !inside || !known || folder {
		return nil
	}
	f, err := u.root.Open(from)
	if err != nil {
		return nil // a symbolic link that isn't there yet
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return unwritable(err)
	}
	return u.write(name, f, info.Mode())
}

// finish makes the symbolic links, when nothing can be written through them any more.
func (u *unpacking) finish() error {
	if !u.found && u.folder != "." {
		return fault.New(fault.NotFound, "there is no folder %q in the repository", u.folder)
	}
	for _, l := range u.links {
		if err := u.root.Symlink(l.target, l.name); err != nil {
			return unwritable(err)
		}
	}
	return nil
}

func unreadable(err error) error {
	switch {
	case err == nil, fault.KindOf(err) != fault.Internal:
		return err
	default:
		return fault.Wrap(fault.Unavailable, err, "the repository's archive can't be read to its end")
	}
}

func unwritable(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "the archive can't be unpacked here")
}
