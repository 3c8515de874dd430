package fs

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/invopop/jsonschema"
)

// Path is a path that is not empty.
type Path string

// JSONSchema implements jsonschema's customization.
func (Path) JSONSchema() *jsonschema.Schema {
	one := uint64(1)
	return &jsonschema.Schema{Type: "string", MinLength: &one}
}

const maxListed = 50_000 // entries; there are more only if folders are listed again and again

func readDir(ctx context.Context, call *activities.Call, in ReadDirInput) (ReadDirOutput, error) {
	out := ReadDirOutput{Files: []Entry{}, Folders: []Entry{}}
	for _, written := range in.Paths {
		name, err := call.Path(string(written))
		if err != nil {
			return out, err
		}
		if err := out.list(ctx, call, name, in.Recursive); err != nil {
			return out, err
		}
	}
	return out, nil
}

// list adds what is in a folder, in the order of Node: the folder itself, then what is in its last folder.
func (out *ReadDirOutput) list(ctx context.Context, call *activities.Call, name string, recursive bool) error {
	info, err := fs.Stat(call.Files, name)
	switch {
	case errors.Is(err, fault.NotFound) && fileAbove(call.Files, name), err == nil && !info.IsDir():
		return notFolder("scandir", call.Absolute(name)).fault()
	case errors.Is(err, fault.NotFound):
		return noEntry("scandir", call.Absolute(name)).fault()
	case err != nil:
		return err
	}
	for waiting := []string{name}; len(waiting) > 0; {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "the listing was interrupted")
		}
		dir := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		entries, err := fs.ReadDir(call.Files, dir)
		if err != nil {
			return err
		}
		if len(out.Files)+len(out.Folders)+len(entries) > maxListed {
			return fault.New(fault.Invalid, "fs:readdir lists %d files and folders at most", maxListed)
		}
		for _, e := range entries {
			at := path.Join(dir, e.Name())
			entry := Entry{Name: e.Name(), Path: at, FullPath: call.Absolute(at)}
			if !e.IsDir() {
				out.Files = append(out.Files, entry)
				continue
			}
			out.Folders = append(out.Folders, entry)
			if recursive {
				waiting = append(waiting, at)
			}
		}
	}
	return nil
}
