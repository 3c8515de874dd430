package github

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gildway/gildway/internal/fault"
)

type author struct {
	name, email string
	when        time.Time
}

// commit is a commit without parents and all objects that it needs.
type commit struct {
	hash    plumbing.Hash
	store   *memory.Storage
	objects []plumbing.Hash
}

// commitFiles makes one commit of a folder, honouring its .gitignore files. The same files, author and
// message give the same hash.
func commitFiles(files fs.FS, root string, by author, message string) (*commit, error) {
	c, tree, err := treeOf(files, root)
	if err != nil {
		return nil, err
	}
	if tree.IsZero() {
		return nil, fault.New(fault.Invalid, "there is nothing to publish: the workspace has no files in %s", root)
	}
	if strings.ContainsAny(by.name+by.email, "<>\n\x00") {
		return nil, fault.New(fault.Invalid, "the name and address of a commit's author can't contain < or >")
	}
	who := object.Signature{Name: by.name, Email: by.email, When: by.when.UTC()}
	if !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	c.hash, err = c.add(&object.Commit{Author: who, Committer: who, Message: message, TreeHash: tree})
	return c, err
}

// treeOf makes the objects of a folder, honouring its .gitignore files; without files there is no tree.
func treeOf(files fs.FS, root string) (*commit, plumbing.Hash, error) {
	root = path.Clean(strings.TrimPrefix(root, "./"))
	if !fs.ValidPath(root) {
		return nil, plumbing.ZeroHash, fault.New(fault.Denied, "sourcePath %q leaves the workspace", root)
	}
	c := &commit{store: memory.NewStorage()}
	tree, err := treeBuilder{commit: c, files: files, root: root}.folder(nil, nil)
	return c, tree, workspaceFault(err)
}

// piece is a file or link of a tree.
type piece struct {
	path, mode string
	content    []byte
}

// pieces lists all of a tree, in git's order.
func (c *commit) pieces(tree plumbing.Hash) (all []piece, err error) {
	if tree.IsZero() {
		return nil, nil
	}
	t, err := object.GetTree(c.store, tree)
	if err == nil {
		err = t.Files().ForEach(func(f *object.File) error {
			content, err := f.Contents()
			all = append(all, piece{path: f.Name, mode: fmt.Sprintf("%06o", uint32(f.Mode)), content: []byte(content)})
			return err
		})
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "a git tree can't be read")
	}
	return all, nil
}

type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func (c *commit) add(o encoder) (plumbing.Hash, error) {
	encoded := c.store.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, fault.Wrap(fault.Internal, err, "a git object can't be written")
	}
	return c.keep(encoded)
}

func (c *commit) blob(content []byte) (plumbing.Hash, error) {
	encoded := &plumbing.MemoryObject{}
	encoded.SetType(plumbing.BlobObject)
	_, _ = encoded.Write(content) // memory
	return c.keep(encoded)
}

func (c *commit) keep(o plumbing.EncodedObject) (plumbing.Hash, error) {
	if c.store.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	hash, err := c.store.SetEncodedObject(o)
	if err != nil {
		return hash, fault.Wrap(fault.Internal, err, "a git object can't be kept")
	}
	c.objects = append(c.objects, hash)
	return hash, nil
}

type treeBuilder struct {
	*commit
	files fs.FS
	root  string
}

// folder writes the tree of a folder; zero for one without files, which git has no way to keep.
func (b treeBuilder) folder(parts []string, ignored []gitignore.Pattern) (plumbing.Hash, error) {
	at := path.Join(append([]string{b.root}, parts...)...)
	entries, err := fs.ReadDir(b.files, at)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	rules, err := b.ignoreFile(at, parts)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	ignored = append(slices.Clone(ignored), rules...) // later patterns win
	match := gitignore.NewMatcher(ignored)
	var tree object.Tree
	for _, e := range entries {
		child := append(slices.Clone(parts), e.Name())
		if strings.EqualFold(e.Name(), ".git") || match.Match(child, e.IsDir()) {
			continue
		}
		entry, err := b.entry(path.Join(at, e.Name()), child, e, ignored)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !entry.Hash.IsZero() {
			tree.Entries = append(tree.Entries, entry)
		}
	}
	if len(tree.Entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	return b.add(&tree)
}

func (b treeBuilder) entry(at string, parts []string, e fs.DirEntry, ignored []gitignore.Pattern) (object.TreeEntry, error) {
	entry := object.TreeEntry{Name: e.Name()}
	var err error
	switch {
	case e.IsDir():
		entry.Mode = filemode.Dir
		entry.Hash, err = b.folder(parts, ignored)
	case e.Type()&fs.ModeSymlink != 0:
		var to string
		if to, err = fs.ReadLink(b.files, at); err == nil {
			entry.Mode = filemode.Symlink
			entry.Hash, err = b.blob([]byte(to))
		}
	default:
		var info fs.FileInfo
		if info, err = e.Info(); err != nil {
			break
		}
		entry.Mode = filemode.Regular
		if info.Mode()&0o111 != 0 {
			entry.Mode = filemode.Executable
		}
		var content []byte
		if content, err = fs.ReadFile(b.files, at); err == nil {
			entry.Hash, err = b.blob(content)
		}
	}
	return entry, err
}

func (b treeBuilder) ignoreFile(at string, parts []string) ([]gitignore.Pattern, error) {
	content, err := fs.ReadFile(b.files, path.Join(at, ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rules []gitignore.Pattern
	for line := range bytes.Lines(content) {
		rule := strings.TrimRight(string(line), "\r\n")
		if strings.TrimSpace(rule) != "" && !strings.HasPrefix(rule, "#") {
			rules = append(rules, gitignore.ParsePattern(rule, slices.Clone(parts)))
		}
	}
	return rules, nil
}

// workspaceFault keeps the workspace's own faults; anything else it says is ours to explain.
func workspaceFault(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.NotFound, err, "sourcePath names no folder of the workspace")
	}
	return fault.Wrap(fault.Internal, err, "the workspace can't be read")
}
