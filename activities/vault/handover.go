package vault

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Collected is what a requester gets, once: a wrapping token that opens into the key's token.
type Collected struct {
	WrappingToken secrets.Secret
	Path          string // of the key below Mount
	Mount         string
	Address       string // of the Vault
	ExpiresAt     time.Time
}

// Handover gives minted tokens out. The policy gildway-api is all it needs; it can't read a key.
type Handover struct{ *connection }

// NewHandover makes a hand-over.
func NewHandover(config Config) *Handover { return &Handover{newConnection(config)} }

// Collect takes out what a step left for its requester; step is the step's id, in a loop followed by
// "/" and the iteration. Nothing there is a NotFound fault; the second time it is a Gone one. claim is asked
// when there is something: its error leaves it where it is. Whoever calls Collect must have checked that the
// caller is the requester.
func (h *Handover) Collect(ctx context.Context, task, step string, claim func(context.Context) error) (Collected, error) {
	client, err := h.connect()
	if err != nil {
		return Collected{}, err
	}
	id, iteration, _ := strings.Cut(step, "/")
	where := sanitise(task) + "/" + stepName(id, iteration)
	box := client.KVv2(h.config.HandoverMount)
	left, err := box.Get(ctx, where)
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return Collected{}, fault.New(fault.NotFound, "there is nothing to collect: it was revoked, or is not made yet")
	case err != nil:
		return Collected{}, typed(err)
	case left.Data == nil:
		return Collected{}, fault.New(fault.Gone, "this was collected before")
	}
	if err := claim(ctx); err != nil {
		return Collected{}, err
	}
	// Destroyed before it is given out: a lost answer costs a new request, never a second copy. The empty box
	// stays: an attempt to mint that comes again must see that its key was handed over.
	if err := box.Destroy(ctx, where, []int{left.VersionMetadata.Version}); err != nil {
		return Collected{}, typed(err)
	}
	text := func(field string) string { s, _ := left.Data[field].(string); return s }
	expires, err := time.Parse(time.RFC3339, text("expires_at"))
	if err != nil || text("wrapping_token") == "" {
		return Collected{}, fault.New(fault.Gone, "what was left to collect is damaged; ask for the key again")
	}
	return Collected{
		WrappingToken: secrets.New(text("wrapping_token")), Path: text("path"), Mount: text("mount"),
		Address: h.config.Address, ExpiresAt: expires,
	}, nil
}
