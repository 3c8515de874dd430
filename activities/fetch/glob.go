package fetch

import (
	"io/fs"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/gildway/gildway/internal/fault"
)

// globs selects paths as globby 11 does: dot files match, a folder's name means everything below it,
// a leading ! takes back what earlier patterns selected.
type globs []string

func compileGlobs(files fs.FS, patterns []string) (globs, error) {
	out := make(globs, 0, len(patterns))
	for _, p := range patterns {
		bare, negated := strings.CutPrefix(p, "!")
		bare = strings.TrimPrefix(bare, "./")
		if !doublestar.ValidatePattern(bare) {
			return nil, fault.New(fault.Invalid, "%q is not a glob pattern", p)
		}
		if name := strings.TrimSuffix(bare, "/"); fs.ValidPath(name) {
			if info, err := fs.Stat(files, name); err == nil && info.IsDir() {
				bare = path.Join(name, "**")
			}
		}
		if negated {
			bare = "!" + bare
		}
		out = append(out, bare)
	}
	return out, nil
}

func (g globs) match(name string) bool {
	selected := false
	for _, p := range g {
		bare, negated := strings.CutPrefix(p, "!")
		if doublestar.MatchUnvalidated(bare, name) {
			selected = !negated
		}
	}
	return selected
}
