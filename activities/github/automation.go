package github

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/google/go-github/v84/github"
	"golang.org/x/crypto/nacl/box"

	"github.com/gildway/gildway/internal/fault"
)

// equip sets what the repository's workflows find when they run: before the push, which starts them. All of it can be
// repeated.
func (s *session) equip(ctx context.Context, in PublishInput) error {
	for _, name := range sorted(in.RepoVariables) {
		if err := s.setVariable(ctx, name, in.RepoVariables[name]); err != nil {
			return explained(err, "the variable %s of %s can't be set", name, s)
		}
	}
	if err := s.setSecrets(ctx, in.Secrets); err != nil {
		return err
	}
	if subject := in.OIDCCustomization; subject != nil {
		useDefault := subject.UseDefault == nil || *subject.UseDefault
		_, err := s.api.Actions.SetRepoOIDCSubjectClaimCustomTemplate(ctx, s.owner, s.repo,
			&github.OIDCSubjectClaimCustomTemplate{UseDefault: &useDefault, IncludeClaimKeys: subject.IncludeClaimKeys})
		if err != nil {
			return explained(err, "the OIDC subject of %s can't be customized", s)
		}
	}
	return nil
}

func (s *session) setVariable(ctx context.Context, name, value string) error {
	v := &github.ActionsVariable{Name: name, Value: value}
	_, err := s.api.Actions.CreateRepoVariable(ctx, s.owner, s.repo, v)
	if errors.Is(err, fault.Conflict) { // an earlier attempt has set it, perhaps to another value
		_, err = s.api.Actions.UpdateRepoVariable(ctx, s.owner, s.repo, v)
	}
	return err
}

// setSecrets seals each value for the repository, so that nobody on the way can read it.
func (s *session) setSecrets(ctx context.Context, values map[string]string) error {
	if len(values) == 0 {
		return nil
	}
	key, _, err := s.api.Actions.GetRepoPublicKey(ctx, s.owner, s.repo)
	if err != nil {
		return explained(err, "the key for secrets of %s can't be read", s)
	}
	public, err := base64.StdEncoding.DecodeString(key.GetKey())
	if err != nil || len(public) != 32 {
		return fault.New(fault.Unavailable, "GitHub gives a key for secrets of %s that can't be read", s)
	}
	for _, name := range sorted(values) {
		sealed, err := box.SealAnonymous(nil, []byte(values[name]), (*[32]byte)(public), rand.Reader)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "a secret can't be sealed")
		}
		_, err = s.api.Actions.CreateOrUpdateRepoSecret(ctx, s.owner, s.repo, &github.EncryptedSecret{
			Name: name, KeyID: key.GetKeyID(), EncryptedValue: base64.StdEncoding.EncodeToString(sealed),
		})
		if err != nil {
			return explained(err, "the secret %s of %s can't be set", name, s)
		}
	}
	return nil
}

// watch has the owner of the credential told of what happens in the repository.
func (s *session) watch(ctx context.Context) error {
	yes, no := true, false
	_, _, err := s.api.Activity.SetRepositorySubscription(ctx, s.owner, s.repo, &github.Subscription{Subscribed: &yes, Ignored: &no})
	if err != nil {
		return explained(err, "our credential can't watch %s", s)
	}
	return nil
}
