package debug

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/invopop/jsonschema"
)

// LogInput is the input of debug:log.
type LogInput struct {
	Message       string  `json:"message,omitempty" jsonschema_description:"Text for the run's log."`
	ListWorkspace Listing `json:"listWorkspace,omitempty" jsonschema_description:"List the files of the workspace: true or with-filenames for their names, with-contents for what is in them too."`
}

// Listing says what of the workspace is to be shown.
type Listing string

// The listings. In a template true is withNames and false noListing.
const (
	noListing    Listing = ""
	withNames    Listing = "with-filenames"
	withContents Listing = "with-contents"
)

// JSONSchema implements jsonschema's customization.
func (Listing) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "boolean"},
		{Type: "string", Enum: []any{withNames, withContents}},
	}}
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *Listing) UnmarshalJSON(raw []byte) error {
	var yes bool
	if err := json.Unmarshal(raw, &yes); err != nil {
		return json.Unmarshal(raw, (*string)(l))
	}
	*l = noListing
	if yes {
		*l = withNames
	}
	return nil
}

// What one line of the log may show. More files are refused; contents beyond are skipped.
const (
	maxListed   = 20_000
	maxContents = 1 << 20
)

// Log is debug:log.
func Log() activities.Action {
	return activities.Define(activities.Spec[LogInput, Nothing]{
		ID:          "debug:log",
		Description: "Writes its input, a message and what is in the workspace to the run's log.",
		Examples: []plan.Example{{
			Description: "Show a value and the files so far",
			YAML: `steps:
  - id: show
    name: Show the name
    action: debug:log
    input:
      message: The service is ${{ parameters.name }}
      listWorkspace: with-contents
`,
		}},
		Workspace: plan.Reads,
		Local:     true,
		RunsDry:   true,
		Do:        log,
	})
}

func log(ctx context.Context, call *activities.Call, in LogInput) (Nothing, error) {
	input, err := pretty(call.Input)
	if err != nil {
		return Nothing{}, fault.Wrap(fault.Internal, err, "the input of debug:log can't be shown")
	}
	call.Log("%s", input)
	if in.Message != "" {
		call.Log("%s", in.Message)
	}
	if in.ListWorkspace == noListing {
		return Nothing{}, nil
	}
	list := listing{call: call, contents: in.ListWorkspace == withContents}
	if err := list.folder(ctx, "."); err != nil {
		return Nothing{}, err
	}
	call.Log("Workspace:\n%s", strings.Join(list.lines, "\n"))
	return Nothing{}, nil
}

// pretty is JSON as JavaScript writes it with an indent of two.
func pretty(raw json.RawMessage) (string, error) {
	value, err := expr.FromJSON(raw)
	if err != nil {
		return "", err
	}
	compact, err := expr.ToJSON(value)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	err = json.Indent(&text, compact, "", "  ")
	return text.String(), err
}

type listing struct {
	call     *activities.Call
	contents bool
	lines    []string
	shown    int // bytes of contents
	seen     int // files and folders
}

// folder adds the files in a folder and its folders. Links are followed, as Backstage does.
func (l *listing) folder(ctx context.Context, name string) error {
	entries, err := fs.ReadDir(l.call.Files, name)
	if err != nil {
		return err
	}
	if l.seen += len(entries); l.seen > maxListed {
		return fault.New(fault.Invalid, "debug:log lists %d files and folders at most, and links lead to more", maxListed)
	}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		info, err := fs.Stat(l.call.Files, at)
		switch {
		case errors.Is(err, fault.NotFound):
			missing := fault.Wrap(fault.NotFound, err, "ENOENT: no such file or directory, stat '%s'", l.call.Absolute(at))
			missing.Name = "Error"
			return missing
		case err != nil:
			return err
		case info.IsDir():
			if err := l.folder(ctx, at); err != nil {
				return err
			}
		default:
			l.lines = append(l.lines, l.file(at, info))
		}
	}
	return ctx.Err()
}

func (l *listing) file(name string, info fs.FileInfo) string {
	if !l.contents {
		return "  - " + name
	}
	if int64(l.shown)+info.Size() > maxContents {
		return " - " + name + ": [skipped]"
	}
	content, err := fs.ReadFile(l.call.Files, name)
	if err != nil {
		return " - " + name + ": [skipped]"
	}
	l.shown += len(content)
	return " - " + name + ":\n\n  " + strings.ToValidUTF8(string(content), "\uFFFD")
}
