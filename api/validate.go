package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/fault"
)

const maxBody = 10 << 20

// operation is what of the OpenAPI document a request is checked against. The texts are those of
// Backstage's own validator.
type operation struct {
	id       string
	enforce  enforcer // nil: public
	anyQuery bool
	query    map[string]*openapi3.Schema
	header   map[string]*openapi3.Schema
	body     *openapi3.Schema // nil: the operation takes none, and one that comes is not read
	bodiless bool             // it may be left out
}

// inBraces is a path parameter as the document writes it; the router writes :name.
var inBraces = regexp.MustCompile(`\{(\w+)\}`)

func operationsOf(document *openapi3.T) (map[string]*operation, error) {
	all := map[string]*operation{}
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			op := &operation{id: o.OperationID, query: map[string]*openapi3.Schema{}, header: map[string]*openapi3.Schema{}}
			permission, _ := o.Extensions["x-permission"].(string)
			var known bool
			if op.enforce, known = permissions[permission]; !known {
				return nil, fmt.Errorf("%s %s: nobody enforces the permission %q", method, path, permission)
			}
			op.anyQuery, _ = o.Extensions["x-any-query"].(bool)
			for _, p := range slices.Concat(item.Parameters, o.Parameters) {
				switch p.Value.In {
				case openapi3.ParameterInQuery:
					op.query[p.Value.Name] = p.Value.Schema.Value
				case openapi3.ParameterInHeader:
					op.header[p.Value.Name] = p.Value.Schema.Value
				}
			}
			if o.RequestBody != nil {
				op.bodiless = !o.RequestBody.Value.Required
				op.body = o.RequestBody.Value.Content.Get("application/json").Schema.Value
			}
			all[method+" "+inBraces.ReplaceAllString(path, ":$1")] = op
		}
	}
	return all, nil
}

func (op *operation) check(w http.ResponseWriter, r *http.Request) error {
	if err := op.checkQuery(r.URL.Query()); err != nil {
		return err
	}
	if err := op.checkHeader(r.Header); err != nil {
		return err
	}
	if op.body == nil {
		return nil
	}
	return op.checkBody(w, r)
}

func (op *operation) checkQuery(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		schema, known := op.query[name]
		if !known {
			if op.anyQuery {
				continue
			}
			return fault.New(fault.Invalid, "Unknown query parameter '%s'", name)
		}
		if len(query[name]) > 1 && !schema.Type.Is(openapi3.TypeArray) {
			return fault.New(fault.Invalid, "request/query/%s must be %s", name, strings.Join(schema.Type.Slice(), ","))
		}
		for _, value := range query[name] {
			if says := checkQueryValue(schema, value); says != "" {
				return fault.New(fault.Invalid, "request/query/%s %s", name, says)
			}
		}
	}
	return nil
}

func (op *operation) checkHeader(header http.Header) error {
	for name, schema := range op.header {
		values := header.Values(name)
		if len(values) == 0 {
			continue
		}
		switch length := uint64(len(values[0])); {
		case len(values) > 1:
			return fault.New(fault.Invalid, "request/headers/%s must be there once", name)
		case length < schema.MinLength:
			return fault.New(fault.Invalid, "request/headers/%s must NOT have fewer than %d characters", name, schema.MinLength)
		case schema.MaxLength != nil && length > *schema.MaxLength:
			return fault.New(fault.Invalid, "request/headers/%s must NOT have more than %d characters", name, *schema.MaxLength)
		}
	}
	return nil
}

func checkQueryValue(schema *openapi3.Schema, value string) (says string) {
	switch {
	case schema.Type.Is(openapi3.TypeInteger):
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
			return "must be integer"
		case schema.Min != nil && float64(n) < *schema.Min:
			return fmt.Sprintf("must be >= %g", *schema.Min)
		case schema.Max != nil && float64(n) > *schema.Max:
			return fmt.Sprintf("must be <= %g", *schema.Max)
		case n > 1<<31-1 && schema.Format != "int64":
			return "must be <= 2147483647"
		}
	case len(schema.Enum) > 0 && !slices.Contains(schema.Enum, any(value)):
		return "must be equal to one of the allowed values: " + listed(schema.Enum)
	case schema.Format == "uuid" && uuid.Validate(value) != nil:
		return `must match format "uuid"`
	}
	return ""
}

// checkBody reads the body, checks it and puts it back.
func (op *operation) checkBody(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.New(fault.Invalid, "request entity too large")
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "the body can't be read")
	}
	if len(raw) == 0 && op.bodiless {
		r.Body, r.ContentLength = http.NoBody, 0
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fault.New(fault.Invalid, "unsupported media type %s", kind)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset >= int64(len(raw)) {
			return fault.New(fault.Invalid, "Unexpected end of JSON input")
		}
		return fault.Wrap(fault.Invalid, err, "The body is not JSON")
	}
	if err := op.body.VisitJSON(value); err != nil {
		return fault.Wrap(fault.Invalid, err, "request/body%s", refusal(err))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return nil
}

var unsupportedProperty = regexp.MustCompile(`^property "(.*)" is unsupported$`)

func refusal(err error) string {
	var wrong *openapi3.SchemaError
	if !errors.As(err, &wrong) {
		return " can't be read"
	}
	at := wrong.JSONPointer()
	switch wrong.SchemaField {
	case "required":
		return fmt.Sprintf("%s must have required property '%s'", pointer(at[:len(at)-1]), at[len(at)-1])
	case "type":
		return fmt.Sprintf("%s must be %s", pointer(at), strings.Join(wrong.Schema.Type.Slice(), ","))
	case "enum":
		return pointer(at) + " must be equal to one of the allowed values: " + listed(wrong.Schema.Enum)
	case "maxLength":
		return fmt.Sprintf("%s must NOT have more than %d characters", pointer(at), *wrong.Schema.MaxLength)
	}
	if m := unsupportedProperty.FindStringSubmatch(wrong.Reason); m != nil {
		return fmt.Sprintf(" must NOT have additional property '%s'", m[1])
	}
	return pointer(at) + ": " + wrong.Reason
}

func listed(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

func pointer(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return "/" + strings.Join(parts, "/")
}
