// Package workspace keeps a run's files as a value: an ordered list of content-addressed layers that
// moves between machines, and whose disjoint changes merge, instead of a directory that does neither.
package workspace

import (
	"context"
	"io/fs"
	"path"
	"strings"
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
}

// Open folds the layers, oldest first. Its files are read from the bucket when they are asked for, as
// long as ctx lives. The workspace implements activities.Files.
func Open(ctx context.Context, bucket *blob.Bucket, layers []string) (*Workspace, error) {
	all, err := readLayers(ctx, bucket, layers)
	if err != nil {
		return nil, err
	}
	base := newTree()
	for _, l := range all {
		base.apply(l)
	}
	if len(base.files) > MaxEntries || base.size > MaxSize {
		return nil, errTooLarge()
	}
	w := &Workspace{ctx: ctx, bucket: bucket, base: base, now: base.clone(), pending: map[string][]byte{}}
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
	if at == "." || w.now.files[at].Dir {
		return nil
	}
	if _, taken := w.now.files[at]; taken {
		return fault.New(fault.Conflict, "%s is a file; it can't be a folder too", name)
	}
	if err := w.freeAbove(at); err != nil {
		return err
	}
	return w.set(at, entry{Dir: true})
}

// Remove deletes a file, link or empty folder; the folder it was in stays. One that isn't there is a
// NotFound fault.
func (w *Workspace) Remove(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := w.resolve(name, stay)
	if err != nil {
		return err
	}
	_, there := w.now.files[at]
	switch {
	case at == ".":
		return fault.New(fault.Denied, "the workspace itself can't be removed")
	case w.now.inside[at] > 0:
		return fault.New(fault.Conflict, "the folder %s is not empty", name)
	case !there:
		return missing(name)
	}
	w.now.remove(at)
	w.keep(path.Dir(at))
	w.sorted = nil
	return nil
}

// Rename moves a file, a link, or a folder with all that is in it; the folder it was in stays. Links keep
// their words: one that would then point outside the workspace is Denied. A name that is taken, or that
// lies in the folder itself, is a Conflict fault; nothing there to move is a NotFound fault.
func (w *Workspace) Rename(from, to string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, err := w.resolve(from, stay)
	if err != nil {
		return err
	}
	at, err := w.resolve(to, stay)
	if err != nil {
		return err
	}
	_, taken := w.now.files[at]
	_, there := w.now.files[old]
	switch {
	case old == ".":
		return fault.New(fault.Denied, "the workspace itself can't be moved")
	case !there && !w.now.isDir(old):
		return missing(from)
	case strings.HasPrefix(at, old+"/"):
		return fault.New(fault.Conflict, "the folder %s can't be moved into itself", from)
	case taken || w.now.isDir(at):
		return fault.New(fault.Conflict, "there is a %s already", to)
	}
	if err := w.freeAbove(at); err != nil {
		return err
	}
	moved := append([]string(nil), w.below(old)...)
	if there {
		moved = append(moved, old)
	}
	for _, name := range moved {
		e, renamed := w.now.files[name], at+strings.TrimPrefix(name, old)
		if _, err := clean(renamed); err != nil {
			return err
		}
		if _, err := linkTarget(renamed, e.Link); e.Link != "" && err != nil {
			return err
		}
	}
	for _, name := range moved {
		e := w.now.files[name]
		w.now.remove(name)
		w.now.put(at+strings.TrimPrefix(name, old), e)
	}
	w.keep(path.Dir(old))
	w.sorted = nil
	return nil
}

// keep makes a folder that something was taken out of stay, as folders do.
func (w *Workspace) keep(dir string) {
	if !w.now.isDir(dir) {
		w.now.put(dir, entry{Dir: true})
	}
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
	_, there := w.now.files[at]
	return there || w.now.isDir(at)
}

// place finds where something called name is to be written.
func (w *Workspace) place(name string, links linkRule) (string, error) {
	at, err := w.resolve(name, links)
	if err != nil {
		return "", err
	}
	if w.now.isDir(at) {
		return "", fault.New(fault.Conflict, "%s is a folder; it can't be a file too", name)
	}
	return at, w.freeAbove(at)
}

// freeAbove refuses a name below something that is no folder.
func (w *Workspace) freeAbove(at string) error {
	for dir := range above(at) {
		if e, taken := w.now.files[dir]; taken && !e.Dir {
			return fault.New(fault.Conflict, "%s is a file; there can't be %s", dir, at)
		}
	}
	return nil
}

func (w *Workspace) set(at string, e entry) error {
	old, replaced := w.now.files[at]
	if w.now.size-old.Size+e.Size > MaxSize || !replaced && len(w.now.files) >= MaxEntries {
		return errTooLarge()
	}
	w.now.put(at, e)
	if !replaced {
		w.sorted = nil
	}
	return nil
}

func missing(name string) error {
	return fault.Wrap(fault.NotFound, fs.ErrNotExist, "there is no %s in the workspace", name)
}

func errTooLarge() error {
	return fault.New(fault.Invalid, "the workspace is full: it may hold %d files and %d MiB", MaxEntries, MaxSize>>20)
}
