package fs

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

func rename(_ context.Context, call *activities.Call, in RenameInput) (Nothing, error) {
	for _, file := range in.Files {
		if file.From == "" || file.To == "" {
			return Nothing{}, fault.New(fault.Invalid, "each file must have a from and to property")
		}
		from, err := call.Path(file.From)
		if err != nil {
			return Nothing{}, err
		}
		to, err := call.Path(file.To)
		if err != nil {
			return Nothing{}, err
		}
		source, dest := call.Absolute(from), call.Absolute(to)
		if err := move(call, from, to, file.Overwrite); err != nil {
			failed := "Failed to rename file " + source + " to " + dest + ": "
			var f *failure
			if !errors.As(err, &f) {
				call.LogAt(activities.LogError, failed+fault.From(err).Public, nil)
				return Nothing{}, err
			}
			call.LogAt(activities.LogError, failed+f.Error(), f.details())
			return Nothing{}, f.fault()
		}
		call.Log("File %s renamed to %s successfully", source, dest)
	}
	return Nothing{}, nil
}

// move does what fs-extra 11 does, and fails where it fails.
func move(call *activities.Call, from, to string, overwrite bool) error {
	source, dest := call.Absolute(from), call.Absolute(to)
	what, err := look(call, from)
	if err != nil {
		return err
	}
	if what == nil {
		return noEntry("lstat", source)
	}
	taken, err := look(call, to)
	if err != nil {
		return err
	}
	switch into := inside(what, call.Files, to); {
	case taken != nil && same(what, taken):
		return refused("Source and destination must not be the same.")
	case taken != nil && what.IsDir() && !taken.IsDir():
		return refused("Cannot overwrite non-directory '%s' with directory '%s'.", dest, source)
	case taken != nil && !what.IsDir() && taken.IsDir():
		return refused("Cannot overwrite directory '%s' with non-directory '%s'.", dest, source)
	case what.IsDir() && (into || from == "."):
		return refused("Cannot move '%s' to a subdirectory of itself, '%s'.", source, dest)
	case taken != nil && inside(taken, call.Files, from):
		if !overwrite {
			return refused("dest already exists.")
		}
		gone := noEntry("rename", source)
		gone.dest = dest
		return gone
	case taken != nil && !overwrite && !dangling(call.Files, to):
		return refused("dest already exists.")
	case taken != nil:
		if err := removeAll(call.Files, to); err != nil {
			return err
		}
	}
	return call.Files.Rename(from, to)
}

// same reports whether two names lead to one place. The workspace knows names by their place in it.
func same(a, b fs.FileInfo) bool {
	at, known := a.Sys().(string)
	return known && at == b.Sys()
}

// inside reports whether a name lies, or would lie, in a folder.
func inside(folder fs.FileInfo, files fs.FS, name string) bool {
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		if above, err := fs.Stat(files, name[:i]); err == nil && within(above, folder) {
			return true
		}
	}
	return folder.Sys() == "."
}

func within(a, folder fs.FileInfo) bool {
	at, _ := a.Sys().(string)
	dir, _ := folder.Sys().(string)
	return dir != "" && (at == dir || strings.HasPrefix(at, dir+"/"))
}

// dangling reports whether a name is a link to nothing.
func dangling(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return errors.Is(err, fs.ErrNotExist)
}

func removeAll(files activities.Files, name string) error {
	info, err := fs.Lstat(files, name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := fs.ReadDir(files, name)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := removeAll(files, name+"/"+entry.Name()); err != nil {
				return err
			}
		}
	}
	return files.Remove(name)
}
