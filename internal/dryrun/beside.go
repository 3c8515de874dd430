package dryrun

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// besideLimit is how many files may lie beside a template that is tried.
const besideLimit = 10_000

// unpack writes the files beside a template into a folder of their own, and gives the URL of the template there. What
// would lie outside of that folder is a Denied fault. The caller calls remove.
func unpack(files []File) (url string, remove func(), err error) {
	remove = func() {}
	if len(files) > besideLimit {
		return "", remove, fault.New(fault.Invalid, "%d files came with the template; %d may", len(files), besideLimit)
	}
	dir, err := os.MkdirTemp("", "gildway-dry-run-")
	if err != nil {
		return "", remove, fault.Wrap(fault.Unavailable, err, "the files beside the template can't be kept now")
	}
	remove = func() { _ = os.RemoveAll(dir) } // what stays, the system cleans up
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", remove, fault.Wrap(fault.Unavailable, err, "the files beside the template can't be kept now")
	}
	defer root.Close()
	for _, f := range files {
		name, err := beside(f.Path)
		if err != nil {
			return "", remove, err
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return "", remove, fault.Wrap(fault.Invalid, err, "%q can't be a file beside the template", f.Path)
		}
		if err := root.WriteFile(name, f.Content, 0o644); err != nil {
			return "", remove, fault.Wrap(fault.Invalid, err, "%q can't be a file beside the template", f.Path)
		}
		if err := root.Chmod(name, 0o644); err != nil { // whatever the process's umask is: modes show in the log
			return "", remove, fault.Wrap(fault.Unavailable, err, "the files beside the template can't be kept now")
		}
	}
	return "file://" + path.Join(filepath.ToSlash(dir), "template.yaml"), remove, nil
}

func beside(name string) (string, error) {
	cleaned := path.Clean(name)
	switch {
	case path.IsAbs(name), cleaned == "..", strings.HasPrefix(cleaned, "../"), strings.ContainsAny(name, "\\\x00"):
		return "", fault.New(fault.Denied, "Relative path is not allowed to refer to a directory outside its parent")
	case cleaned == ".":
		return "", fault.New(fault.Invalid, "a file beside the template needs a name")
	}
	return cleaned, nil
}
