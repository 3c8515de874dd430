package vault

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Renew leaves another token for the same key, which lasts until the lease's new end. The token before goes on to its own
// end, so that its holder has time to collect.
func (m *Minter) Renew(ctx context.Context, call *activities.Call, r Request, _ Minted) (Minted, error) {
	n, err := namesOf(call, r)
	if err != nil {
		return Minted{}, err
	}
	client, err := m.connect()
	if err != nil {
		return Minted{}, err
	}
	expires, err := m.prolong(ctx, client, call, n, time.Until(*call.LeaseEnds).Truncate(time.Second))
	if err != nil {
		return Minted{}, typed(err)
	}
	call.Log("A new token for the key %s/%s can be collected until it ends at %s", m.config.Mount, n.path, expires.Format(time.RFC3339))
	return m.minted(call, n, expires), nil
}

func (m *Minter) prolong(ctx context.Context, client *api.Client, call *activities.Call, n names, ttl time.Duration) (time.Time, error) {
	meta, err := client.KVv2(m.config.Mount).GetMetadata(ctx, n.path)
	switch {
	case errors.Is(err, api.ErrSecretNotFound) || err == nil && meta.CustomMetadata[markField] != n.mark:
		return time.Time{}, fault.New(fault.Conflict, "the key at %s/%s is no longer the one this step made", m.config.Mount, n.path)
	case err != nil:
		return time.Time{}, err
	}
	box := client.KVv2(m.config.HandoverMount)
	left, err := box.GetMetadata(ctx, n.handover)
	if err != nil && !errors.Is(err, api.ErrSecretNotFound) {
		return time.Time{}, err
	}
	if err == nil && left.CurrentVersion > 0 {
		if left.CustomMetadata[leaseField] == leaseEnd(call) { // an attempt before did it
			at, _ := left.CustomMetadata["expiresAt"].(string)
			expires, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return time.Time{}, fault.Wrap(fault.Conflict, err, "Vault holds a hand-over %s that this step did not make", n.handover)
			}
			return expires, m.noteEnd(ctx, client, n, expires)
		}
		if err := box.DeleteMetadata(ctx, n.handover); err != nil {
			return time.Time{}, err
		}
	}
	if err := writeRole(ctx, client, n, ttl); err != nil {
		return time.Time{}, err
	}
	expires, err := m.leave(ctx, client, call, n, ttl)
	if err != nil {
		return time.Time{}, err
	}
	return expires, m.noteEnd(ctx, client, n, expires)
}
