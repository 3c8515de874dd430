package fetch

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/glob"
)

// globs selects entries of a folder as globby 11 does, which Backstage asks: dot files match, a folder's name means
// everything below it, a leading ! takes back what earlier patterns selected.
type globs []selection

type selection struct {
	negated bool
	base    string // the folder that the search begins in; it is not selected itself
	pattern glob.Pattern
}

func compileGlobs(files fs.FS, patterns []string) (out globs, err error) {
	for _, p := range patterns {
		bare, negated := strings.CutPrefix(p, "!")
		for strings.HasPrefix(bare, "./") {
			bare = bare[2:]
		}
		for strings.Contains(bare, "//") {
			bare = strings.ReplaceAll(bare, "//", "/")
		}
		if name := path.Clean(bare); !negated && fs.ValidPath(name) && !strings.HasPrefix(bare, "/") {
			if info, err := fs.Stat(files, name); err == nil && info.IsDir() {
				bare = path.Join(name, "**")
			}
		}
		alternatives, err := glob.Braces(bare)
		if err != nil {
			return nil, err
		}
		for _, one := range alternatives {
			if doubleStarEnding.MatchString(one) {
				one = "**/*" + one[len("**"):]
			}
			pattern, err := glob.Compile(one)
			if err != nil {
				return nil, err
			}
			if out = append(out, selection{negated, baseOf(one), pattern}); len(out) >= maxGlobs {
				return nil, fault.New(fault.Invalid, "the pattern %q stands for too many", p)
			}
		}
	}
	return out, nil
}

const maxGlobs = 1000

// doubleStarEnding is the one form in which ** beside other text crosses folders.
var doubleStarEnding = regexp.MustCompile(`^\*\*\.\w+$`)

// match reports whether an entry is selected: by a pattern that no later negated one takes it, or a folder above it,
// back from.
func (g globs) match(f found) bool {
	for i, p := range g {
		if p.negated || !p.matches(f.name, f.IsDir()) || p.base != "." && !strings.HasPrefix(f.name, p.base+"/") {
			continue
		}
		if !g[i+1:].exclude(f, p.base) {
			return true
		}
	}
	return false
}

func (g globs) exclude(f found, base string) bool {
	for _, n := range g {
		if !n.negated {
			continue
		}
		if n.matches(f.name, f.IsDir()) {
			return true
		}
		for dir := path.Dir(f.name); dir != "." && dir != base; dir = path.Dir(dir) {
			if n.matches(dir, true) {
				return true
			}
		}
	}
	return false
}

func (s selection) matches(name string, folder bool) bool {
	return s.pattern.Match(name) || folder && s.pattern.Match(name+"/")
}

// baseOf gives the folder of a pattern up to which it is plain text. A question mark counts as text here.
func baseOf(pattern string) string {
	base := "."
	parts := strings.Split(pattern, "/")
	for _, part := range parts[:len(parts)-1] {
		if strings.ContainsAny(part, `*[]{}()!\`) {
			break
		}
		base = path.Join(base, part)
	}
	return base
}
