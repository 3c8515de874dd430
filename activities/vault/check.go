package vault

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/activities"
)

// Check looks whether the key is the one that was made, and opens to its token alone until that ends.
func (m *Minter) Check(ctx context.Context, call *activities.Call, r Request) (activities.Standing, error) {
	n, err := namesOf(call, r)
	if err != nil {
		return activities.Standing{}, err
	}
	client, err := m.connect()
	if err != nil {
		return activities.Standing{}, err
	}
	standing := activities.Standing{}
	for _, look := range []func(context.Context, *api.Client, names) (activities.Standing, error){m.keyStands, m.policyStands, m.tokenStands} {
		part, err := look(ctx, client, n)
		if err != nil {
			return activities.Standing{}, typed(err)
		}
		standing = standing.With(part)
	}
	return standing, nil
}

func (m *Minter) keyStands(ctx context.Context, client *api.Client, n names) (activities.Standing, error) {
	where := m.config.Mount + "/" + n.path
	meta, err := client.KVv2(m.config.Mount).GetMetadata(ctx, n.path)
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return activities.Standing{Drift: activities.Gone, Says: "the key " + where + " is not in Vault any more"}, nil
	case err != nil:
		return activities.Standing{}, err
	case meta.CustomMetadata[markField] != n.mark:
		return activities.Standing{Drift: activities.Changed, Says: "the key " + where + " in Vault is another one"}, nil
	case meta.CurrentVersion != 1:
		return activities.Standing{Drift: activities.Changed, Says: "the value of the key " + where + " was replaced in Vault"}, nil
	}
	if made := meta.Versions["1"]; made.Destroyed || !made.DeletionTime.IsZero() {
		return activities.Standing{Drift: activities.Gone, Says: "the value of the key " + where + " was deleted in Vault"}, nil
	}
	return activities.Standing{}, nil
}

func (m *Minter) policyStands(ctx context.Context, client *api.Client, n names) (activities.Standing, error) {
	role, err := client.Logical().ReadWithContext(ctx, "auth/token/roles/"+n.role)
	if err != nil {
		return activities.Standing{}, err
	}
	rules, err := client.Sys().GetPolicyWithContext(ctx, n.role)
	if err != nil {
		return activities.Standing{}, err
	}
	switch {
	case rules == "":
		return activities.Standing{Drift: activities.Gone, Says: "the policy " + n.role + " is not in Vault any more"}, nil
	case strings.TrimSpace(rules) != strings.TrimSpace(m.rules(n)):
		return activities.Standing{Drift: activities.Changed, Says: "the policy " + n.role + " in Vault was changed"}, nil
	case role == nil:
		return activities.Standing{Drift: activities.Gone, Says: "the token role " + n.role + " is not in Vault any more"}, nil
	}
	return activities.Standing{}, nil
}

// tokenStands looks the newest token up. Which one that is stands in the box it was handed over in; boxes of older releases
// don't say.
func (m *Minter) tokenStands(ctx context.Context, client *api.Client, n names) (activities.Standing, error) {
	box, err := client.KVv2(m.config.HandoverMount).GetMetadata(ctx, n.handover)
	if errors.Is(err, api.ErrSecretNotFound) {
		return activities.Standing{}, nil
	}
	if err != nil {
		return activities.Standing{}, err
	}
	accessor, _ := box.CustomMetadata[tokenField].(string)
	at, _ := box.CustomMetadata["expiresAt"].(string)
	expires, err := time.Parse(time.RFC3339, at)
	if accessor == "" || err != nil || !time.Now().Add(ttlTolerance).Before(expires) {
		return activities.Standing{}, nil // unknown, or it ends by itself about now
	}
	_, err = client.Auth().Token().LookupAccessorWithContext(ctx, accessor)
	var answer *api.ResponseError
	if errors.As(err, &answer) && says(answer, "invalid accessor") {
		return activities.Standing{Drift: activities.Gone, Says: "the token for the key " + m.config.Mount + "/" + n.path + " was ended in Vault before its time"}, nil
	}
	return activities.Standing{}, err
}
