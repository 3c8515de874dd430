package fetch

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/glob"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// TemplateInput is the input of fetch:template.
type TemplateInput struct {
	URL                   string   `json:"url" jsonschema_description:"The folder to render: a URL, or a path relative to the template."`
	TargetPath            string   `json:"targetPath,omitempty" jsonschema_description:"Where to put it in the workspace. Default ./"`
	Values                Values   `json:"values,omitzero" jsonschema_description:"What the files see as values.*"`
	CopyWithoutTemplating []string `json:"copyWithoutTemplating,omitempty" jsonschema_description:"Glob patterns of files whose contents are copied as they are. Their paths are still rendered."`
	CopyWithoutRender     []string `json:"copyWithoutRender,omitempty" jsonschema_description:"Accepted and not read, as in Backstage; use copyWithoutTemplating."`
	TemplateFileExtension any      `json:"templateFileExtension,omitempty" jsonschema:"oneof_type=string;boolean" jsonschema_description:"Render only files with this extension, and drop it; true means .njk"`
	CookiecutterCompat    bool     `json:"cookiecutterCompat,omitempty" jsonschema_description:"Variable tags are {{ }}, and the values are cookiecutter.*"`
	Replace               bool     `json:"replace,omitempty" jsonschema_description:"Overwrite files that exist already."`
	TrimBlocks            bool     `json:"trimBlocks,omitempty" jsonschema_description:"Drop the first line break after a block tag."`
	LstripBlocks          bool     `json:"lstripBlocks,omitempty" jsonschema_description:"Drop blanks before a block tag that begins its line."`
	Token                 string   `json:"token,omitempty" jsonschema_description:"Credentials to read the folder with, instead of the configured ones."`
}

// Template is fetch:template.
func Template(o Options) activities.Action {
	return activities.Define(activities.Spec[TemplateInput, Nothing]{
		ID:          "fetch:template",
		Description: "Renders a folder of template files into the workspace: names and contents.",
		Examples: []plan.Example{{
			Description: "Render the skeleton beside the template",
			YAML: `steps:
  - id: fetch
    name: Fetch Base Template
    action: fetch:template
    input:
      url: ./skeleton
      values:
        name: ${{ parameters.name }}
        owner: ${{ parameters.owner }}
`,
		}, {
			Description: "Keep files that have template syntax of their own",
			YAML: `steps:
  - id: fetch
    name: Fetch the chart
    action: fetch:template
    input:
      url: ./chart
      targetPath: ./deploy
      copyWithoutTemplating:
        - templates/**
      values:
        name: ${{ parameters.name }}
`,
		}},
		Workspace: plan.Writes, PathInputs: targetFolder, WhyNoUndo: whyNoUndo, RunsDry: true,
		Valid: func(in TemplateInput) error { return checkTarget(in.TargetPath) },
		Do: func(ctx context.Context, call *activities.Call, in TemplateInput) (Nothing, error) {
			return Nothing{}, o.template(ctx, call, in)
		},
	})
}

func (o Options) template(ctx context.Context, call *activities.Call, in TemplateInput) error {
	target, err := call.Path(in.TargetPath)
	if err != nil {
		return err
	}
	extension, err := in.extension()
	if err != nil {
		return err
	}
	call.Log("Fetching template content from remote URL")
	source, done, err := o.folder(ctx, call.Run.Template, in.URL, secrets.New(in.Token))
	if err != nil {
		return err
	}
	defer done()
	call.Log("Listing files and directories in template")
	all, err := list(ctx, source)
	if err != nil {
		return err
	}
	verbatim, err := glob.Select(source, in.CopyWithoutTemplating)
	if err != nil {
		return err
	}
	logValues(call, fmt.Sprintf("Processing %d template files/directories with input values", len(all)), in.Values)
	t := skeleton{
		call: call, source: source, target: target, replace: in.Replace, extension: extension, verbatim: verbatim,
		renderer: o.renderer(in.Values, expr.Options{CookiecutterCompat: in.CookiecutterCompat, TrimBlocks: in.TrimBlocks, LstripBlocks: in.LstripBlocks}),
	}
	for _, f := range all {
		if err := t.entry(ctx, f); err != nil {
			return err
		}
	}
	call.Log("Template result written to %s", shown(call, target))
	return nil
}

// extension gives the ending of the files to render, with its dot; "" means all files.
func (in TemplateInput) extension() (string, error) {
	extension := ""
	switch e := in.TemplateFileExtension.(type) {
	case bool:
		if e {
			extension = ".njk"
		}
	case string:
		extension = e
		if e != "" && !strings.HasPrefix(e, ".") {
			extension = "." + e
		}
	}
	if extension != "" && (in.CopyWithoutTemplating != nil || in.CookiecutterCompat) {
		return "", fault.New(fault.Invalid, "Fetch action input extension incompatible with copyWithoutTemplating and cookiecutterCompat")
	}
	return extension, nil
}

// skeleton is one run of fetch:template over its folder.
type skeleton struct {
	renderer
	call      *activities.Call
	source    fs.FS
	target    string
	replace   bool
	extension string
	verbatim  glob.Selection
}

func (t skeleton) entry(ctx context.Context, f found) error {
	location, contents := f.location(), !t.verbatim.Has(f.name, f.IsDir())
	named := location
	if t.extension != "" {
		contents = extensionOf(f.Name()) == t.extension
		if contents { // of a folder Backstage cuts the slash with it, and leaves the dot
			named = named[:len(named)-len(t.extension)]
		}
	}
	to, err := t.render(ctx, location, named)
	if err != nil {
		return err
	}
	// A name of which a part came to nothing is how templates leave files and folders out.
	if to == "" || strings.HasPrefix(to, "/") || strings.Contains(to, "//") {
		return nil
	}
	clean := path.Clean(to)
	if strings.HasPrefix(clean, "..") || strings.Contains(clean, `\`) {
		return fault.New(fault.Denied, "the name of %s renders to %q, which leaves the target folder", location, to)
	}
	to = path.Join(t.target, clean)
	if !t.replace && there(t.call, to) {
		return nil
	}
	if !contents && t.extension == "" {
		t.call.Log("Copying file/directory %s without processing.", location)
	}
	switch {
	case f.IsDir():
		t.call.Log("Writing directory %s to template output path.", location)
		return t.call.Files.Mkdir(to)
	case f.Type()&fs.ModeSymlink != 0:
		t.call.Log("Copying file binary or symbolic link at %s, to template output path.", location)
		return copyLink(t.call, t.source, f.name, to)
	case !f.Type().IsRegular():
		return nil
	}
	content, mode, err := readEntry(t.source, f)
	if err != nil {
		return err
	}
	if isBinary(content) {
		t.call.Log("Copying file binary or symbolic link at %s, to template output path.", location)
		return t.call.Files.WriteFile(to, content, mode)
	}
	t.call.Log("Writing file %s to template output path with mode %d.", location, unixMode(mode))
	written := text(content)
	if contents {
		if written, err = t.render(ctx, location, written); err != nil {
			return err
		}
	}
	return write(t.call, to, written, mode)
}

// extensionOf is the ending of a name with its dot; a dot that begins the name begins no ending.
func extensionOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

// unixMode is the mode of a file as Unix counts, in the two forms that a repository, and a workspace, knows.
func unixMode(mode fs.FileMode) int {
	if mode&0o111 != 0 {
		return 0o100755
	}
	return 0o100644
}
