package fetch

import (
	"context"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/invopop/jsonschema"
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

// Values is a JSON object that keeps the order of its keys.
type Values struct{ object *expr.Object }

// JSONSchema says that any object will do.
func (Values) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

// UnmarshalJSON reads an object.
func (v *Values) UnmarshalJSON(raw []byte) error {
	v.object = &expr.Object{}
	return v.object.UnmarshalJSON(raw)
}

// MarshalJSON writes it.
func (v Values) MarshalJSON() ([]byte, error) { return json.Marshal(v.object) }

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
		Workspace: plan.Writes, PathInputs: targetPath, WhyNoUndo: whyNoUndo,
		Do: func(ctx context.Context, call *activities.Call, in TemplateInput) (Nothing, error) {
			return Nothing{}, o.template(ctx, call, in)
		},
	})
}

func (o Options) template(ctx context.Context, call *activities.Call, in TemplateInput) error {
	extension, err := in.extension()
	if err != nil {
		return err
	}
	target, err := within(in.TargetPath)
	if err != nil {
		return err
	}
	call.Log("Fetching template content from %s", in.URL)
	source, done, err := o.open(ctx, call.Run.Template.BaseURL, in.URL, secrets.New(in.Token))
	if err != nil {
		return err
	}
	defer done()
	verbatim, err := compileGlobs(source, in.CopyWithoutTemplating)
	if err != nil {
		return err
	}
	t := renderer{
		copier: copier{call: call, from: source}, target: target, replace: in.Replace, extension: extension, verbatim: verbatim,
		options: expr.Options{CookiecutterCompat: in.CookiecutterCompat, TrimBlocks: in.TrimBlocks, LstripBlocks: in.LstripBlocks},
		env:     in.env(),
	}
	if err := walk(ctx, source, func(name string, d fs.DirEntry) error { return t.entry(ctx, name, d) }); err != nil {
		return err
	}
	call.Log("Rendered %d files and folders to %s", t.written, target)
	return nil
}

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
	if extension != "" && (len(in.CopyWithoutTemplating) > 0 || in.CookiecutterCompat) {
		return "", fault.New(fault.Invalid, "templateFileExtension can't be combined with copyWithoutTemplating or cookiecutterCompat")
	}
	return extension, nil
}

func (in TemplateInput) env() *expr.Env {
	values := in.Values.object
	if values == nil {
		values = &expr.Object{}
	}
	root := "values"
	if in.CookiecutterCompat {
		root = "cookiecutter"
	}
	return &expr.Env{Vars: expr.NewObject(root, values)}
}

// renderer is one run of fetch:template over its folder.
type renderer struct {
	copier
	target    string
	replace   bool
	extension string
	verbatim  globs
	options   expr.Options
	env       *expr.Env
	written   int
}

func (t *renderer) entry(ctx context.Context, name string, d fs.DirEntry) error {
	to, contents := name, !t.verbatim.match(name)
	if t.extension != "" && !d.IsDir() {
		to, contents = strings.CutSuffix(name, t.extension)
	}
	if d.IsDir() {
		to += "/"
	}
	to, err := t.render(ctx, name, to)
	if err != nil {
		return err
	}
	// A name of which a part came to nothing is how templates leave files and folders out.
	if to == "" || strings.HasPrefix(to, "/") || strings.Contains(to, "//") || strings.HasSuffix(to, "/") != d.IsDir() {
		return nil
	}
	to = strings.TrimSuffix(to, "/")
	if !fs.ValidPath(to) {
		return fault.New(fault.Denied, "the name of %s renders to %q, which leaves the target folder", name, to)
	}
	to = path.Join(t.target, to)
	if !t.replace && t.call.Files.Exists(to) {
		return nil
	}
	var render func([]byte) ([]byte, error)
	if contents {
		render = func(content []byte) ([]byte, error) {
			if isBinary(content) || !utf8.Valid(content) {
				return content, nil
			}
			text, err := t.render(ctx, name, string(content))
			return []byte(text), err
		}
	}
	t.written++
	return t.copy(name, d, to, render)
}

func (t *renderer) render(ctx context.Context, name, text string) (string, error) {
	if !strings.Contains(text, "{") {
		return text, nil
	}
	parsed, err := expr.Parse(text, t.options)
	if err == nil {
		text, err = parsed.Render(ctx, t.env)
	}
	if ctx.Err() != nil {
		return "", fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to render %s", name)
	}
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "%s can't be rendered: %s", name, err)
	}
	return text, nil
}
