package fs

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
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
			// One that is gone was deleted under another name.
			if err := call.Files.Remove(name); err != nil && !errors.Is(err, fault.NotFound) {
				call.LogAt(activities.LogError, "Failed to delete file", nil)
				return Nothing{}, err
			}
			call.Log("File %s deleted successfully", call.Absolute(name))
		}
	}
	return Nothing{}, nil
}

// matches gives the files that a pattern selects, in order. Links are followed, as globby does, though not back
// into a folder that the way there leads through: what is in it has a shorter name.
func matches(ctx context.Context, files fs.FS, pattern string) ([]string, error) {
	if info, err := fs.Stat(files, pattern); err == nil && info.IsDir() {
		pattern = path.Join(pattern, "**")
	}
	selected, err := glob.Compile(pattern)
	if err != nil {
		return nil, err
	}
	s := search{files: files, selected: selected}
	err = s.look(ctx, plainPart(pattern), nil)
	return s.names, err
}

type search struct {
	files    fs.FS
	selected glob.Pattern
	names    []string
	seen     int
}

func (s *search) look(ctx context.Context, name string, through []any) error {
	info, err := fs.Stat(s.files, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid): // nothing can be there
		return nil
	case err != nil:
		return err
	case ctx.Err() != nil:
		return fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to look for all files")
	}
	if s.seen++; s.seen > maxListed {
		return fault.New(fault.Invalid, "fs:delete looks at %d files and folders at most, and links lead to more", maxListed)
	}
	if !info.IsDir() {
		if s.selected.Match(name) {
			s.names = append(s.names, name)
		}
		return nil
	}
	if slices.Contains(through, info.Sys()) {
		return nil
	}
	entries, err := fs.ReadDir(s.files, name)
	if err != nil {
		return err
	}
	through = append(through, info.Sys())
	for _, e := range entries {
		if err := s.look(ctx, path.Join(name, e.Name()), through); err != nil {
			return err
		}
	}
	return nil
}

// plainPart is the longest path at the front of a pattern that stands for nothing but itself.
func plainPart(pattern string) string {
	end := strings.IndexAny(pattern, `*?[{(|+@!`)
	if end < 0 {
		return pattern
	}
	return path.Dir(pattern[:end] + "x")
}
