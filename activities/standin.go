package activities

import (
	"context"
	"encoding/json"
)

// Standin gives an action with the same declaration that does something else: do gets the input when it has been
// checked. Dry runs really run it.
func (a Action) Standin(do func(ctx context.Context, call *Call, input json.RawMessage) (json.RawMessage, error)) Action {
	a.info.DryRun, a.info.Preview = true, false
	check := a.CheckInput
	a.do = func(ctx context.Context, call *Call, input json.RawMessage) (json.RawMessage, error) {
		if err := check(input); err != nil {
			return nil, err
		}
		return do(ctx, call, orEmpty(input))
	}
	return a
}
