package fetch

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// PlainInput is the input of fetch:plain.
type PlainInput struct {
	URL        string `json:"url" jsonschema_description:"The folder to copy: a URL, or a path relative to the template."`
	TargetPath string `json:"targetPath,omitempty" jsonschema_description:"Where to put it in the workspace. Default ./"`
	Token      string `json:"token,omitempty" jsonschema_description:"Credentials to read it with, instead of the configured ones."`
}

// PlainFileInput is the input of fetch:plain:file.
type PlainFileInput struct {
	URL        string `json:"url" jsonschema_description:"The file to copy: a URL, or a path relative to the template."`
	TargetPath string `json:"targetPath" jsonschema_description:"What to call it in the workspace."`
	Token      string `json:"token,omitempty" jsonschema_description:"Credentials to read it with, instead of the configured ones."`
}

// Nothing is the output of actions that have none.
type Nothing struct{}

const whyNoUndo = "changes only the run's own workspace"

var (
	targetFolder = []plan.PathInput{{Name: "targetPath", Default: "./"}}
	targetFile   = []plan.PathInput{{Name: "targetPath"}}
)

// Plain is fetch:plain.
func Plain(o Options) activities.Action {
	return activities.Define(activities.Spec[PlainInput, Nothing]{
		ID:          "fetch:plain",
		Description: "Copies a folder into the workspace as it is.",
		Examples: []plan.Example{{
			Description: "Copy the folder beside the template",
			YAML: `steps:
  - id: fetch
    name: Copy the documents
    action: fetch:plain
    input:
      url: ./documents
      targetPath: ./docs
`,
		}},
		Workspace: plan.Writes, PathInputs: targetFolder, WhyNoUndo: whyNoUndo, RunsDry: true,
		Valid: func(in PlainInput) error { return checkTarget(in.TargetPath) },
		Do: func(ctx context.Context, call *activities.Call, in PlainInput) (Nothing, error) {
			return Nothing{}, o.plain(ctx, call, in)
		},
	})
}

func checkTarget(written string) error { return activities.CheckPath("targetPath", written) }

func (o Options) plain(ctx context.Context, call *activities.Call, in PlainInput) error {
	call.Log("Fetching plain content from remote URL")
	target, err := call.Path(in.TargetPath)
	if err != nil {
		return err
	}
	source, done, err := o.folder(ctx, call.Run.Template, in.URL, secrets.New(in.Token))
	if err != nil {
		return err
	}
	defer done()
	if target != "." {
		if err := call.Files.Mkdir(target); err != nil {
			return err
		}
	}
	all, err := list(ctx, source)
	if err != nil {
		return err
	}
	for _, f := range all {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to copy all files")
		}
		if err := copyEntry(call, source, f, path.Join(target, f.name)); err != nil {
			return err
		}
	}
	return nil
}

// PlainFile is fetch:plain:file.
func PlainFile(o Options) activities.Action {
	return activities.Define(activities.Spec[PlainFileInput, Nothing]{
		ID:          "fetch:plain:file",
		Description: "Copies a single file into the workspace as it is.",
		Examples: []plan.Example{{
			Description: "Copy the license",
			YAML: `steps:
  - id: license
    name: Copy the license
    action: fetch:plain:file
    input:
      url: https://github.com/acme/policies/blob/main/LICENSE
      targetPath: LICENSE
`,
		}},
		Workspace: plan.Writes, PathInputs: targetFile, WhyNoUndo: whyNoUndo, RunsDry: true,
		Valid: func(in PlainFileInput) error { return checkTarget(in.TargetPath) },
		Do: func(ctx context.Context, call *activities.Call, in PlainFileInput) (Nothing, error) {
			call.Log("Fetching plain content from remote URL")
			target, err := call.Path(in.TargetPath)
			if err != nil {
				return Nothing{}, err
			}
			f, err := o.file(ctx, call.Run.Template, in.URL, secrets.New(in.Token))
			if err != nil {
				return Nothing{}, err
			}
			return Nothing{}, call.Files.WriteFile(target, f.content, f.mode)
		},
	})
}

// there reports whether a name leads to anything. A link counts by what it leads to. Under a name that is not allowed
// there is nothing, so that whoever writes it is told.
func there(call *activities.Call, name string) bool {
	_, err := fs.Stat(call.Files, name)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Denied)
}

// copyEntry puts an entry of a folder into the workspace as it is.
func copyEntry(call *activities.Call, source fs.FS, f found, to string) error {
	switch {
	case f.IsDir():
		return call.Files.Mkdir(to)
	case f.Type()&fs.ModeSymlink != 0:
		return copyLink(call, source, f.name, to)
	case !f.Type().IsRegular():
		return nil
	}
	content, mode, err := readEntry(source, f)
	if err != nil {
		return err
	}
	// A copy takes the place of a link and doesn't go through it.
	if info, err := fs.Lstat(call.Files, to); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if err := call.Files.Remove(to); err != nil {
			return err
		}
	}
	return call.Files.WriteFile(to, content, mode)
}

func copyLink(call *activities.Call, source fs.FS, name, to string) error {
	target, err := fs.ReadLink(source, name)
	if err != nil {
		return readable(err)
	}
	err = call.Files.Symlink(target, to)
	if fault.KindOf(err) == fault.Denied {
		call.LogAt(activities.LogWarn, "Leaving out the link "+name+": it points outside the workspace", nil)
		return nil
	}
	return err
}

func readEntry(source fs.FS, f found) ([]byte, fs.FileMode, error) {
	opened, err := source.Open(f.name)
	if err != nil {
		return nil, 0, readable(err)
	}
	defer func() { _ = opened.Close() }() // it was only read
	info, err := opened.Stat()
	if err != nil {
		return nil, 0, readable(err)
	}
	content, err := readBounded(opened, f.name)
	return content, info.Mode(), err
}
