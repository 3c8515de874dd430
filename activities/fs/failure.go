package fs

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// failure is a file operation that failed, as Node tells of it.
type failure struct {
	kind    fault.Kind
	code    string // "" for a failure that no system call has
	errno   int
	text    string
	syscall string
	path    string
	dest    string
}

func (f *failure) Error() string {
	switch {
	case f.code == "":
		return f.text
	case f.dest != "":
		return fmt.Sprintf("%s: %s, %s '%s' -> '%s'", f.code, f.text, f.syscall, f.path, f.dest)
	default:
		return fmt.Sprintf("%s: %s, %s '%s'", f.code, f.text, f.syscall, f.path)
	}
}

// details are what Backstage logs beside the text.
func (f *failure) details() map[string]any {
	d := map[string]any{"stack": "Error: " + f.Error()}
	if f.code != "" {
		d["code"], d["errno"], d["path"], d["syscall"] = f.code, f.errno, f.path, f.syscall
	}
	if f.dest != "" {
		d["dest"] = f.dest
	}
	return d
}

func (f *failure) fault() error {
	e := fault.New(f.kind, "%s", f.Error())
	e.Name = "Error"
	return e
}

func refused(format string, args ...any) *failure {
	return &failure{kind: fault.Conflict, text: fmt.Sprintf(format, args...)}
}

func noEntry(syscall, path string) *failure {
	return &failure{kind: fault.NotFound, code: "ENOENT", errno: -2, text: "no such file or directory", syscall: syscall, path: path}
}

func notFolder(syscall, path string) *failure {
	return &failure{kind: fault.Conflict, code: "ENOTDIR", errno: -20, text: "not a directory", syscall: syscall, path: path}
}

// look describes a name without following a link in its last part. A missing one is nil. An error is a
// *failure, or a fault that no system call has.
func look(call *activities.Call, name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(call.Files, name)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, fault.NotFound) && fileAbove(call.Files, name):
		return nil, notFolder("lstat", call.Absolute(name))
	case errors.Is(err, fault.NotFound):
		return nil, nil
	default:
		return nil, err
	}
}

// fileAbove reports whether a name lies in something that is no folder.
func fileAbove(files fs.FS, name string) bool {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '/' {
			continue
		}
		if info, err := fs.Stat(files, name[:i]); err == nil {
			return !info.IsDir()
		}
	}
	return false
}
