package fetch

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/invopop/jsonschema"
)

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

// details are the values as a log line shows them.
func (v Values) details() map[string]any {
	if v.object == nil {
		return nil
	}
	plain, _ := expr.ToGo(v.object).(map[string]any)
	return plain
}

// renderer renders texts with the values of one call.
type renderer struct {
	options expr.Options
	env     *expr.Env
}

func (o Options) renderer(values Values, options expr.Options) renderer {
	root := "values"
	if options.CookiecutterCompat {
		root = "cookiecutter"
	}
	var seen any = expr.Undefined
	if values.object != nil {
		seen = values.object
	}
	return renderer{options: options, env: &expr.Env{Vars: expr.NewObject(root, seen), Hosts: o.Sources.Types()}}
}

// render renders a text that stands in a file, or is its name. The error names the file, with the line and column that
// the template language gives.
func (r renderer) render(ctx context.Context, file, text string) (string, error) {
	if !strings.Contains(text, "{") {
		return text, nil
	}
	parsed, err := expr.Parse(text, r.options)
	if err == nil {
		text, err = parsed.Render(ctx, r.env)
	}
	if ctx.Err() != nil {
		return "", fault.Wrap(fault.Unavailable, ctx.Err(), "there was no time to render %s", file)
	}
	if err != nil {
		f := fault.Wrap(fault.Invalid, err, "%s can't be rendered: %s", file, err)
		f.Name = "TemplateRenderError" // as in Backstage, whose text doesn't say which file it is
		return "", f
	}
	return text, nil
}

// logValues adds a line with the values behind it.
func logValues(call *activities.Call, line string, values Values) {
	call.LogAt(activities.LogInfo, line, values.details())
}
