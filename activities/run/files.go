package run

import (
	"io/fs"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// readOnly is the workspace of an action that declared it only reads: what it wrote would be lost.
type readOnly struct{ activities.Files }

func (readOnly) WriteFile(name string, _ []byte, _ fs.FileMode) error { return refuse(name) }
func (readOnly) Symlink(_, name string) error                         { return refuse(name) }
func (readOnly) Mkdir(name string) error                              { return refuse(name) }
func (readOnly) Remove(name string) error                             { return refuse(name) }
func (readOnly) Rename(_, name string) error                          { return refuse(name) }

func refuse(name string) error {
	return fault.New(fault.Internal, "the action declares that it only reads the workspace, and writes %s", name)
}
