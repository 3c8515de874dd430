package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// fault is an error with a Backstage error name.
type fault struct {
	name, message string
	cause         *fault
}

func (f *fault) Error() string { return f.name + ": " + f.message }

func inputFault(cause *fault, format string, args ...any) *fault {
	f := &fault{name: "InputError", message: fmt.Sprintf(format, args...), cause: cause}
	if cause != nil {
		f.message += "; caused by " + cause.Error()
	}
	return f
}

const formatHelp = "To learn more about catalog file format, visit: https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/adr002-default-catalog-file-format.md"

var (
	validName      = regexp.MustCompile(`^[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$`)
	validNamespace = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	validTag       = regexp.MustCompile(`^[a-z0-9+#]+(-[a-z0-9+#]+)*$`)
	coreVersions   = []string{"backstage.io/v1alpha1", "backstage.io/v1beta1", "backstage.io/v2"}
	modelVersions  = []string{"backstage.io/v2"}
	templates      = []string{"scaffolder.backstage.io/v1beta3", "scaffolder.backstage.io/v3"}
)

// kind is what the catalog knows of one: API versions and the fields its spec must have, with their types.
type kind struct {
	versions []string
	required []string
}

var kinds = map[string]kind{
	"Component": {coreVersions, []string{"type", "lifecycle", "owner"}},
	"API":       {coreVersions, []string{"type", "lifecycle", "owner", "definition"}},
	"System":    {coreVersions, []string{"owner"}},
	"Domain":    {coreVersions, []string{"owner"}},
	"Resource":  {coreVersions, []string{"type", "owner"}},
	"Group":     {coreVersions, []string{"type", "children"}},
	"User":      {coreVersions, nil},
	"Location":  {coreVersions, nil},
	"Template":  {templates, []string{"type", "steps"}},
	"AIModel":   {modelVersions, []string{"owner", "lifecycle", "modelType"}},
	"Toolchain": {modelVersions, []string{"owner", "lifecycle", "type"}},
}

// lists are the spec fields above that are not strings.
var lists = []string{"children", "steps"}

// check says what is wrong with an entity, in Backstage's words.
func check(entity map[string]any) error {
	if entity == nil {
		return inputFault(nil, "Entity must be an object")
	}
	id := refOf(entity)
	policy := func(field, expected string, found any) error {
		shown, _ := json.Marshal(found)
		cause := &fault{name: "Error", message: fmt.Sprintf("%q is not valid; expected %s but found %s. %s", field, expected, shown, formatHelp)}
		return inputFault(cause, "Policy check failed for %s", id)
	}
	for _, field := range []string{"apiVersion", "kind"} {
		if text(entity, field) == "" {
			return inputFault(&fault{name: "TypeError", message: "<root> must have required property '" + field + "' - missingProperty: " + field}, "Policy check failed for %s", id)
		}
	}
	meta := object(entity, "metadata")
	if name := text(meta, "name"); !validName.MatchString(name) || len(name) > 63 {
		return policy("metadata.name", "a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total", meta["name"])
	}
	if ns, given := meta["namespace"]; given {
		if s, _ := ns.(string); !validNamespace.MatchString(s) || len(s) > 63 {
			return policy("metadata.namespace", "a string that is sequences of [a-z0-9] separated by [-], at most 63 characters in total", ns)
		}
	}
	for i, tag := range texts(meta, "tags") {
		if !validTag.MatchString(tag) || len(tag) > 63 {
			return policy(fmt.Sprintf("tags.%d", i), "a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters in total", tag)
		}
	}
	k, known := kinds[text(entity, "kind")]
	if !known || !slices.Contains(k.versions, text(entity, "apiVersion")) {
		return inputFault(nil, "No processor recognized the entity %s as valid, possibly caused by a foreign kind or apiVersion", id)
	}
	return k.check(entity, id)
}

func (k kind) check(entity map[string]any, id string) error {
	processor := "BuiltinKindsEntityProcessor"
	if text(entity, "kind") == "Template" {
		processor = "ScaffolderEntitiesProcessor"
	}
	wrong := func(message string) error {
		return inputFault(&fault{name: "TypeError", message: message}, "Processor %s threw an error while validating the entity %s", processor, id)
	}
	spec, isObject := entity["spec"].(map[string]any)
	if _, given := entity["spec"]; !given {
		return wrong("<root> must have required property 'spec' - missingProperty: spec")
	}
	if !isObject {
		return wrong("/spec must be object - type: object")
	}
	for _, field := range k.required {
		v, given := spec[field]
		switch {
		case !given:
			return wrong("/spec must have required property '" + field + "' - missingProperty: " + field)
		case slices.Contains(lists, field):
			if _, ok := v.([]any); !ok {
				return wrong("/spec/" + field + " must be array - type: array")
			}
		case text(spec, field) == "":
			if _, ok := v.(string); !ok {
				return wrong("/spec/" + field + " must be string - type: string")
			}
			return wrong("/spec/" + field + " must NOT have fewer than 1 characters - limit: 1")
		}
	}
	return nil
}

// setDefaults fills in what the catalog adds to an entity that it reads from a location.
func setDefaults(entity map[string]any, location, origin string) {
	meta := object(entity, "metadata")
	if text(meta, "namespace") == "" {
		meta["namespace"] = "default"
	}
	annotations := object(meta, "annotations")
	if annotations == nil {
		annotations = map[string]any{}
		meta["annotations"] = annotations
	}
	if origin == "" {
		origin = location
	}
	annotations["backstage.io/managed-by-location"] = location
	annotations["backstage.io/managed-by-origin-location"] = origin
	if target, ok := strings.CutPrefix(location, "url:http"); ok {
		set := func(name, value string) {
			if _, given := annotations[name]; !given {
				annotations[name] = value
			}
		}
		set("backstage.io/view-url", "http"+target)
		for _, view := range []string{"/blob/", "/tree/"} {
			head, file, ok := strings.Cut("http"+target, view)
			if !ok || text(entity, "kind") == "Location" {
				continue
			}
			set("backstage.io/edit-url", head+"/edit/"+file)
			set("backstage.io/source-location", "url:"+head+"/tree/"+file[:strings.LastIndex(file, "/")+1])
		}
	}
}

// asFault makes any error one with a name.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return &fault{name: "Error", message: err.Error()}
}
