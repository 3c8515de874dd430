// Package fs holds the actions that delete, rename and list files of the workspace: what fetched templates
// leave to be put in place. They fail with Node's words, which templates' authors know and look for.
package fs

import (
	"cmp"
	"fmt"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// Nothing is the output of actions that have none.
type Nothing struct{}

// DeleteInput is the input of fs:delete.
type DeleteInput struct {
	Files []string `json:"files" jsonschema_description:"Paths and glob patterns in the workspace. A folder means every file in it; no match is no error."`
}

// RenameInput is the input of fs:rename.
type RenameInput struct {
	Files []Move `json:"files" jsonschema_description:"What to move, one after the other."`
}

// Move is one file or folder to rename.
type Move struct {
	From      string `json:"from" jsonschema_description:"Path in the workspace."`
	To        string `json:"to" jsonschema_description:"Its new path in the workspace. Missing folders are made."`
	Overwrite bool   `json:"overwrite,omitempty" jsonschema_description:"Replace what is at the new path. Default false: it is an error."`
}

// ReadDirInput is the input of fs:readdir.
type ReadDirInput struct {
	Paths     []Path `json:"paths" jsonschema_description:"Folders of the workspace."`
	Recursive bool   `json:"recursive,omitempty" jsonschema:"default=false" jsonschema_description:"List what is in their folders too."`
}

// ReadDirOutput is the output of fs:readdir.
type ReadDirOutput struct {
	Files   []Entry `json:"files" jsonschema_description:"Files and links."`
	Folders []Entry `json:"folders"`
}

// Entry is a file or folder.
type Entry struct {
	Name     string `json:"name" jsonschema_description:"The last part of its path."`
	Path     string `json:"path" jsonschema_description:"Its path relative to the workspace."`
	FullPath string `json:"fullPath" jsonschema_description:"Its absolute path. Actions take it as they take the relative one."`
}

// Actions declares what a template can do with files.
func Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[DeleteInput, Nothing]{
			ID:          "fs:delete",
			Description: "Deletes files from the workspace.",
			Workspace:   plan.Writes,
			Local:       true,
			RunsDry:     true,
			Examples: []plan.Example{{Description: "Delete the tests and what only one language needs", YAML: `steps:
  - id: tidy
    name: Tidy up
    action: fs:delete
    input:
      files:
        - go.mod
        - test
        - "**/*.test.{js,ts}"
`}},
			Do: remove,
			Valid: func(in DeleteInput) (err error) {
				for i, written := range in.Files {
					err = cmp.Or(err, activities.CheckPath(fmt.Sprintf("files[%d]", i), written))
				}
				return err
			},
		}),
		activities.Define(activities.Spec[RenameInput, Nothing]{
			ID:          "fs:rename",
			Description: "Renames files and folders in the workspace.",
			Workspace:   plan.Writes,
			Local:       true,
			RunsDry:     true,
			Examples: []plan.Example{{Description: "Put the chosen pipeline in place", YAML: `steps:
  - id: pipeline
    name: Choose the pipeline
    action: fs:rename
    input:
      files:
        - from: pipelines/${{ parameters.language }}.yaml
          to: .github/workflows/ci.yaml
        - from: README.template.md
          to: README.md
          overwrite: true
`}},
			Do: rename,
			Valid: func(in RenameInput) (err error) {
				for i, file := range in.Files {
					at := fmt.Sprintf("files[%d].", i)
					err = cmp.Or(err, activities.CheckPath(at+"from", file.From), activities.CheckPath(at+"to", file.To))
				}
				return err
			},
		}),
		activities.Define(activities.Spec[ReadDirInput, ReadDirOutput]{
			ID:          "fs:readdir",
			Description: "Lists the files and folders of folders of the workspace.",
			Workspace:   plan.Reads,
			Local:       true,
			RunsDry:     true,
			Examples: []plan.Example{{Description: "Find the modules that were fetched", YAML: `steps:
  - id: modules
    name: Find the modules
    action: fs:readdir
    input:
      paths: [modules]
  - id: each
    name: Say their names
    each: ${{ steps.modules.output.folders }}
    action: debug:log
    input:
      message: ${{ each.value.name }}
`}},
			Do: readDir,
			Valid: func(in ReadDirInput) (err error) {
				for i, written := range in.Paths {
					err = cmp.Or(err, activities.CheckPath(fmt.Sprintf("paths[%d]", i), string(written)))
				}
				return err
			},
		}),
	}
}
