package activities

import (
	"io/fs"
	"path"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// Path gives the name in the workspace of a path as a template writes it: relative to the workspace, or
// absolute below Root. The workspace itself is ".". A path outside is a Denied fault, in Backstage's words;
// so is a name in the workspace that begins with two dots (Backstage, resolveSafeChildPath). One below a file is a
// Conflict fault, in Node's words.
func (c *Call) Path(written string) (string, error) {
	at := c.Absolute(written)
	below, inside := strings.CutPrefix(at, c.Root+"/")
	switch {
	case at == c.Root:
		return ".", nil
	case !inside, strings.HasPrefix(below, ".."):
		return "", fault.New(fault.Denied, "Relative path is not allowed to refer to a directory outside its parent")
	}
	if c.Files != nil {
		for i, char := range below {
			if char != '/' {
				continue
			}
			if info, err := fs.Stat(c.Files, below[:i]); err != nil {
				break
			} else if !info.IsDir() {
				part, _, _ := strings.Cut(below[i+1:], "/")
				e := fault.New(fault.Conflict, "ENOTDIR: not a directory, lstat '%s'", c.Root+"/"+below[:i+1]+part)
				e.Name = "Error"
				return "", e
			}
		}
	}
	return below, nil
}

// CheckPath refuses a path that Path would refuse whatever run it is, and says in which input it stands.
func CheckPath(input, written string) error {
	if StandsIn(written) || path.IsAbs(written) {
		return nil
	}
	_, err := (&Call{Root: "/workspace"}).Path(written)
	return At(input, err)
}

// Absolute gives the path that people see for a path as a template writes it, wherever that leads.
func (c *Call) Absolute(written string) string {
	if path.IsAbs(written) {
		return path.Clean(written)
	}
	return path.Join(c.Root, written)
}
