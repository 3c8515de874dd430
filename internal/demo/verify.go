package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/dev"
)

// check is one promise and what was found when asking for it.
type check struct {
	what  string
	found string
	err   error
}

// verify asks every provider with its own protocol, never through the engine.
func verify(ctx context.Context, e dev.Endpoints, r runs, out io.Writer) error {
	requester := client.New(e.API, e.Tokens["requester"])
	checks := []check{repository(ctx, e)}
	checks = append(checks, entity(ctx, e), ticket(ctx, e, r.access))
	checks = append(checks, memberships(ctx, e)...)
	checks = append(checks, keys(ctx, e, requester, r)...)
	checks = append(checks, history(ctx, e, r.service, servicePath)...)
	checks = append(checks, history(ctx, e, r.access, accessPath)...)

	var errs []error
	for _, c := range checks {
		mark := "✓"
		if c.err != nil {
			mark, c.found = "✗", c.err.Error()
			errs = append(errs, fmt.Errorf("%s: %w", c.what, c.err))
		}
		fmt.Fprintf(out, "   %s %-34s %s\n", mark, c.what, strings.ReplaceAll(c.found, "\n", "\n"+strings.Repeat(" ", 40)))
	}
	if len(errs) > 0 {
		return fmt.Errorf("%d of %d promises were not kept:\n%w", len(errs), len(checks), errors.Join(errs...))
	}
	return nil
}
