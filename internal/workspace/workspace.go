// Package workspace keeps a run's files as a value: an ordered list of content-addressed layers that
// moves between machines, and whose disjoint changes merge, instead of a directory that does neither.
package workspace

import (
	"context"
	"io/fs"
	"path"
	"sync"

	"github.com/gildway/gildway/internal/fault"
	"gocloud.dev/blob"
)

// What a workspace may hold. More is an Invalid fault.
const (
	MaxEntries  = 10_000
	MaxFileSize = 32 << 20
	MaxSize     = 256 << 20
)

// Workspace is the files that a list of layers adds up to, and the changes made to them since. It is
// safe for concurrent use.
type Workspace struct {
	ctx    context.Context // of the step that opened it: fs.FS has no place for one
	bucket *blob.Bucket

	mu      sync.RWMutex
	base    tree
	now     tree
	pending map[string][]byte // digest -> content that is not in the bucket yet
	sorted  []string          // the names in now, in order; nil = must be made again
	size    int64
}

// Open folds the layers, oldest first. Its files are read from the bucket when they are asked for, as
// long as ctx lives. The workspace implements activities.Files.
func Open(ctx context.Context, bucket *blob.Bucket, layers []string) (*Workspace, error) {
	base := tree{}
	for _, digest := range layers {
		l, err := readLayer(ctx, bucket, digest)
		if err != nil {
			return nil, err
		}
		base.apply(l)
	}
	w := &Workspace{ctx: ctx, bucket: bucket, base: base, now: base.clone(), pending: map[string][]byte{}}
	for _, e := range base {
		w.size += e.Size
	}
	if len(base) > MaxEntries || w.size > MaxSize {
		return nil, errTooLarge()
	}
	return w, nil
}

// WriteFile creates or replaces a file, and the folders above it. Only the executable bits of mode
// count. A link is followed. A folder of that name is a Conflict fault.
func (w *Workspace) WriteFile(name string, content []byte, mode fs.FileMode) error {
	if len(content) > MaxFileSize {
		return fault.New(fault.Invalid, "%s has %d bytes; a file in a workspace may have %d", name, len(content), MaxFileSize)
	}
	digest := digestOf(content)
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.place(name, follow)
	if err != nil {
		return err
	}
	if err := w.set(at, entry{Digest: digest, Size: int64(len(content)), Exec: mode&0o111 != 0}); err != nil {
		return err
	}
	if _, known := w.pending[digest]; !known {
		w.pending[digest] = append([]byte(nil), content...)
	}
	return nil
}

// Symlink creates or replaces a link. The target is relative to the link's folder and must lie inside
// the workspace; it need not exist.
func (w *Workspace) Symlink(target, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.place(name, stay)
	if err != nil {
		return err
	}
	if _, err := linkTarget(at, target); err != nil {
		return err
	}
	return w.set(at, entry{Link: target})
}

// Mkdir makes a folder, and those above it, that stays even if it is empty. One that is there is kept.
func (w *Workspace) Mkdir(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.resolve(name, follow)
	if err != nil {
		return err
	}
	if at == "." || w.isDir(at) && w.now[at].Dir {
		return nil
	}
	if e, taken := w.now[at]; taken && !e.Dir {
		return fault.New(fault.Conflict, "%s is a file; it can't be a folder too", name)
	}
	if err := w.freeAbove(at); err != nil {
		return err
	}
	return w.set(at, entry{Dir: true})
}

// Remove deletes a file, link or empty folder. One that isn't there is a NotFound fault.
func (w *Workspace) Remove(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.resolve(name, stay)
	if err != nil {
		return err
	}
	old, there := w.now[at]
	switch {
	case at == ".":
		return fault.New(fault.Denied, "the workspace itself can't be removed")
	case len(w.below(at)) > 0:
		return fault.New(fault.Conflict, "the folder %s is not empty", name)
	case !there:
		return fault.Wrap(fault.NotFound, fs.ErrNotExist, "there is no %s in the workspace", name)
	}
	w.size -= old.Size
	delete(w.now, at)
	w.sorted = nil
	return nil
}

// Exists reports whether there is a file, link or folder of that name. A link counts even if nothing
// is where it points.
func (w *Workspace) Exists(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.resolve(name, stay)
	if err != nil {
		return false
	}
	_, there := w.now[at]
	return there || w.isDir(at)
}

// place finds where something called name is to be written.
func (w *Workspace) place(name string, links linkRule) (string, error) {
	at, err := w.resolve(name, links)
	if err != nil {
		return "", err
	}
	if w.isDir(at) {
		return "", fault.New(fault.Conflict, "%s is a folder; it can't be a file too", name)
	}
	return at, w.freeAbove(at)
}

// freeAbove refuses a name below something that is no folder.
func (w *Workspace) freeAbove(at string) error {
	for dir := path.Dir(at); dir != "."; dir = path.Dir(dir) {
		if e, taken := w.now[dir]; taken && !e.Dir {
			return fault.New(fault.Conflict, "%s is a file; there can't be %s", dir, at)
		}
	}
	return nil
}

func (w *Workspace) set(at string, e entry) error {
	old, replaced := w.now[at]
	size := w.size - old.Size + e.Size
	if size > MaxSize || !replaced && len(w.now) >= MaxEntries {
		return errTooLarge()
	}
	w.size = size
	w.now[at] = e
	if !replaced {
		w.sorted = nil
	}
	return nil
}

func errTooLarge() error {
	return fault.New(fault.Invalid, "the workspace is full: it may hold %d files and %d MiB", MaxEntries, MaxSize>>20)
}
