package workspace

import (
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/fault"
)

// linkRule says what to do with a link in the last part of a name. Those before it are always followed.
type linkRule bool

const (
	follow linkRule = true
	stay   linkRule = false
)

const maxHops = 40

// clean checks a name and gives its shortest form; "." is the workspace itself. What would leave the
// workspace, or configure git there, is Denied.
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", fault.Wrap(fault.Denied, fs.ErrInvalid, "a file in the workspace needs a name")
	case path.IsAbs(name), strings.ContainsAny(name, "\\\x00"), !utf8.ValidString(name), len(name) > 4096:
		return "", fault.Wrap(fault.Denied, fs.ErrInvalid, "%q is not a relative path with slashes", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", fault.Wrap(fault.Denied, fs.ErrInvalid, "%q leaves the workspace", name)
		case IsGit(part), len(part) > 255:
			return "", fault.Wrap(fault.Denied, fs.ErrInvalid, "%q can't be a name in the workspace", name)
		}
	}
	return path.Clean(name), nil
}

// IsGit reports whether git takes a file or folder of that name for its own. On some systems the case of a name is no
// difference.
func IsGit(part string) bool { return strings.EqualFold(part, ".git") }

// linkTarget gives the name that a link points at.
func linkTarget(at, target string) (string, error) {
	outside := fault.Wrap(fault.Denied, fs.ErrInvalid, "the link %s points outside the workspace", at)
	if target == "" || path.IsAbs(target) || strings.ContainsAny(target, "\\\x00") {
		return "", outside
	}
	joined := path.Join(path.Dir(at), target)
	if joined == ".." || strings.HasPrefix(joined, "../") {
		return "", outside
	}
	return clean(joined)
}

// resolve follows the links in a name. Nothing need be there.
func (w *Workspace) resolve(name string, last linkRule) (string, error) {
	rest, err := clean(name)
	if err != nil {
		return "", err
	}
	at := "."
	for hops := 0; rest != "" && rest != "."; {
		part, after, more := strings.Cut(rest, "/")
		next := path.Join(at, part)
		e, there := w.now.files[next]
		if !there || e.Link == "" || !more && last == stay {
			at, rest = next, after
			continue
		}
		if hops++; hops > maxHops {
			return "", fault.New(fault.Denied, "%q goes round in circles of links", name)
		}
		target, err := linkTarget(next, e.Link)
		if err != nil {
			return "", err
		}
		at, rest = ".", path.Join(target, after)
	}
	return at, nil
}
