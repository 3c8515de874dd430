package api

import (
	"context"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Suggester lists what can stand in a form field, as somebody's own credential shows it. The context is what the field
// knows, such as an owner.
type Suggester interface {
	Suggest(ctx context.Context, resource string, token secrets.Secret, given map[string]string) ([]string, error)
}

func (h handlers) Autocomplete(ctx context.Context, r AutocompleteRequestObject) (AutocompleteResponseObject, error) {
	if r.Body.Token == "" {
		return nil, fault.New(fault.Invalid, "Missing token query parameter")
	}
	provider, known := h.Suggest[r.Provider]
	if !known {
		return nil, fault.New(fault.Invalid, "Unsupported provider: %s", r.Provider)
	}
	names, err := provider.Suggest(ctx, r.Resource, secrets.New(r.Body.Token), r.Body.Context)
	if err != nil {
		return nil, err
	}
	answer := Autocomplete200JSONResponse{Results: make([]Suggestion, len(names))}
	for i, name := range names {
		answer.Results[i].Id = name
	}
	return answer, nil
}
