package vault

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/internal/fault"
)

// SecretsMount is the KV v2 mount of what runs are submitted with.
const SecretsMount = "gildway-secrets"

// TaskSecrets keeps the secrets that a run is submitted with, until it ends: the API puts them there, the
// worker reads them. They stand nowhere else.
type TaskSecrets struct{ *connection }

// NewTaskSecrets makes the keeper.
func NewTaskSecrets(config Config) *TaskSecrets { return &TaskSecrets{newConnection(config)} }

// Put keeps the secrets of a task, by name. A task has them once: Vault refuses to have
// them replaced.
func (s *TaskSecrets) Put(ctx context.Context, task string, secrets map[string]string) error {
	client, err := s.connect()
	if err != nil {
		return err
	}
	data := make(map[string]any, len(secrets))
	for name, value := range secrets {
		data[name] = value
	}
	_, err = client.KVv2(SecretsMount).Put(ctx, sanitise(task), data, api.WithCheckAndSet(0))
	return typed(err)
}

// Get gives the secrets of a task. None there is a NotFound fault: the task had none, or has ended.
func (s *TaskSecrets) Get(ctx context.Context, task string) (map[string]string, error) {
	client, err := s.connect()
	if err != nil {
		return nil, err
	}
	kept, err := client.KVv2(SecretsMount).Get(ctx, sanitise(task))
	switch {
	case errors.Is(err, api.ErrSecretNotFound) || err == nil && kept.Data == nil:
		return nil, fault.New(fault.NotFound, "the secrets of this run are no longer kept")
	case err != nil:
		return nil, typed(err)
	}
	secrets := make(map[string]string, len(kept.Data))
	for name, value := range kept.Data {
		text, ok := value.(string)
		if !ok {
			return nil, fault.New(fault.Internal, "the secret %s is not a string", name)
		}
		secrets[name] = text
	}
	return secrets, nil
}

// Forget removes the secrets of a task in all versions. None there is no error.
func (s *TaskSecrets) Forget(ctx context.Context, task string) error {
	client, err := s.connect()
	if err != nil {
		return err
	}
	return typed(client.KVv2(SecretsMount).DeleteMetadata(ctx, sanitise(task)))
}
