package fetch

import (
	"context"
	"io/fs"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// TemplateFileInput is the input of fetch:template:file.
type TemplateFileInput struct {
	URL                string `json:"url" jsonschema_description:"The file to render: a URL, or a path relative to the template."`
	TargetPath         string `json:"targetPath" jsonschema_description:"What to call it in the workspace."`
	Values             Values `json:"values,omitzero" jsonschema_description:"What the file sees as values.*"`
	CookiecutterCompat bool   `json:"cookiecutterCompat,omitempty" jsonschema_description:"Variable tags are {{ }}, and the values are cookiecutter.*"`
	Replace            bool   `json:"replace,omitempty" jsonschema_description:"Overwrite the file if it exists already."`
	TrimBlocks         bool   `json:"trimBlocks,omitempty" jsonschema_description:"Drop the first line break after a block tag."`
	LstripBlocks       bool   `json:"lstripBlocks,omitempty" jsonschema_description:"Drop blanks before a block tag that begins its line."`
	Token              string `json:"token,omitempty" jsonschema_description:"Credentials to read the file with, instead of the configured ones."`
}

// TemplateFile is fetch:template:file.
func TemplateFile(o Options) activities.Action {
	return activities.Define(activities.Spec[TemplateFileInput, Nothing]{
		ID:          "fetch:template:file",
		Description: "Renders a single template file into the workspace.",
		Examples: []plan.Example{{
			Description: "Render the catalog file beside the template",
			YAML: `steps:
  - id: catalog
    name: Describe the component
    action: fetch:template:file
    input:
      url: ./catalog-info.yaml
      targetPath: catalog-info.yaml
      values:
        name: ${{ parameters.name }}
`,
		}},
		Workspace: plan.Writes, PathInputs: targetFile, WhyNoUndo: whyNoUndo, RunsDry: true,
		Valid: func(in TemplateFileInput) error { return checkTarget(in.TargetPath) },
		Do: func(ctx context.Context, call *activities.Call, in TemplateFileInput) (Nothing, error) {
			return Nothing{}, o.templateFile(ctx, call, in)
		},
	})
}

func (o Options) templateFile(ctx context.Context, call *activities.Call, in TemplateFileInput) error {
	target, err := call.Path(in.TargetPath)
	if err != nil {
		return err
	}
	if !in.Replace && there(call, target) {
		call.Log("File %s already exists in workspace, not replacing.", in.TargetPath)
		return nil
	}
	call.Log("Fetching template file content from remote URL")
	f, err := o.file(ctx, call.Run.Template, in.URL, secrets.New(in.Token))
	if err != nil {
		return err
	}
	logValues(call, "Processing template file with input values", in.Values)
	r := o.renderer(in.Values, expr.Options{CookiecutterCompat: in.CookiecutterCompat, TrimBlocks: in.TrimBlocks, LstripBlocks: in.LstripBlocks})
	rendered, err := r.render(ctx, in.URL, text(f.content))
	if err != nil {
		return err
	}
	if err := write(call, target, rendered, 0o644); err != nil {
		return err
	}
	call.Log("Template file has been written to %s", shown(call, target))
	return nil
}

// write writes a text. A file that is there keeps its mode.
func write(call *activities.Call, name, content string, mode fs.FileMode) error {
	if info, err := fs.Stat(call.Files, name); err == nil && info.Mode().IsRegular() {
		mode = info.Mode()
	}
	return call.Files.WriteFile(name, []byte(content), mode)
}

// shown is a path in the workspace as people see it.
func shown(call *activities.Call, name string) string {
	if name == "." {
		return call.Root
	}
	return call.Root + "/" + name
}
