package catalog

import (
	"context"
	"io/fs"
	"strconv"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/npmyaml"
)

const (
	defaultFile    = "catalog-info.yaml"
	sourceTemplate = "backstage.io/source-template"
)

func write(_ context.Context, call *activities.Call, in WriteInput) (WriteOutput, error) {
	file := defaultFile
	if in.FilePath != nil {
		file = *in.FilePath
	}
	call.Log("Writing %s", file)
	name, err := call.Path(file)
	if err != nil {
		return WriteOutput{}, err
	}
	value, err := expr.FromJSON(in.Entity)
	entity, ok := value.(*expr.Object)
	if err != nil || !ok {
		return WriteOutput{}, fault.Wrap(fault.Invalid, err, "entity is not an object")
	}
	if entity, err = marked(entity, call.Run.Template.Ref); err != nil {
		return WriteOutput{}, err
	}
	mode := fs.FileMode(0o644)
	if old, err := fs.Stat(call.Files, name); err == nil {
		if old.IsDir() {
			return WriteOutput{}, plainError(fault.Conflict, "EISDIR: illegal operation on a directory, open '%s'", call.Absolute(name))
		}
		mode = old.Mode() // a file that is written to stays what it is
	}
	return WriteOutput{}, call.Files.WriteFile(name, npmyaml.Marshal(entity), mode)
}

// marked gives the entity with the annotation that says which template made it. Without a template it still
// gets its metadata.
func marked(entity *expr.Object, template string) (*expr.Object, error) {
	written, there := entity.Get("metadata")
	metadata, _ := written.(*expr.Object)
	if template != "" {
		if !there || written == nil {
			text := "undefined"
			if there {
				text = "null"
			}
			e := fault.New(fault.Invalid, "Cannot read properties of %s (reading 'annotations')", text)
			e.Name = "TypeError"
			return nil, e
		}
		before, _ := metadata.Get("annotations")
		annotations, _ := before.(*expr.Object)
		if list, isList := before.([]any); isList { // spread as JavaScript does
			for i, v := range list {
				annotations = annotations.With(strconv.Itoa(i), v)
			}
		}
		metadata = metadata.With("annotations", annotations.With(sourceTemplate, template))
	}
	if metadata == nil {
		metadata = expr.NewObject()
	}
	return entity.With("metadata", metadata), nil
}
