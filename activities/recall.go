package activities

import (
	"context"
	"errors"
)

var errNothing = errors.New("nothing is remembered")

// Recall reads into `into` what Once remembers under name; false when there is nothing. It is how
// Undo learns what Do found before its effect, and whether Do came that far at all.
func (c *Call) Recall(ctx context.Context, name string, into any) (bool, error) {
	err := c.Once(ctx, name, into, func(context.Context) (any, error) { return nil, errNothing })
	if errors.Is(err, errNothing) {
		return false, nil
	}
	return err == nil, err
}
