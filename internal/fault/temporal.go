package fault

import (
	"errors"

	"go.temporal.io/sdk/temporal"
)

// Seal turns an error into what Temporal history may hold: its kind and our own words, never a
// provider's. The caller logs the cause before it is dropped.
func Seal(err error) error { return seal(err, false) }

// SealFinal is Seal for an error that has been tried often enough, whatever its kind.
func SealFinal(err error) error { return seal(err, true) }

func seal(err error, final bool) error {
	if err == nil {
		return nil
	}
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) {
		return err
	}
	f := From(err)
	return temporal.NewApplicationErrorWithOptions(f.Public, string(f.Kind), temporal.ApplicationErrorOptions{
		NonRetryable:   final || f.Kind.Final(),
		NextRetryDelay: f.RetryAfter,
		Details:        details(f),
	})
}

// details carry what kind and text don't; an error without it has none.
func details(f *Error) []any {
	if f.Name == "" {
		return nil
	}
	return []any{f.Name}
}

// Unseal reads a sealed error back from what Temporal hands to a workflow or client.
func Unseal(err error) *Error {
	var app *temporal.ApplicationError
	if errors.As(err, &app) && Kind(app.Type()).known() {
		f := &Error{Kind: Kind(app.Type()), Public: app.Message(), Cause: err}
		_ = app.Details(&f.Name) // most have none
		return f
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return Wrap(Unavailable, err, "no answer within the step's time limit")
	}
	if temporal.IsCanceledError(err) {
		return Wrap(Conflict, err, "the run was cancelled")
	}
	return From(err)
}

// known reports whether k is one of ours: other code's errors have types of their own.
func (k Kind) known() bool {
	switch k {
	case Invalid, Unauthenticated, Denied, NotFound, Conflict, Gone, RateLimited, Unavailable, Internal:
		return true
	default:
		return false
	}
}
