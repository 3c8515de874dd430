package glob

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// Selection selects entries of a folder as globby 11 does, which Backstage asks: dot files match, a folder's name means
// everything below it, a leading ! takes back what earlier patterns selected.
type Selection []part

type part struct {
	negated bool
	base    string // the folder that the search begins in; it is not selected itself
	pattern Pattern
}

// Select reads the patterns of a folder. One that stands for too many, or that can't be read, is an Invalid fault.
func Select(files fs.FS, patterns []string) (out Selection, err error) {
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
		alternatives, err := Braces(bare)
		if err != nil {
			return nil, err
		}
		for _, one := range alternatives {
			if doubleStarEnding.MatchString(one) {
				one = "**/*" + one[len("**"):]
			}
			pattern, err := Compile(one)
			if err != nil {
				return nil, err
			}
			if out = append(out, part{negated, baseOf(one), pattern}); len(out) >= maxParts {
				return nil, fault.New(fault.Invalid, "the pattern %q stands for too many", p)
			}
		}
	}
	return out, nil
}

const maxParts = 1000

// doubleStarEnding is the one form in which ** beside other text crosses folders.
var doubleStarEnding = regexp.MustCompile(`^\*\*\.\w+$`)

// Has reports whether an entry is selected: by a pattern that no later negated one takes it, or a folder above it,
// back from.
func (s Selection) Has(name string, folder bool) bool {
	for i, p := range s {
		if p.negated || !p.matches(name, folder) || p.base != "." && !strings.HasPrefix(name, p.base+"/") {
			continue
		}
		if !s[i+1:].exclude(name, folder, p.base) {
			return true
		}
	}
	return false
}

func (s Selection) exclude(name string, folder bool, base string) bool {
	for _, n := range s {
		if !n.negated {
			continue
		}
		if n.matches(name, folder) {
			return true
		}
		for dir := path.Dir(name); dir != "." && dir != base; dir = path.Dir(dir) {
			if n.matches(dir, true) {
				return true
			}
		}
	}
	return false
}

func (p part) matches(name string, folder bool) bool {
	return p.pattern.Match(name) || folder && p.pattern.Match(name+"/")
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
