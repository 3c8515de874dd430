package vault

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Revoke ends the access first and then removes what Mint made, and proves that it is gone.
func (m *Minter) Revoke(ctx context.Context, call *activities.Call, r Request, why string) error {
	n, err := namesOf(call, r)
	if err != nil {
		return err
	}
	client, err := m.connect()
	if err != nil {
		return err
	}
	if err := m.remove(ctx, client, n); err != nil {
		return typed(err)
	}
	call.Log("Revoked the key %s/%s: %s", m.config.Mount, n.path, why)
	return nil
}

func (m *Minter) remove(ctx context.Context, client *api.Client, n names) error {
	if err := revoke(ctx, client, n); err != nil {
		return err
	}
	if _, err := client.Logical().DeleteWithContext(ctx, "auth/token/roles/"+n.role); err != nil {
		return err
	}
	if err := client.Sys().DeletePolicyWithContext(ctx, n.role); err != nil {
		return err
	}
	if err := client.KVv2(m.config.HandoverMount).DeleteMetadata(ctx, n.handover); err != nil {
		return err
	}
	keys := client.KVv2(m.config.Mount)
	switch meta, err := keys.GetMetadata(ctx, n.path); {
	case errors.Is(err, api.ErrSecretNotFound):
		return m.gone(ctx, client, n)
	case err != nil:
		return err
	case meta.CustomMetadata[markField] != n.mark:
		return fault.New(fault.Conflict, "the key at %s/%s is not the one this step made, it stays", m.config.Mount, n.path)
	}
	if err := keys.DeleteMetadata(ctx, n.path); err != nil {
		return err
	}
	return m.gone(ctx, client, n)
}

func (m *Minter) gone(ctx context.Context, client *api.Client, n names) error {
	role, err := client.Logical().ReadWithContext(ctx, "auth/token/roles/"+n.role)
	if err != nil {
		return err
	}
	rules, err := client.Sys().GetPolicyWithContext(ctx, n.role)
	if err != nil {
		return err
	}
	_, err = client.KVv2(m.config.Mount).GetMetadata(ctx, n.path)
	if err != nil && !errors.Is(err, api.ErrSecretNotFound) {
		return err
	}
	if role != nil || rules != "" || err == nil {
		return fault.New(fault.Unavailable, "Vault still shows the key %s/%s", m.config.Mount, n.path)
	}
	return nil
}

// revoke ends every token of the key's role, and of no other: the trailing part of the prefix is the
// role's whole name, and a lease id goes on with "/".
func revoke(ctx context.Context, client *api.Client, n names) error {
	return client.Sys().RevokeWithOptionsWithContext(ctx, &api.RevokeOptions{
		LeaseID: "auth/token/create/" + n.role + "/", Prefix: true, Sync: true,
	})
}
