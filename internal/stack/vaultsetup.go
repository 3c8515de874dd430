package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	vault "github.com/hashicorp/vault/api"
)

const (
	tokenPeriod = 7 * 24 * time.Hour
	renewEvery  = time.Hour
)

// VaultSetup is what the stack's Vault shall have. It is applied at every
// start, in the order of the fields; nothing is taken away.
type VaultSetup struct {
	Mounts   []VaultMount      // secrets engines
	Auth     []VaultMount      // auth methods
	Policies map[string]string // name → HCL
	Writes   []VaultWrite      // e.g. transit keys and roles; each must bear repetition
	Tokens   map[string][]string
}

// VaultMount is a secrets engine or an auth method.
type VaultMount struct {
	Path    string
	Type    string            // e.g. kv, transit, approle
	Options map[string]string // e.g. version=2
}

// VaultWrite is one write by the stack's root token.
type VaultWrite struct {
	Path string
	Data map[string]any
}

func (v VaultSetup) apply(ctx context.Context, c *vault.Client) error {
	sys := c.Sys()
	mounts, err := sys.ListMountsWithContext(ctx)
	if err != nil {
		return err
	}
	for _, m := range v.Mounts {
		if have, ok := mounts[strings.Trim(m.Path, "/")+"/"]; ok {
			if err := m.same(have.Type, have.Options); err != nil {
				return err
			}
			continue
		}
		if err := sys.MountWithContext(ctx, m.Path, &vault.MountInput{Type: m.Type, Options: m.Options}); err != nil {
			return fmt.Errorf("mount %s: %w", m.Path, err)
		}
		if err := waitMount(ctx, c, m); err != nil {
			return err
		}
	}
	methods, err := sys.ListAuthWithContext(ctx)
	if err != nil {
		return err
	}
	for _, m := range v.Auth {
		if have, ok := methods[strings.Trim(m.Path, "/")+"/"]; ok {
			if err := m.same(have.Type, have.Options); err != nil {
				return err
			}
			continue
		}
		if err := sys.EnableAuthWithOptionsWithContext(ctx, m.Path, &vault.EnableAuthOptions{Type: m.Type, Options: m.Options}); err != nil {
			return fmt.Errorf("auth method %s: %w", m.Path, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Policies)) {
		if err := sys.PutPolicyWithContext(ctx, name, v.Policies[name]); err != nil {
			return fmt.Errorf("policy %s: %w", name, err)
		}
	}
	for _, w := range v.Writes {
		if _, err := c.Logical().WriteWithContext(ctx, w.Path, w.Data); err != nil {
			return fmt.Errorf("write %s: %w", w.Path, err)
		}
	}
	return nil
}

func (m VaultMount) same(kind string, options map[string]string) error {
	if kind != m.Type {
		return fmt.Errorf("%s is of type %s already, not %s", m.Path, kind, m.Type)
	}
	for key, value := range m.Options {
		if options[key] != value {
			return fmt.Errorf("%s has option %s=%q already, not %q", m.Path, key, options[key], value)
		}
	}
	return nil
}

// waitMount waits while a versioned kv engine, new in its place, upgrades
// itself: until then it answers 400.
func waitMount(ctx context.Context, c *vault.Client, m VaultMount) error {
	if m.Type != "kv" || m.Options["version"] != "2" {
		return nil
	}
	var last error
	err := poll(ctx, 30*time.Second, func() bool {
		_, last = c.Logical().ReadWithContext(ctx, strings.Trim(m.Path, "/")+"/config")
		return last == nil
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", m.Path, errors.Join(err, last))
	}
	return nil
}

// heldToken is an issued token, kept over restarts together with what it may.
type heldToken struct {
	Token    string   `json:"token"`
	Policies []string `json:"policies"`
}

// tokens returns a token for every name: the one kept in file while it lives
// and has the same policies, else a new one.
func (v VaultSetup) tokens(ctx context.Context, c *vault.Client, file string) (map[string]string, error) {
	held := make(map[string]heldToken)
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &held)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	tokens := make(map[string]string, len(v.Tokens))
	for name, policies := range v.Tokens {
		old, ok := held[name]
		if ok && slices.Equal(old.Policies, policies) && renew(ctx, c, old.Token) == nil {
			tokens[name] = old.Token
			continue
		}
		if ok { // it may be dead already
			_ = c.Auth().Token().RevokeTreeWithContext(ctx, old.Token)
		}
		secret, err := c.Auth().Token().CreateOrphanWithContext(ctx, &vault.TokenCreateRequest{
			Policies: policies, Period: tokenPeriod.String(), DisplayName: name, Metadata: map[string]string{"name": name},
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		tokens[name] = secret.Auth.ClientToken
		held[name] = heldToken{Token: secret.Auth.ClientToken, Policies: policies}
	}
	if text, err = json.Marshal(held); err != nil {
		return nil, err
	}
	return tokens, WriteFile(file, text)
}

func renew(ctx context.Context, c *vault.Client, token string) error {
	_, err := c.Auth().Token().RenewWithContext(ctx, token, 0)
	return err
}

// renewTokens keeps the tokens alive until the stack stops.
func (s *Stack) renewTokens(c *vault.Client) {
	s.renewal.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.stopping:
				return
			case <-tick.C:
			}
			for name, token := range s.VaultTokens {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
				if err := renew(ctx, c, token); err != nil {
					s.log.Warn("vault token not renewed", "name", name, "error", err)
				}
				cancel()
			}
		}
	})
}
