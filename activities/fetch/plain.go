package fetch

import (
	"context"
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

// Nothing is the output of actions that have none.
type Nothing struct{}

const whyNoUndo = "changes only the run's own workspace"

var targetPath = []plan.PathInput{{Name: "targetPath", Default: "./"}}

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
		Workspace: plan.Writes, PathInputs: targetPath, WhyNoUndo: whyNoUndo,
		Do: func(ctx context.Context, call *activities.Call, in PlainInput) (Nothing, error) {
			target, err := within(in.TargetPath)
			if err != nil {
				return Nothing{}, err
			}
			call.Log("Fetching plain content from %s", in.URL)
			source, done, err := o.open(ctx, call.Run.Template.BaseURL, in.URL, secrets.New(in.Token))
			if err != nil {
				return Nothing{}, err
			}
			defer done()
			c := copier{call: call, from: source}
			return Nothing{}, walk(ctx, source, func(name string, d fs.DirEntry) error {
				return c.copy(name, d, path.Join(target, name), nil)
			})
		},
	})
}

// within checks a path in the workspace; nothing means all of it.
func within(target string) (string, error) {
	clean := path.Clean(target) // "" becomes "."
	if !fs.ValidPath(clean) {
		return "", fault.New(fault.Denied, "%q leaves the workspace", target)
	}
	return clean, nil
}

// walk visits everything below the root, in order, folders before what is in them.
func walk(ctx context.Context, source fs.FS, visit func(name string, d fs.DirEntry) error) error {
	return fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return readable(err)
		case ctx.Err() != nil:
			return fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to copy all files")
		case name == ".":
			return nil
		}
		return visit(name, d)
	})
}

// copier puts entries of a folder into the workspace.
type copier struct {
	call *activities.Call
	from fs.FS
}

// copy writes one entry; render makes the content of a file out of the original, nil keeps it.
func (c copier) copy(name string, d fs.DirEntry, to string, render func([]byte) ([]byte, error)) error {
	switch {
	case d.IsDir():
		return c.call.Files.Mkdir(to)
	case d.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(c.from, name)
		if err != nil {
			return readable(err)
		}
		err = c.call.Files.Symlink(target, to)
		if fault.KindOf(err) == fault.Denied {
			c.call.Log("Leaving out the link %s: it points outside the workspace", name)
			return nil
		}
		return err
	case !d.Type().IsRegular():
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return readable(err)
	}
	content, err := fs.ReadFile(c.from, name)
	if err != nil {
		return readable(err)
	}
	if render != nil {
		if content, err = render(content); err != nil {
			return err
		}
	}
	return c.call.Files.WriteFile(to, content, info.Mode())
}

func readable(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the files can't be read now")
}
