package vault

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Field reads one field of a secret that an operator has put into a KV v2 mount. One that isn't there is a NotFound
// fault.
func Field(ctx context.Context, config Config, mount, path, field string) (secrets.Secret, error) {
	client, err := newConnection(config).connect()
	if err != nil {
		return secrets.Secret{}, err
	}
	kept, err := client.KVv2(mount).Get(ctx, path)
	if err != nil && !errors.Is(err, api.ErrSecretNotFound) {
		return secrets.Secret{}, typed(err)
	}
	var text string
	if kept != nil {
		text, _ = kept.Data[field].(string)
	}
	if text == "" {
		return secrets.Secret{}, fault.New(fault.NotFound, "there is no text %s in %s/%s", field, mount, path)
	}
	return secrets.New(text), nil
}
