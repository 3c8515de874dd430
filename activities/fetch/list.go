package fetch

import (
	"context"
	"io/fs"
	"path"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// found is one entry of a folder.
type found struct {
	name string // relative to the folder
	fs.DirEntry
}

// location is how Backstage writes the entry: folders end with a slash.
func (f found) location() string {
	if f.IsDir() {
		return f.name + "/"
	}
	return f.name
}

// list gives everything below a folder, in Backstage's order: breadth first, and by name in each folder. Links are not
// followed. Git's own files are left out: a checkout has them beside what is meant, and they could configure git.
func list(ctx context.Context, source fs.FS) (all []found, err error) {
	for folders := []string{"."}; len(folders) > 0; folders = folders[1:] {
		entries, err := fs.ReadDir(source, folders[0])
		if err != nil {
			return nil, readable(err)
		}
		if ctx.Err() != nil {
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to list all files")
		}
		for _, d := range entries {
			if workspace.IsGit(d.Name()) {
				continue
			}
			f := found{path.Join(folders[0], d.Name()), d}
			all = append(all, f)
			if d.IsDir() {
				folders = append(folders, f.name)
			}
		}
		if len(all) > workspace.MaxEntries {
			return nil, fault.New(fault.Invalid, "the folder holds more than %d files", workspace.MaxEntries)
		}
	}
	return all, nil
}
