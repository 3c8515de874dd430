package templatesource

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/snapshot"
)

const templateFile = snapshot.TemplateFile

// folder is a source on this machine, or in this binary.
type folder struct {
	name string
	open func() (_ fs.FS, done func(), err error)
	url  func(place string) string
}

// Golden are the shipped templates.
func Golden(files fs.FS) Source {
	return folder{
		name: "golden",
		open: func() (fs.FS, func(), error) { return files, func() {}, nil },
		url:  func(place string) string { return "golden://" + place },
	}
}

// Folder is a folder of this machine. Links can't lead out of it.
func Folder(dir string) Source {
	return folder{
		name: "folder:" + dir,
		open: func() (fs.FS, func(), error) {
			root, err := os.OpenRoot(dir)
			if err != nil {
				return nil, nil, unreadable(err)
			}
			return root.FS(), func() { _ = root.Close() }, nil // it was only read
		},
		url: func(place string) string { return "file://" + path.Join(filepath.ToSlash(dir), place) },
	}
}

func (f folder) Name() string { return f.name }

func (f folder) Read(ctx context.Context) (found []Found, done func(), err error) {
	files, done, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	places, err := find(ctx, files)
	if err != nil {
		done()
		return nil, nil, err
	}
	for _, place := range places {
		found = append(found, Found{
			Place: place, File: place, Name: path.Base(place), Open: below(files, path.Dir(place)),
			ShownURL: f.url(place), BaseURL: f.url(place),
		})
	}
	return found, done, nil
}

func below(files fs.FS, dir string) func(context.Context) (fs.FS, func(), error) {
	return func(context.Context) (fs.FS, func(), error) {
		sub, err := fs.Sub(files, dir)
		return sub, func() {}, err
	}
}

// find lists the templates in a folder by the names of their files. What lies below a template is its own: a
// template that makes templates holds more files of that name.
func find(ctx context.Context, files fs.FS) (places []string, err error) {
	visited := 0
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		visited++
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case visited > maxVisited:
			return fault.New(fault.Invalid, "the source holds more than %d files", maxVisited)
		case !d.IsDir():
			return nil
		case d.Name() == ".git", d.Name() == "node_modules":
			return fs.SkipDir
		}
		place := path.Join(name, templateFile)
		info, err := fs.Stat(files, place) // any other error shows when it is opened
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
			return nil
		case len(places) == maxTemplates:
			return tooMany()
		}
		places = append(places, place)
		return fs.SkipDir
	})
	return places, unreadable(err)
}

func unreadable(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		return fault.Wrap(fault.Unavailable, err, "%s can't be read: %v", of.Path, of.Err)
	}
	return fault.Wrap(fault.Unavailable, err, "the files can't be read")
}
