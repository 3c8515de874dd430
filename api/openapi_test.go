package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// differs says where our document differs from Backstage's, and why.
var differs = map[string]string{
	"GET /v2/tasks/{taskId}/eventstream":         "Backstage serves it and leaves it out of its document",
	"GET /v2/tasks/{taskId}/events: query after": "event ids grow beyond 32 bits",
	"POST /v2/dry-run: body":                     "its handler refuses files without a path or a content; here the document says so",
}

// testdata/backstage-openapi.json is the `spec` of @backstage/plugin-scaffolder-backend 4.2.0, written down with
//
//	node -e 'const s = fs.readFileSync("dist/schema/openapi/generated/router.cjs.js", "utf8");
//	  const spec = Function(s.slice(s.indexOf("const spec ="), s.indexOf("const createOpenApiRouter")) + "return spec")();
//	  console.log(JSON.stringify(spec, null, 1))'
func TestOpenAPI_SharedRoutes_AgreeWithBackstage(t *testing.T) {
	t.Parallel()
	theirs, err := openapi3.NewLoader().LoadFromFile("testdata/backstage-openapi.json")
	require.NoError(t, err)
	ours, err := GetSpec()
	require.NoError(t, err)
	want, have := contract(theirs, ""), contract(ours, scaffolderBase)
	var found []string
	for _, what := range slices.Sorted(maps.Keys(merged(want, have))) {
		if want[what] != have[what] {
			found = append(found, what)
			require.Contains(t, differs, what, "Backstage: %s\nhere: %s", want[what], have[what])
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(differs)), found, "a difference that is none any more")
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// contract is what a document promises of the routes below base: their parameters, bodies and good ends.
func contract(d *openapi3.T, base string) map[string]string {
	all := map[string]string{}
	for path, item := range d.Paths.Map() {
		if !strings.HasPrefix(path, base+"/v2/") {
			continue
		}
		for method, o := range item.Operations() {
			route := method + " " + strings.TrimPrefix(path, base)
			all[route] = ends(o)
			if ends(o) == "" {
				continue
			}
			for _, p := range slices.Concat(item.Parameters, o.Parameters) {
				if p.Value.In != openapi3.ParameterInHeader { // what we take besides, such as Idempotency-Key, disturbs nobody
					all[fmt.Sprintf("%s: %s %s", route, p.Value.In, p.Value.Name)] = fmt.Sprintf("required %t, %s", p.Value.Required, shape(p.Value.Schema.Value))
				}
			}
			if o.RequestBody != nil {
				body := o.RequestBody.Value
				all[route+": body"] = fmt.Sprintf("required %t, %s", body.Required, shape(body.Content.Get("application/json").Schema.Value))
			}
		}
	}
	for what := range all { // a route that only one has is one difference
		if route, _, of := strings.Cut(what, ": "); of && differs[route] != "" {
			delete(all, what)
		}
	}
	return all
}

// ends are the statuses of success.
func ends(o *openapi3.Operation) string {
	var good []string
	for status := range o.Responses.Map() {
		if strings.HasPrefix(status, "2") {
			good = append(good, status)
		}
	}
	slices.Sort(good)
	return strings.Join(good, ",")
}

// shape is what a schema demands.
func shape(s *openapi3.Schema) string {
	text := strings.Join(s.Type.Slice(), "|")
	if s.Min != nil {
		text += fmt.Sprintf(" >= %g", *s.Min)
	}
	if s.Format != "" {
		text += " " + s.Format
	}
	if s.Items != nil {
		text += " of " + shape(s.Items.Value)
	}
	if of := s.AdditionalProperties.Schema; of != nil && of.Value.Type != nil {
		text += " to " + shape(of.Value)
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		mark := ""
		if slices.Contains(s.Required, name) {
			mark = "!"
		}
		of := s.Properties[name].Value
		if of.Type.Is(openapi3.TypeObject) && strings.HasSuffix(s.Properties[name].Ref, "/JsonObject") {
			fields = append(fields, name+mark+" object")
			continue
		}
		fields = append(fields, name+mark+" "+shape(of))
	}
	if len(fields) > 0 {
		text += " {" + strings.Join(fields, ", ") + "}"
	}
	return text
}
