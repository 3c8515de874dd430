package fs

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/glob"
)

func remove(ctx context.Context, call *activities.Call, in DeleteInput) (Nothing, error) {
	for _, written := range in.Files {
		name, err := call.Path(written)
		if err != nil {
			return Nothing{}, err
		}
		names, err := matches(ctx, call.Files, strings.ReplaceAll(name, `\`, "/"))
		if err != nil {
			return Nothing{}, err
		}
		for _, name := range names {
			if err := call.Files.Remove(name); err != nil {
				call.LogAt(activities.LogError, "Failed to delete file", nil)
				return Nothing{}, err
			}
			call.Log("File %s deleted successfully", call.Absolute(name))
		}
	}
	return Nothing{}, nil
}

// matches gives the files that a pattern selects, in order. Links to files are files. A link to a folder is
// followed where the pattern names it, and not where it merely lies in a folder that is gone through: what is
// behind it has a name of its own.
func matches(ctx context.Context, files fs.FS, pattern string) ([]string, error) {
	if info, err := fs.Stat(files, pattern); err == nil && info.IsDir() {
		pattern = path.Join(pattern, "**")
	}
	selected, err := glob.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var names []string
	err = fs.WalkDir(files, plainPart(pattern), func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid): // nothing can be there
			return nil
		case err != nil:
			return err
		case d.IsDir() || !selected.Match(name):
			return ctx.Err()
		}
		if info, err := fs.Stat(files, name); err == nil && !info.IsDir() {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// plainPart is the longest path at the front of a pattern that stands for nothing but itself.
func plainPart(pattern string) string {
	end := strings.IndexAny(pattern, `*?[{(|+@!`)
	if end < 0 {
		return pattern
	}
	return path.Dir(pattern[:end] + "x")
}
