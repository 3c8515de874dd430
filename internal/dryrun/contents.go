package dryrun

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"gocloud.dev/blob"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/workspace"
)

// File is a file of the workspace.
type File struct {
	Path       string
	Executable bool
	Content    []byte
}

// contentsLimit bounds what the files of an answer may add up to, in bytes.
const contentsLimit = 64 << 20

// contents lists the workspace as Backstage's dry run does: folder by folder, what lies higher first; without folders,
// links and git's own files.
func contents(ctx context.Context, blobs *blob.Bucket, layers []string) ([]File, error) {
	w, err := workspace.Open(ctx, blobs, layers)
	if err != nil {
		return nil, err
	}
	files := []File{}
	left := contentsLimit
	for folders := []string{"."}; len(folders) > 0; folders = folders[1:] {
		entries, err := w.ReadDir(folders[0])
		if err != nil {
			return nil, unreadable(err)
		}
		for _, e := range entries {
			name := e.Name()
			if folders[0] != "." {
				name = folders[0] + "/" + name
			}
			switch {
			case e.IsDir():
				folders = append(folders, name)
			case e.Type().IsRegular():
				file, err := read(w, name, e)
				if err != nil {
					return nil, unreadable(err)
				}
				if left -= len(file.Content); left < 0 {
					return nil, fault.New(fault.Invalid, "the files of a dry run add up to %d MiB at most", contentsLimit>>20)
				}
				files = append(files, file)
			}
		}
	}
	return slices.Clip(files), nil
}

func read(w *workspace.Workspace, name string, e fs.DirEntry) (File, error) {
	info, err := e.Info()
	if err != nil {
		return File{}, err
	}
	content, err := w.ReadFile(name)
	return File{Path: name, Executable: info.Mode()&0o111 != 0, Content: content}, err
}

func unreadable(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.Wrap(fault.Internal, err, "the workspace can't be read")
}
