package api

import (
	"context"

	"github.com/gildway/gildway/internal/fault"
)

// Autocomplete knows no provider. The frontend's pickers go without suggestions then.
func (h handlers) Autocomplete(_ context.Context, r AutocompleteRequestObject) (AutocompleteResponseObject, error) {
	return nil, fault.New(fault.Invalid, "Unsupported provider: %s", r.Provider)
}
