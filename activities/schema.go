package activities

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	derive "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

type inputCheck func(action string, input json.RawMessage) error

// schemaOf derives the JSON Schema of a struct and a check against it.
func schemaOf[T any]() (json.RawMessage, inputCheck, error) {
	reflector := derive.Reflector{DoNotReference: true, Anonymous: true, ExpandedStruct: true}
	var zero T
	derived := reflector.Reflect(&zero)
	derived.Version = "http://json-schema.org/draft-07/schema#"
	raw, err := json.Marshal(derived)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving a schema: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("reading a derived schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:input", doc); err != nil {
		return nil, nil, fmt.Errorf("adding a derived schema: %w", err)
	}
	compiled, err := compiler.Compile("mem:input")
	if err != nil {
		return nil, nil, fmt.Errorf("compiling a derived schema: %w", err)
	}
	return raw, func(action string, input json.RawMessage) error { return check(compiled, action, input) }, nil
}

func check(schema *jsonschema.Schema, action string, input json.RawMessage) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s, it is not JSON", action)
	}
	err = schema.Validate(value)
	if err == nil {
		return nil
	}
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return fault.Wrap(fault.Internal, err, "the input of action %s can't be checked", action)
	}
	var problems []fault.Problem
	leaves(invalid, func(e *jsonschema.ValidationError) {
		problems = append(problems, fault.Problem{
			Path: "input" + pointer(e.InstanceLocation),
			Rule: "input-schema",
			Says: e.ErrorKind.LocalizedString(message.NewPrinter(language.English)),
		})
	})
	says := make([]string, len(problems))
	for i, p := range problems {
		says[i] = p.String()
	}
	return fault.WithProblems(fmt.Sprintf("Invalid input passed to action %s, %s", action, strings.Join(says, ", ")), problems)
}

func leaves(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		visit(e)
	}
	for _, cause := range e.Causes {
		leaves(cause, visit)
	}
}

func pointer(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("." + p)
	}
	return b.String()
}
