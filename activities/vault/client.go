// Package vault makes keys that end by themselves: a value in Vault, a policy for exactly its path, a
// token bound to that policy, and a hand-over that its requester alone can collect, once.
package vault

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says which Vault to work in.
type Config struct {
	Address       string
	Token         secrets.Secret
	Mount         string // KV v2 mount of the teams' keys; default team-keys
	HandoverMount string // KV v2 mount of what waits to be collected; default gildway-handover
}

// Defaults of the mounts.
const (
	DefaultMount         = "team-keys"
	DefaultHandoverMount = "gildway-handover"
)

// connection opens Vault when it is first used.
type connection struct {
	config  Config
	connect func() (*api.Client, error)
}

func newConnection(config Config) *connection {
	if config.Mount == "" {
		config.Mount = DefaultMount
	}
	if config.HandoverMount == "" {
		config.HandoverMount = DefaultHandoverMount
	}
	c := &connection{config: config}
	c.connect = sync.OnceValues(c.open)
	return c
}

func (c *connection) open() (*api.Client, error) {
	if c.config.Address == "" {
		return nil, fault.New(fault.Invalid, "no Vault is configured; set vault.address")
	}
	config := api.DefaultConfig() // reads VAULT_ variables; what matters is set over them
	if config.Error != nil {
		return nil, fault.Wrap(fault.Invalid, config.Error, "the VAULT_ environment variables are not valid")
	}
	config.Address = c.config.Address
	config.Timeout = 30 * time.Second
	config.MaxRetries = 0 // the client would repeat a token-create; the workflow tries again, after a look
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the Vault configuration is not valid; check vault.address")
	}
	client.SetMaxRetries(0)
	client.SetToken(c.config.Token.Reveal())
	return client, nil
}

// typed turns Vault's errors into faults. Their texts stay in the cause, which holds no token of ours.
func typed(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		if errors.Is(err, api.ErrSecretNotFound) {
			return fault.Wrap(fault.NotFound, err, "Vault has no such secret")
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return fault.Wrap(fault.Unavailable, err, "Vault did not answer in time")
		}
		return fault.Wrap(fault.Unavailable, errors.New(err.Error()), "Vault can't be reached")
	}
	switch status := answer.StatusCode; {
	case status == http.StatusForbidden:
		return fault.Wrap(fault.Denied, err, "Vault does not let our token do this, or the token has ended")
	case status == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "Vault has no such thing")
	case status == http.StatusTooManyRequests:
		limited := fault.Wrap(fault.RateLimited, err, "Vault asks us to slow down")
		limited.RetryAfter = throttleWait
		return limited
	case status == http.StatusPreconditionFailed, status >= 500:
		return fault.Wrap(fault.Unavailable, err, "Vault is sealed or has a problem of its own")
	case says(answer, "check-and-set parameter did not match"):
		return fault.Wrap(fault.Conflict, err, "the secret is there already")
	default:
		return fault.Wrap(fault.Invalid, err, "Vault does not accept what was asked")
	}
}

// throttleWait follows from Vault's quotas, which count by the second.
const throttleWait = 2 * time.Second

func says(answer *api.ResponseError, text string) bool {
	for _, e := range answer.Errors {
		if strings.Contains(e, text) {
			return true
		}
	}
	return false
}
