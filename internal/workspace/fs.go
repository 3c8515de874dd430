package workspace

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
)

var (
	_ fs.ReadDirFS  = (*Workspace)(nil)
	_ fs.ReadFileFS = (*Workspace)(nil)
	_ fs.StatFS     = (*Workspace)(nil)
	_ fs.ReadLinkFS = (*Workspace)(nil)
)

// Open opens a file or folder. Links are followed.
func (w *Workspace) Open(name string) (fs.File, error) {
	info, err := w.look("open", name, follow)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &folder{info: info, list: func() ([]fs.DirEntry, error) { return w.ReadDir(name) }}, nil
	}
	content, err := w.content(info.entry)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{info: info, Reader: bytes.NewReader(content)}, nil
}

// ReadFile gives a file's content. Links are followed.
func (w *Workspace) ReadFile(name string) ([]byte, error) {
	info, err := w.look("read", name, follow)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fault.New(fault.Conflict, "%s is a folder", name)}
	}
	content, err := w.content(info.entry)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return bytes.Clone(content), nil
}

// Stat describes what a name leads to, Lstat the name itself.
func (w *Workspace) Stat(name string) (fs.FileInfo, error) { return w.look("stat", name, follow) }

// Lstat describes a name without following a link in its last part.
func (w *Workspace) Lstat(name string) (fs.FileInfo, error) { return w.look("lstat", name, stay) }

// ReadLink gives a link's target as it was written.
func (w *Workspace) ReadLink(name string) (string, error) {
	info, err := w.look("readlink", name, stay)
	if err != nil {
		return "", err
	}
	if info.entry.Link == "" {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fault.Wrap(fault.Conflict, fs.ErrInvalid, "%s is not a link", name)}
	}
	return info.entry.Link, nil
}

// ReadDir lists a folder in the order of names.
func (w *Workspace) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := w.look("readdir", name, follow)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fault.New(fault.Conflict, "%s is not a folder", name)}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var entries []fs.DirEntry
	prefix := info.at + "/"
	if info.at == "." {
		prefix = ""
	}
	for rest := w.below(info.at); len(rest) > 0; {
		child, _, _ := strings.Cut(strings.TrimPrefix(rest[0], prefix), "/")
		at := prefix + child
		entries = append(entries, fs.FileInfoToDirEntry(w.describe(at)))
		if rest[0] == at {
			rest = rest[1:] // what is inside need not follow at once: "a-b" lies between "a" and "a/b"
			continue
		}
		rest = rest[sort.SearchStrings(rest, at+"0"):] // '0' follows '/': the end of what starts with at + "/"
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(entries, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), nil
}

func (w *Workspace) look(op, name string, links linkRule) (info, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !fs.ValidPath(name) {
		if _, err := clean(name); err != nil {
			return info{}, &fs.PathError{Op: op, Path: name, Err: err}
		}
		return info{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at, err := w.resolve(name, links)
	if err != nil {
		return info{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if _, there := w.now.files[at]; !there && !w.now.isDir(at) {
		return info{}, &fs.PathError{Op: op, Path: name, Err: missing(name)}
	}
	found := w.describe(at)
	found.name = path.Base(name)
	return found, nil
}

func (w *Workspace) describe(at string) info {
	e, there := w.now.files[at]
	if !there {
		e.Dir = true
	}
	return info{at: at, name: path.Base(at), entry: e}
}

func (w *Workspace) content(e entry) ([]byte, error) {
	w.mu.RLock()
	content, pending := w.pending[e.Digest]
	w.mu.RUnlock()
	if pending {
		return content, nil
	}
	return Get(w.ctx, w.bucket, e.Digest)
}

// below gives the names inside a folder, in order.
func (w *Workspace) below(at string) []string {
	if w.sorted == nil {
		w.sorted = slices.Sorted(maps.Keys(w.now.files))
	}
	if at == "." {
		return w.sorted
	}
	from := sort.SearchStrings(w.sorted, at+"/")
	to := from + sort.SearchStrings(w.sorted[from:], at+"0")
	return w.sorted[from:to]
}

// info describes a name. There are no times: the same content is the same workspace.
type info struct {
	at, name string
	entry    entry
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.entry.Size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.entry.Dir }

// Sys gives the name with its links followed, a string: where it is the same, two names lead to one place.
func (i info) Sys() any { return i.at }

func (i info) Mode() fs.FileMode {
	switch {
	case i.entry.Dir:
		return fs.ModeDir | 0o755
	case i.entry.Link != "":
		return fs.ModeSymlink | 0o777
	case i.entry.Exec:
		return 0o755
	default:
		return 0o644
	}
}

type file struct {
	*bytes.Reader
	info info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

type folder struct {
	info info
	list func() ([]fs.DirEntry, error)
	rest []fs.DirEntry
	read bool
}

func (f *folder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *folder) Close() error               { return nil }

func (f *folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fault.New(fault.Conflict, "%s is a folder", f.info.name)}
}

func (f *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.read {
		all, err := f.list()
		if err != nil {
			return nil, err
		}
		f.rest, f.read = all, true
	}
	if n <= 0 || n > len(f.rest) {
		if n > 0 && len(f.rest) == 0 {
			return nil, io.EOF
		}
		n = len(f.rest)
	}
	out := f.rest[:n]
	f.rest = f.rest[n:]
	return out, nil
}
