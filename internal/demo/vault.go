package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	vault "github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/dev"
)

// keys collects what both runs minted, uses it, and tries to misuse it.
func keys(ctx context.Context, e dev.Endpoints, requester *client.Client, r runs) (checks []check) {
	for _, task := range []string{r.access, r.service} {
		c := check{what: "the key, collected and used"}
		collected, err := requester.Collect(ctx, task)
		switch {
		case err != nil:
			c.err = err
		case len(collected) != 1:
			c.err = fmt.Errorf("%d keys, not one", len(collected))
		default:
			c.found, c.err = use(ctx, collected[0])
		}
		checks = append(checks, c)
	}
	again := check{what: "the key, asked for again", found: "refused"}
	if _, err := requester.Collect(ctx, r.access); err == nil {
		again.err = errors.New("was handed over twice")
	}
	stranger := check{what: "the key, asked for by another", found: "refused (403)"}
	_, err := client.New(e.API, e.Tokens["approver"]).Collect(ctx, r.access)
	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusForbidden {
		stranger.err = fmt.Errorf("the answer is %v, not 403", err)
	}
	return append(checks, again, stranger)
}

// use unwraps a hand-over, reads the key's own path and is refused on another team's.
func use(ctx context.Context, k client.Key) (string, error) {
	config := vault.DefaultConfig()
	config.Address = k.Address
	v, err := vault.NewClient(config)
	if err != nil {
		return "", err
	}
	v.ClearToken()
	unwrapped, err := v.Logical().UnwrapWithContext(ctx, k.WrappingToken)
	if err != nil {
		return "", fmt.Errorf("unwrapping: %w", err)
	}
	v.SetToken(unwrapped.Auth.ClientToken)
	own, err := v.KVv2(k.Mount).Get(ctx, k.Path)
	if err != nil {
		return "", fmt.Errorf("reading its own path: %w", err)
	}
	if len(own.Data) == 0 {
		return "", errors.New("its own path is empty")
	}
	const foreign = "data-team/acme-llm-gateway/00000000-0000-4000-8000-000000000000"
	_, err = v.KVv2(k.Mount).Get(ctx, foreign)
	var refused *vault.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
		return "", fmt.Errorf("reading %s/%s gives %v, not 403", k.Mount, foreign, err)
	}
	return fmt.Sprintf("reads %s/%s (until %s), refused on another team's path (403)", k.Mount, k.Path, k.ExpiresAt.Format("2006-01-02")), nil
}
