package activities

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// Standin gives an action with the same declaration that does something else: do gets the input when it has been
// checked. Dry runs really run it.
func (a Action) Standin(do func(ctx context.Context, call *Call, input json.RawMessage) (json.RawMessage, error)) Action {
	a.info.DryRun, a.info.Preview = true, false
	check, valid := a.CheckInput, a.info.Valid
	a.do = func(ctx context.Context, call *Call, input json.RawMessage) (json.RawMessage, error) {
		if err := check(input); err != nil {
			return nil, err
		}
		if valid != nil {
			if err := valid(input); err != nil {
				return nil, err
			}
		}
		return do(ctx, call, orEmpty(input))
	}
	return a
}

// StandsIn reports whether a value stands for what only a real run would know, in an input that a dry run made up or took
// from a Preview.
func StandsIn(value string) bool { return strings.Contains(value, "<") && strings.Contains(value, ">") }

// At says which input an error is about, nil if there is none: "repoUrl".
func At(input string, err error) error {
	if err == nil {
		return nil
	}
	told := *fault.From(err)
	told.Problems = []fault.Problem{{Path: "input." + input, Rule: "input-schema", Says: told.Public}}
	return &told
}
